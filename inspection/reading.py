"""Reads a run of any method: its settings, state and result, and its records, typed or as tables.

    import elenchus

    with elenchus.read_run("runs/market/20261129-170749-f575") as run:
        widest = max(run.turns, key=lambda turn: turn.gap or 0)
        scores = run.frame("scores")

Nothing is kept but the open file: whatever is asked for is as the run has it by then, so that one
under way shows more each time.
"""

import contextlib
import importlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from elenchus.errors import UserError
from elenchus.ledger import AnyRecord, Call, Ledger
from elenchus.outcomes import Adapter, Complaint, Dataset, ExamItem, Example, Score
from elenchus.records import (
    Document,
    Examination,
    Failure,
    Passage,
    Point,
    Question,
    Record,
    Rejection,
    Seed,
    Turn,
)
from elenchus.results import Result
from elenchus.runs import RunFolder, RunState
from evaluation.records import TestItem, TestScore, UnusableRow
from graphs.adaptation.reviewing import newest
from graphs.config import DomainConfig, written
from graphs.method import Method
from graphs.methods import method_of
from models.prices import Prices

# Of runs that are damaged, of another version, or written in this instant.
READ_ERRORS = (UserError, OSError, ValueError, KeyError, TypeError, sqlite3.DatabaseError)
# Records that tables are made of, by name; `overview`, `calls`, `dataset` and `rejections` beside.
KINDS: dict[str, type[Record]] = {
    "documents": Document,
    "passages": Passage,
    "points": Point,
    "seeds": Seed,
    "questions": Question,
    "turns": Turn,
    "examinations": Examination,
    "exam_items": ExamItem,
    "scores": Score,
    "examples": Example,
    "datasets": Dataset,
    "adapters": Adapter,
    "failures": Failure,
    "complaints": Complaint,
    "test_items": TestItem,
    "test_scores": TestScore,
    "unusable_rows": UnusableRow,
}


class Run:
    """One run, only read. What its method has none of is empty.

    Records come ordered by id. Where the ledger is damaged or another version's, whatever is read
    from it raises a UserError with the remedy; `id`, `domain` and `state` need no ledger.

    Raises:
        UserError: the folder holds no run.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = RunFolder(Path(path))
        if not (self.folder.path / "run.yaml").is_file():
            raise UserError(
                f"{path} is no run folder, since it has no run.yaml: give one below runs/DOMAIN; "
                "`elenchus runs` lists them"
            )
        self._ledger: Ledger | None = None
        self._manifest: tuple[int, dict[str, Any]] = (0, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger, where it was opened."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.id

    @property
    def domain(self) -> str:
        """The name of its domain."""
        return self.folder.path.parent.name

    @property
    def state(self) -> RunState:
        """What became of the run: running, finished or interrupted."""
        return self.folder.state()

    @property
    def manifest(self) -> dict[str, Any]:
        """How the run was made: `run.yaml` as it stands."""
        changed = (self.folder.path / "run.yaml").stat().st_mtime_ns
        if self._manifest[0] != changed:
            self._manifest = (changed, self.folder.manifest())
        return self._manifest[1]

    @property
    def settings(self) -> DomainConfig:
        """The configuration."""
        return written(self.manifest["config"], str(self.folder.path / "run.yaml"))

    @property
    def method(self) -> Method:
        """The method, which knows what its records are."""
        return method_of(self.manifest["config"]["method"])

    @property
    def result(self) -> Result | None:
        """What the run came to, with the fields of its method; None before its end.

        Raises:
            UserError: the file is damaged, or another version's.
        """
        if not self.folder.result.exists():
            return None
        try:
            return self.method.result.model_validate_json(self.folder.result.read_bytes())
        except ValidationError as error:
            raise UserError(
                f"{self.folder.result} is damaged, or another version wrote it: remove it, and "
                f"`{self.folder.command('resume')}` writes it anew"
            ) from error

    @property
    def ledger(self) -> Ledger | None:
        """The ledger, opened to be read only; None where the run has asked nothing yet."""
        if self._ledger is None and self.folder.ledger.exists():
            try:
                self._ledger = Ledger(self.folder.ledger, read_only=True)
            except UserError:
                path = self.folder.ledger
                if not isinstance(path, Path) or path.stat().st_size:
                    raise
        return self._ledger

    def records(self, kind: type[AnyRecord], **equal: Any) -> list[AnyRecord]:
        """Return the records of a kind whose top-level fields equal the given ones."""
        return self.ledger.all(kind, **equal) if self.ledger else []

    @property
    def documents(self) -> list[Document]:
        """The documents, as they were read."""
        return self.records(Document)

    @property
    def passages(self) -> list[Passage]:
        """The passages that the documents were cut into."""
        return self.records(Passage)

    @property
    def points(self) -> list[Point]:
        """What the documents say and can be asked about."""
        return self.records(Point)

    @property
    def questions(self) -> list[Question]:
        """Every question that was put to somebody."""
        return self.records(Question)

    @property
    def turns(self) -> list[Turn]:
        """Every exchange with its question, answers and verdict."""
        return self.records(Turn)

    @property
    def examinations(self) -> list[Examination]:
        """Every examination with the ids of its turns, and its outcome."""
        return self.records(Examination)

    @property
    def rejections(self) -> dict[str, Rejection]:
        """The reasons why examinations gave no example, by the examination's id."""
        return {e.id: e.rejection for e in self.examinations if e.rejection}

    @property
    def exam_items(self) -> list[ExamItem]:
        """The questions of all exams, with their right answers."""
        return self.records(ExamItem)

    @property
    def scores(self) -> list[Score]:
        """The student's grades on exam items, by round."""
        return self.records(Score)

    @property
    def dataset(self) -> list[Example]:
        """The examples of the newest dataset, in its order; none before the first is chosen."""
        chosen = newest(self.ledger) if self.ledger else None
        examples = {example.id: example for example in self.records(Example)}
        return [examples[i] for i in chosen.example_ids] if chosen else []

    @property
    def failures(self) -> list[Failure]:
        """Calls whose answers could not be used."""
        return self.records(Failure)

    @property
    def calls(self) -> Iterator[Call]:
        """All attempts of all calls, as they were written, one after the other."""
        return self.ledger.calls() if self.ledger else iter(())

    @property
    def prices(self) -> Prices:
        """The prices of its models; none where its settings are another version's."""
        try:
            return Prices(self.settings.models)
        except UserError:
            return Prices({})

    @property
    def usd(self) -> float | None:
        """What its calls cost; None where a model has no price."""
        total, prices = 0.0, self.prices
        for spent in self.ledger.spent() if self.ledger else ():
            if not prices.known(spent.model):
                return None
            total += prices.usd(spent.model, spent.input_tokens, spent.output_tokens)
        return total

    def overview(self) -> list[dict[str, Any]]:
        """Return a row for each thing that the method made, as `elenchus trace RUN --json` does."""
        return self.method.trace.overview(self.ledger, self.id) if self.ledger else []

    def rows(self, kind: str | type[Record]) -> list[dict[str, Any]]:
        """Return records as rows of plain values, each with its id; see `frame` for `kind`."""
        if kind == "overview":
            return self.overview()
        if kind == "calls":
            return [call.model_dump(mode="json") for call in self.calls]
        if kind == "dataset":
            return _dumped(self.dataset)
        if kind == "rejections":
            return [
                {"examination_id": i, **rejection.model_dump(mode="json")}
                for i, rejection in self.rejections.items()
            ]
        return _dumped(self.records(_record(kind)))

    def frame(self, kind: str | type[Record]) -> Any:
        """Return records as a pandas DataFrame, a row each; nested values stay as they are.

        Args:
            kind: a name of `KINDS`, "dataset", "rejections", "calls", "overview", or a class of
                records, such as a method has of its own.

        Raises:
            UserError: there is no such kind, or pandas is not installed.
        """
        pandas = _installed("pandas")
        return pandas.DataFrame(self.rows(kind), columns=_columns(kind))

    def table(self, kind: str | type[Record]) -> Any:
        """Return records as an Arrow table, likewise; UserError where pyarrow is not installed."""
        arrow, rows, columns = _installed("pyarrow"), self.rows(kind), _columns(kind)
        if rows or columns is None:
            return arrow.Table.from_pylist(rows)
        return arrow.table({name: arrow.array([], arrow.null()) for name in columns})


def _record(kind: str | type[Record]) -> type[Record]:
    if isinstance(kind, str):
        if kind not in KINDS:
            known = ", ".join([*KINDS, "dataset", "rejections", "calls", "overview"])
            raise UserError(f"there is no kind {kind!r} of records; there are: {known}")
        return KINDS[kind]
    return kind


def _columns(kind: str | type[Record]) -> Sequence[str] | None:
    """Return the columns of a table, which an empty one has, too; None where rows alone tell."""
    if kind == "overview":
        return None
    if kind == "calls":
        return list(Call.model_fields)
    if kind == "rejections":
        return ["examination_id", *Rejection.model_fields]
    model: type[BaseModel] = Example if kind == "dataset" else _record(kind)
    return ["id", *model.model_fields]


def _dumped(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return records as rows that all have the same columns, those left out of a ledger, too."""
    rows = []
    for record in records:
        dumped = record.model_dump(mode="json")
        left_out = {n: getattr(record, n) for n in type(record).model_fields if n not in dumped}
        rows.append({"id": record.id, **dumped, **left_out})
    return rows


def _installed(package: str) -> Any:
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.import_module(package)
    raise UserError(f"a table needs {package}: pip install {package}")
