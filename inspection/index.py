"""An index of a run's ledger, made for lists: a row an examination, its texts, its calls.

It is a temporary SQLite file, outside the run's folder, so that its size costs no memory (of a
ledger in PostgreSQL, a copy stands beside it); a thread fills it in three passes (rows, texts,
calls), each in portions that readers see at once, and again whenever the ledger grew. Records never
change once they are written, so a row that is there stays.
"""

import contextlib
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.ledger_sqlite import DAMAGED, SqliteDatabase, address_to_read
from elenchus.postgres import Place
from inspection.filling import CALLS, ROWS, SCHEMA, TEXTS, Portion
from models.prices import Prices

PASSES = {"rows": ROWS, "texts": TEXTS, "calls": CALLS}
PORTION = {"rows": 2000, "texts": 500, "calls": 4000}  # records, examinations, calls at once
CACHE_KIB = 16_000  # of each connection


class Index:
    """The index of one ledger, which must exist.

    Raises:
        UserError: the ledger is damaged, holds nothing yet, or is another version's.
    """

    def __init__(self, ledger: Path | Place, prices: Prices) -> None:
        Ledger(ledger, read_only=True).close()  # checks its format
        self._path, self._prices = ledger, prices
        self._place = tempfile.TemporaryDirectory(prefix="elenchus-index-")
        self._writer = self._connected()
        self._writer.executescript(SCHEMA)
        self._writer.execute("ATTACH ? AS run", (self._address(),))
        self._reader = self._connected()
        self._reading, self._gate = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._done = {name: threading.Event() for name in PASSES}
        self._fault: sqlite3.DatabaseError | UserError | None = None
        self._closing = False

    def close(self) -> None:
        """End the thread, and remove the file."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()
        with self._reading:
            self._reader.close()
            self._writer.close()
            self._place.cleanup()

    def refresh(self, wanted: str = "rows", patience: float = 1.0) -> bool:
        """Bring the index up to date, and tell whether a pass came to its end within `patience`.

        Where it did not, the thread goes on, and what is there can be read.

        Args:
            wanted: the pass that is waited for: "rows", "texts" or "calls".
            patience: seconds.

        Raises:
            UserError: the ledger is damaged, or cannot be read for another reason.
        """
        with self._gate:
            if self._thread is None or not self._thread.is_alive():
                self._fault = None
                for done in self._done.values():
                    done.clear()
                self._thread = threading.Thread(target=self._fill, daemon=True)
                self._thread.start()
        ended = self._done[wanted].wait(patience)
        if isinstance(fault := self._fault, UserError):
            raise fault
        if fault is not None:
            damaged = getattr(fault, "sqlite_errorcode", None) in DAMAGED
            what = "is damaged" if damaged else "cannot be read"
            raise UserError(f"{self._path} {what} ({fault}): restore it from a backup") from fault
        return ended

    def ready(self, wanted: str) -> bool:
        """Tell whether the last refresh has come to the end of a pass by now."""
        return self._done[wanted].is_set()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def _address(self) -> str:
        """Return the address of the ledger's file, or of an empty one for its copy."""
        if isinstance(self._path, Path):
            return address_to_read(self._path)
        copy = Path(self._place.name) / "ledger.sqlite"
        SqliteDatabase(copy, read_only=False).close()
        return copy.as_uri()

    def _connected(self) -> sqlite3.Connection:
        path = Path(self._place.name) / "index.sqlite"
        db = sqlite3.connect(
            path.as_uri(), uri=True, check_same_thread=False, isolation_level=None, timeout=60
        )
        db.execute("PRAGMA journal_mode=WAL")  # whoever reads does not wait for the thread
        db.execute("PRAGMA synchronous=OFF")  # nothing is lost with it
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return db

    def _fill(self) -> None:
        try:
            if isinstance(self._path, Place):
                from elenchus.postgres.ledger import copy_new

                copy_new(self._path, self._writer, "run")
            for name, portion in PASSES.items():
                for _ in self._portions(name, portion):
                    if self._closing:
                        return
                self._done[name].set()
        except (sqlite3.DatabaseError, UserError) as error:
            self._fault = error  # told to whoever waits; the next refresh tries again
        finally:
            for done in self._done.values():
                done.set()

    def _portions(self, name: str, portion: Portion) -> Iterator[None]:
        """Do one pass, portion by portion, from where the last one ended."""
        ((end,),) = self._writer.execute(portion.end).fetchall()
        ((start,),) = self._writer.execute("SELECT done FROM passes WHERE name = ?", (name,))
        while start < end:
            upto = min(start + PORTION[name], end)
            with self._transaction():
                for statement in portion.statements:
                    self._writer.execute(statement, {"after": start, "upto": upto})
                if portion.priced:
                    self._price()
                self._writer.execute("UPDATE passes SET done = ? WHERE name = ?", (upto, name))
            start = upto
            yield
        with self._transaction():
            for statement in portion.last:
                self._writer.execute(statement)

    def _price(self) -> None:
        """Note the prices of models that were not met before."""
        query = "SELECT DISTINCT model FROM calls WHERE model NOT IN (SELECT model FROM prices)"
        for (model,) in self._writer.execute(query).fetchall():
            known = self._prices.known(model)
            read, written = (
                (self._prices.usd(model, 1_000_000, 0), self._prices.usd(model, 0, 1_000_000))
                if known
                else (None, None)
            )
            self._writer.execute("INSERT INTO prices VALUES (?, ?, ?)", (model, read, written))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")
