"""`method: rewriting`: learn texts instead of questions, to compare."""

from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.progress import Progress
from elenchus.records import Passage, Point
from elenchus.runs import RunFolder
from graphs.adaptation.method import Examination
from graphs.adaptation.result import AdaptationResult
from graphs.method import Method, Trace
from graphs.rewriting.config import RewritingTree


class Rewriting(Method):
    """Texts that an author writes, or the documents as they stand; exams as with examinations."""

    name = "rewriting"
    config = RewritingTree
    result = AdaptationResult
    read = Passage
    found = Point
    takes_tests = True

    def problem(self, config: Any) -> str | None:
        """See `Method.problem`."""
        return None if config.training.enabled else "method: rewriting needs training.enabled"

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """See `Method.check`: a student that can be trained, in the memory that is free."""
        from training.checks import check_training
        from training.memory import Manner

        super().check(config, folder, progress)
        check_training(config.student, config.training, progress.say, Manner(instead=""))

    def estimate(self, config: Any, folder: Path) -> Any:
        """See `Method.estimate`: how many texts fill the tokens is not known beforehand."""
        raise UserError(f"no estimate is known for method: {self.name}")

    @property
    def trace(self) -> Trace:
        """See `Method.trace`: that of examinations."""
        return Examination().trace

    def report(self, result: Any, run: RunFolder, console: Any) -> None:
        """See `Method.report`: that of examinations."""
        Examination().report(result, run, console)
