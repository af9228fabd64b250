"""The runs that pages show: found below a folder, opened once, with an index of each ledger."""

import collections
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from elenchus import runs
from elenchus.errors import UserError
from elenchus.results import Result, RunRow, run_row
from elenchus.runs import RunFolder
from elenchus.so_far import so_far
from inspection.index import Index
from inspection.reading import READ_ERRORS, Run

OPEN = 8  # runs at once
WINDOW = 60.0  # seconds that a rate is taken over
Value = TypeVar("Value")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Sample(NamedTuple):
    """How far a run was at a moment, in seconds of the server's clock."""

    at: float
    calls: int
    tokens: int
    examinations: int


class Listing(NamedTuple):
    """A run in the list of all: its row, its settings, and what is wrong with it, "" for nothing.

    `usd` is None where it is not known.
    """

    row: RunRow
    manifest: dict[str, Any]
    usd: float | None
    fault: str


@dataclass
class Opened:
    """A run that pages are about, and the index of its ledger, None while there is no ledger."""

    run: Run
    index: Index | None = None
    samples: collections.deque[Sample] = field(
        default_factory=lambda: collections.deque(maxlen=600)
    )

    def close(self) -> None:
        """Close both."""
        self.run.close()
        if self.index is not None:
            self.index.close()

    def indexed(self, wanted: str = "rows", patience: float = 0.6) -> Index | None:
        """Return the index with what was written by now; None where nothing was.

        It may lack the newest where that takes longer than `patience` seconds.

        Raises:
            UserError: the ledger cannot be read.
        """
        if self.run.ledger is None:
            return None
        if self.index is None:
            self.index = Index(self.run.folder.ledger, self.run.prices)
        self.index.refresh(wanted, patience)
        return self.index

    def rate(self, calls: int, tokens: int, examinations: int) -> tuple[float, float, float] | None:
        """Return calls, tokens and examinations a minute, since these pages were last asked.

        None where they were not, within the last minute.
        """
        now = time.monotonic()
        self.samples.append(Sample(now, calls, tokens, examinations))
        while now - self.samples[0].at > WINDOW:
            self.samples.popleft()
        first, minutes = self.samples[0], (now - self.samples[0].at) / 60
        if minutes <= 0:
            return None
        return (
            (calls - first.calls) / minutes,
            (tokens - first.tokens) / minutes,
            (examinations - first.examinations) / minutes,
        )


class Library:
    """The runs below a folder, from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._opened: dict[tuple[str, str], Opened] = {}
        self._manifests: dict[Path, tuple[int, dict[str, Any]]] = {}
        self._costs: dict[Path, tuple[int, float | None]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all runs."""
        with self._lock:
            for opened in self._opened.values():
                opened.close()
            self._opened.clear()

    def open(self, domain: str, run_id: str) -> Opened:
        """Return a run, which stays open; UserError where there is none of these names."""
        path = self.root / domain / run_id
        names = NAME.fullmatch(domain) and NAME.fullmatch(run_id)
        if not names or not (path / "run.yaml").is_file():
            raise UserError(f"there is no run {domain}/{run_id} below {self.root}")
        with self._lock:
            opened = self._opened.pop((domain, run_id), None) or Opened(Run(path))
            self._opened[domain, run_id] = opened  # the newest last
            while len(self._opened) > OPEN:
                # Another request may still read it: it is closed once nobody does.
                self._opened.pop(next(iter(self._opened)))
        return opened

    def listed(self, seconds: float = 1.0) -> list[Listing]:
        """Return all runs, the newest first; those that cannot be read with the reason.

        Costs that take longer than `seconds` together to add up are left out until the next time.
        """
        until = time.monotonic() + seconds
        return [self._listing(run, until) for run in reversed(runs.listed(self.root))]

    def _listing(self, run: RunFolder, until: float) -> Listing:
        domain = run.path.parent.name
        try:
            manifest = self._manifest(run)
        except READ_ERRORS as error:
            return Listing(
                RunRow(id=run.id, domain=domain, state="unreadable"), {}, None, str(error)
            )
        state = run.state()
        result: Result | None = None
        fault = ""
        if state == "finished":
            try:
                result = Result.model_validate_json(run.result.read_bytes())
            except (ValidationError, OSError):
                fault = f"{run.result.name} is damaged, or another version wrote it"
        row = run_row(run.id, domain, state, result) if result or fault else so_far(run, state)
        return Listing(row, manifest, self._cost(run, until), fault)

    def _manifest(self, run: RunFolder) -> dict[str, Any]:
        """Return how a run was made, which is read anew only where the file changed."""
        path = run.path / "run.yaml"
        return _kept(self._manifests, path, path.stat().st_mtime_ns, run.manifest)

    def _cost(self, run: RunFolder, until: float) -> float | None:
        """Return what a run's calls cost, in USD; None where it is not known, or not yet."""
        ledger = run.ledger
        known = self._costs.get(run.path)
        if time.monotonic() > until:
            return known[1] if known else None
        try:
            if not ledger.exists():
                return 0.0
            if not isinstance(ledger, Path):  # a sum that a database is quick with
                return _spent(run)
            # While a run goes on, what is new stands in SQLite's log.
            files = (ledger, ledger.with_name(f"{ledger.name}-wal"))
            changed = max(file.stat().st_mtime_ns for file in files if file.exists())
            return _kept(self._costs, run.path, changed, lambda: _spent(run))
        except READ_ERRORS:
            return None


def _kept(
    among: dict[Path, tuple[int, Value]], path: Path, changed: int, read: Callable[[], Value]
) -> Value:
    """Return what was read of a file, which is read anew where it changed since."""
    known = among.get(path)
    if known is None or known[0] != changed:
        among[path] = known = (changed, read())
    return known[1]


def _spent(folder: RunFolder) -> float | None:
    with Run(folder.path) as run:
        return run.usd
