"""`method: indicators`: classify short messages."""

from importlib import util
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.progress import Progress
from elenchus.runs import RunFolder
from elenchus.sections import SourceConfig
from graphs.classification.config import ClassificationTree
from graphs.classification.records import IndicatorList, RealMessage
from graphs.classification.result import ClassificationResult
from graphs.method import Method, Role


class Indicators(Method):
    """Classifier data from a few real messages (ELTEX, arXiv 2503.15055)."""

    name = "indicators"
    config = ClassificationTree
    result = ClassificationResult
    read = RealMessage
    found = IndicatorList
    sources = "messages"
    unread = ("training.objective", "training.replay")

    def problem(self, config: Any) -> str | None:
        """See `Method.problem`."""
        if config.messages.train and config.messages.test:
            return None
        return "method: indicators needs messages.train and messages.test"

    def fingerprint(
        self, config: Any, folder: Path, progress: Progress, strict: bool = True
    ) -> str:
        """See `Method.fingerprint`."""
        from graphs.classification import messages

        return messages.fingerprint(messages.collect(config.messages, folder, config.seed))

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """See `Method.check`: packages, and weights with room for a message."""
        from retrieval.embedding import check_embedding

        for package in ("sklearn", "matplotlib"):
            if util.find_spec(package) is None:
                raise UserError(f"method: indicators needs {package}: pip install -e '.[train]'")
        check_embedding(config.retrieval.embedding)
        if not config.training.enabled:
            return
        from training.checks import check_training
        from training.memory import Manner

        check_training(config.student, config.training, progress.say, Manner("classes"))

    def inputs(self, config: Any) -> list[SourceConfig]:
        """See `Method.inputs`."""
        return [table for table in (config.messages.train, config.messages.test) if table]

    def roles(self, config: Any) -> list[Role]:
        """See `Method.roles`."""
        listing = config.indicators.models or [config.expert]
        experts = listing if config.indicators.enabled else []
        graders = [config.grader] if config.generation.judge else []
        return [
            *(Role("expert", settings) for settings in experts),
            Role("author", config.generation.author),
            *(Role("grader", settings) for settings in graders),
        ]

    def changed(self, run: RunFolder) -> str:
        """See `Method.changed`."""
        return "this run goes on with what they were"
