"""`method: rewriting`: learn texts instead of questions, to compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from elenchus.errors import UserError
from elenchus.progress import Progress
from elenchus.runs import RunFolder
from graphs.adaptation.method import Examination
from graphs.rewriting.config import RewritingTree

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

    from graphs.estimate import Use
    from graphs.services import RunRef, Services


class Rewriting(Examination):
    """Paraphrases, EntiGraph, or the documents as they stand; exams are those of examinations."""

    name = "rewriting"
    config = RewritingTree

    def problem(self, config: Any) -> str | None:
        """See `Method.problem`."""
        return None if config.training.enabled else "method: rewriting needs training.enabled"

    def graph(self) -> "StateGraph[Any, RunRef, Any, Any]":
        """See `Method.graph`."""
        from graphs.rewriting.graph import build_graph

        return build_graph()

    def update_graph(self) -> None:
        """See `Method.update_graph`: there is none."""

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """See `Method.check`."""
        from graphs import corpus

        corpus.check(config)

    def estimate(self, config: Any, folder: Path) -> "list[Use]":
        """See `Method.estimate`: how many texts fill the tokens is not known beforehand."""
        raise UserError(f"no estimate is known for method: {self.name}")

    def changed(self, run: RunFolder) -> str:
        """See `Method.changed`."""
        return "this run goes on with what they said"

    def keep_so_far(self, services: "Services") -> str:
        """See `Method.keep_so_far`."""
        return ""
