"""`method: passages`: continued pre-training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from elenchus.progress import Progress
from elenchus.records import Passage, Point
from elenchus.runs import RunFolder
from graphs.method import Method, Trace
from graphs.pretraining.config import PretrainingTree
from graphs.pretraining.result import PretrainingResult

if TYPE_CHECKING:
    from langgraph.graph import StateGraph
    from rich.console import Console

    from graphs.estimate import Use
    from graphs.services import RunRef


class Passages(Method):
    """In-domain text, then passages about problems of several tasks (TRAIT, arXiv 2406.16694)."""

    name = "passages"
    config = PretrainingTree
    result = PretrainingResult
    read = Passage
    found = Point

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

    def graph(self) -> "StateGraph[Any, RunRef, Any, Any]":
        """See `Method.graph`."""
        from graphs.pretraining.graph import build_graph

        return build_graph()

    def fingerprint(
        self, config: Any, folder: Path, progress: Progress, strict: bool = True
    ) -> str:
        """See `Method.fingerprint`: of the tasks' problems, too."""
        from graphs.pretraining import tasks

        collected = tasks.collect(config.tasks, folder, config.seed)
        problems = f" {tasks.fingerprint(collected)}" if collected.test else ""
        return super().fingerprint(config, folder, progress, strict) + problems

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """See `Method.check`: whether the student can be trained so, and reads the prompts."""
        from graphs.pretraining.stages import check_training
        from retrieval.selection import select

        super().check(config, folder, progress)
        check_training(config, folder)
        select.check(config, folder, progress)

    def estimate(self, config: Any, folder: Path) -> "list[Use]":
        """See `Method.estimate`."""
        from graphs.pretraining.estimate import estimate

        return estimate(config, folder)

    @property
    def trace(self) -> Trace:
        """See `Method.trace`."""
        from graphs.pretraining import trace

        return trace

    def report(self, result: Any, run: RunFolder, console: "Console") -> None:
        """See `Method.report`."""
        from graphs.pretraining.screen import show

        show(result, run, console)
