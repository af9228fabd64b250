"""The seam of a method: what launching, resuming, tracing and estimating a run ask of it.

A method is a folder below graphs/ with a class of this kind in its `method.py`; `graphs/methods.py`
lists them. The class imports nothing heavy: the folder's other files (`graph.py`, `estimate.py`,
`trace.py`, `screen.py`) are loaded when they are used.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from elenchus.config import CommonConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.progress import Progress
from elenchus.records import Record
from elenchus.results import Result
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig, SourceConfig

if TYPE_CHECKING:
    from langgraph.graph import StateGraph
    from rich.console import Console

    from graphs.estimate import Use
    from graphs.services import RunRef, Services


class Role(NamedTuple):
    """A model that a run asks: in which role, and how many passages it is given at once.

    `writes` says that it also plays the author, whose calls may have a cap of their own.
    """

    name: str
    settings: ModelConfig
    passages: int = 0
    writes: bool = False


class Trace(Protocol):
    """Shows what the agents of a run did; a module with these names is one.

    `RECORD` is the kind of record that is shown whole.
    """

    RECORD: Any

    def overview(self, ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
        """Return a row for each thing that was made."""

    def show_overview(self, ledger: Ledger, rows: list[dict[str, Any]], run: RunFolder) -> None:
        """Print the rows."""

    def as_json(self, ledger: Ledger, record: Any) -> dict[str, Any]:
        """Return a record with everything that it refers to."""

    def show(self, ledger: Ledger, record: Any) -> None:
        """Print a record as a person reads it."""


class Previewed(NamedTuple):
    """The examinations that a preview made, and what the whole run will use."""

    made: "list[Any]"
    whole: "list[Use]"


class Preview(Protocol):
    """Makes so many examinations in a run that has just begun."""

    async def __call__(self, services: "Services", ref: "RunRef", count: int) -> Previewed:
        """Make them; UserError where there is nothing to ask about."""


class Method:
    """One way to make a better student out of what a domain has.

    Where a method does not say otherwise, it reads documents, and asks expert, examiner, grader and
    student.

    Attributes:
        name: the value of `method` in domain.yaml.
        config: the tree with the sections that it reads.
        result: what its `result.json` holds.
        read, found: kinds of records that show that a run has read its sources, and that it has
            made something worth keeping.
        sources: what it reads, in a word.
        unread: settings in its sections that are none of its own.
        takes_tests: whether the user's own tests are taken at the end: see `graphs.own_tests`.
        engines: what it can be spread over.
        examined_apart: whether it has examinations that the workers of a cluster make.
    """

    name: ClassVar[str]
    config: ClassVar[type[CommonConfig]]
    result: ClassVar[type[Result]]
    read: ClassVar[type[Record]]
    found: ClassVar[type[Record]]
    sources: ClassVar[str] = "documents"
    unread: ClassVar[tuple[str, ...]] = ()
    takes_tests: ClassVar[bool] = False
    engines: ClassVar[tuple[str, ...]] = ("local",)
    examined_apart: ClassVar[bool] = False

    def problem(self, config: Any) -> str | None:
        """Say what in a valid configuration keeps the method from running, if anything does."""
        return None

    def graph(self) -> "StateGraph[Any, RunRef, Any, Any]":
        """Build the state machine, without a checkpointer: `build_graph` of its `graph.py`."""
        graph: StateGraph[Any, RunRef, Any, Any] = self._file("graph").build_graph()
        return graph

    def fingerprint(
        self, config: Any, folder: Path, progress: Progress, strict: bool = True
    ) -> str:
        """Look through what a run of the domain in `folder` reads; what tells it from other input.

        Not strict, a test may quote what the sources do not say any more.

        Raises:
            UserError: something in it cannot be used.
        """
        from graphs import corpus

        return corpus.fingerprint(config, folder, progress, strict)

    def check(self, config: Any, folder: Path, progress: Progress) -> None:
        """Find what else would end a run late, before anything is paid for.

        Raises:
            UserError: packages, weights or settings do not allow the run.
        """
        from graphs import corpus

        corpus.check(config)

    def inputs(self, config: Any) -> list[SourceConfig]:
        """Return the folders and tables that a dataset is made from."""
        return list(config.corpus.sources)

    def roles(self, config: Any) -> list[Role]:
        """Return every model that a run asks."""
        passages = config.retrieval.passages + config.retrieval.references
        return [
            Role("expert", config.expert, passages, writes=True),
            Role("examiner", config.examiner, 1),
            Role("grader", config.grader),
            Role("student", config.student),
        ]

    def trains_whole(self, config: Any) -> bool:
        """Tell whether a run trains all weights of its student, and no LoRA."""
        return False

    def estimate(self, config: Any, folder: Path) -> "list[Use]":
        """Return what a run will use, by role, without asking a model, by its `estimate.py`.

        Raises:
            UserError: what it reads cannot be used, or no estimate is known.
        """
        uses: list[Use] = self._file("estimate").estimate(config, folder)
        return uses

    def preview(self) -> "Preview":
        """Return what makes a few examinations to look at.

        Raises:
            UserError: the method has none.
        """
        raise UserError(
            f"method: {self.name} makes no examinations to look at; "
            "`elenchus launch DOMAIN --dry-run` estimates what a run would use"
        )

    @property
    def trace(self) -> Trace:
        """What shows the agents' work: its `trace.py`."""
        trace: Trace = self._file("trace")
        return trace

    def report(self, result: Any, run: RunFolder, console: "Console") -> None:
        """Print the final screen of a finished run: `show` of its `screen.py`."""
        self._file("screen").show(result, run, console)

    def changed(self, run: RunFolder) -> str:
        """Say what becomes of sources that changed while the run was under way."""
        return "this run goes on with what they said"

    def keep_so_far(self, services: "Services") -> str:
        """Write the files of a run that has to stop; what they are, for its last message."""
        return ""

    def update_graph(self) -> "StateGraph[Any, RunRef, Any, Any] | None":
        """Build the state machine that goes on from a finished run; None where there is none."""
        return None

    def has_more(self, run: RunFolder) -> bool:
        """Tell whether an update of a finished run has work although no document changed."""
        return False

    def _file(self, name: str) -> Any:
        """Import a file of the folder that the method is in."""
        return importlib.import_module(f"{type(self).__module__.rpartition('.')[0]}.{name}")
