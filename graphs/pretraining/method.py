"""`method: passages`: continued pre-training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from elenchus.progress import Progress
from elenchus.records import Passage, Point
from graphs.method import Method
from graphs.pretraining.config import PretrainingTree
from graphs.pretraining.result import PretrainingResult

if TYPE_CHECKING:
    from graphs.pretraining.tasks import Collected


class Passages(Method):
    """In-domain text, then passages about problems of several tasks (TRAIT, arXiv 2406.16694)."""

    name = "passages"
    config = PretrainingTree
    result = PretrainingResult
    read = Passage
    found = Point
    takes_tests = True
    engines = ("local", "ray")
    unread = ("training.objective", "training.replay", "training.least_steps")

    def __init__(self) -> None:
        self._collected: Collected | None = None  # kept, since large tables take a minute to read

    def problem(self, config: Any) -> str | None:
        """See `Method.problem`."""
        together, tasks = config.passages.problems, len(config.tasks)
        if not config.training.enabled:
            return "method: passages needs training.enabled"
        if config.pretraining.domain_tokens == config.pretraining.passage_tokens == 0:
            return "pretraining: domain_tokens and passage_tokens are both 0"
        if tasks and config.passages.across and together > tasks:
            return (
                f"passages.problems is {together}, each of another task, but tasks names {tasks}: "
                "lower it, or set passages.across=false"
            )
        return None

    def fingerprint(
        self, config: Any, folder: Path, progress: Progress, strict: bool = True
    ) -> str:
        """See `Method.fingerprint`: of the tasks' problems, too."""
        from graphs.pretraining import tasks

        self._collected = collected = tasks.collect(config.tasks, folder, config.seed)
        problems = f" {tasks.fingerprint(collected)}" if collected.test else ""
        return super().fingerprint(config, folder, progress, strict) + problems

    def trains_whole(self, config: Any) -> bool:
        """See `Method.trains_whole`."""
        return bool(config.pretraining.weights == "all")

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """See `Method.check`: whether the student can be trained so, and reads the prompts."""
        from graphs.pretraining import stages, tasks
        from retrieval.selection import select

        super().check(config, folder, progress)
        collected = self._collected or tasks.collect(config.tasks, folder, config.seed)
        stages.check(config, folder, collected, progress.say)
        select.check(config, folder, progress)
