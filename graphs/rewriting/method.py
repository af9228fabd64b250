"""`method: rewriting`: learn texts instead of questions, to compare."""

from typing import TYPE_CHECKING, Any

from elenchus.records import Passage, Point
from elenchus.runs import RunFolder
from graphs.adaptation.result import AdaptationResult
from graphs.method import Method, Trace
from graphs.rewriting.config import RewritingTree

if TYPE_CHECKING:
    from langgraph.graph import StateGraph
    from rich.console import Console

    from graphs.services import RunRef


class Rewriting(Method):
    """Paraphrases, EntiGraph, or the documents as they stand; exams are those of examinations.

    How many texts fill the tokens is not known beforehand, so there is no estimate.
    """

    name = "rewriting"
    config = RewritingTree
    result = AdaptationResult
    read = Passage
    found = Point

    def problem(self, config: Any) -> str | None:
        """See `Method.problem`."""
        return None if config.training.enabled else "method: rewriting needs training.enabled"

    def graph(self) -> "StateGraph[Any, RunRef, Any, Any]":
        """See `Method.graph`."""
        from graphs.rewriting.graph import build_graph

        return build_graph()

    @property
    def trace(self) -> Trace:
        """See `Method.trace`."""
        from graphs.adaptation import trace

        return trace

    def report(self, result: Any, run: RunFolder, console: "Console") -> None:
        """See `Method.report`."""
        from graphs.adaptation.screen import show

        show(result, run, console)
