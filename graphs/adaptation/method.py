"""`method: examination`: learn what the student fails."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elenchus.ledger import Ledger
from elenchus.progress import Progress
from elenchus.records import Passage, Point
from elenchus.runs import RunFolder
from graphs.adaptation.config import AdaptationTree
from graphs.adaptation.result import AdaptationResult
from graphs.method import Method, Preview

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

    from graphs.services import RunRef, Services


class Examination(Method):
    """The main method (arXiv 2602.18137), with outer rounds, and updates of finished runs."""

    name = "examination"
    config = AdaptationTree
    result = AdaptationResult
    read = Passage
    found = Point
    takes_tests = True
    engines = ("local", "ray")
    examined_apart = True

    def update_graph(self) -> "StateGraph[Any, RunRef, Any, Any] | None":
        """See `Method.update_graph`."""
        from graphs.adaptation.update import build_graph

        return build_graph()

    def has_more(self, run: RunFolder) -> bool:
        """See `Method.has_more`: questions that users kept wait to be asked."""
        from graphs.adaptation.complaints import waiting

        with closing(Ledger(run.ledger, read_only=True)) as ledger:
            return bool(waiting(ledger))

    def preview(self) -> Preview:
        """See `Method.preview`."""
        from graphs.adaptation.preview import preview

        return preview

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """See `Method.check`: rules that are known, and a student whose chats can be learnt."""
        from graphs.adaptation.stopping import stopping_rule
        from training.checks import check_training

        super().check(config, folder, progress)
        stopping_rule(config)
        if config.training.enabled:
            check_training(config.student, config.training, progress.say)

    def changed(self, run: RunFolder) -> str:
        """See `Method.changed`."""
        return f"{super().changed(run)}; afterwards, `{run.command('update')}` takes them up"

    def keep_so_far(self, services: "Services") -> str:
        """See `Method.keep_so_far`."""
        from graphs.adaptation.curation import keep_so_far

        kept = keep_so_far(services)
        return f"the dataset so far has {kept} examples ({services.folder.dataset})" if kept else ""
