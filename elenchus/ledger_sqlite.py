"""A run's ledger in an SQLite file: see `elenchus.ledger_database`."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock

from elenchus.errors import UserError

SCHEMA_VERSION = 5
LOCK_SECONDS = 60  # to wait for another writer; SQLite's five are too few on a slow disk
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_kind ON records (kind);
CREATE TABLE IF NOT EXISTS calls (
    id TEXT NOT NULL, attempt INTEGER NOT NULL, role TEXT NOT NULL, task TEXT NOT NULL,
    model TEXT NOT NULL, prompt_sha256 TEXT NOT NULL, request TEXT NOT NULL,
    response TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL, likelihood REAL, finish_reason TEXT NOT NULL,
    estimated INTEGER NOT NULL, repaired INTEGER NOT NULL, adopted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (id, attempt)
);
CREATE TABLE IF NOT EXISTS sent (
    number INTEGER PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
);
"""
BEGUN = 1  # application id, in the header of the file, of a ledger whose run has a checkpoint
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # what SQLite says of such a file


def address_to_read(path: Path) -> str:
    """Return the address, as SQLite takes it, of a ledger that is only read."""
    # In a folder where it cannot write, SQLite must be told that nobody else writes. A log beside
    # the file says that somebody does, or was killed: then its content counts, too.
    closed = not os.access(path.parent, os.W_OK) and not _log(path).exists()
    return f"{path.absolute().as_uri()}?{'immutable=1' if closed else 'mode=ro'}"


def _log(path: Path) -> Path:
    """Return the path of SQLite's write-ahead log, which holds the latest writes."""
    return path.with_name(path.name + "-wal")


class SqliteDatabase:
    """One file, written by one process at a time.

    Raises:
        UserError: another version of Elenchus wrote the file, or it is only read and has no tables.
    """

    def __init__(self, path: Path, read_only: bool) -> None:
        self.place = path
        self._lock = threading.Lock()
        self._unsafe = False  # whether anything was written since `make_safe`
        if read_only:
            address = address_to_read(path)
            self.connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            if self._check_format() == 0:  # set once all tables are there
                self.close()
                raise UserError(f"{path} holds nothing: its run stopped before it asked anything")
            return
        self.connection = sqlite3.connect(
            path.absolute().as_uri(),
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=LOCK_SECONDS,
        )
        self._check_format()
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        # In one transaction: a kill leaves all tables, or none.
        version = f"PRAGMA user_version={SCHEMA_VERSION}"
        self.connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {version}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self.connection.close()

    def _check_format(self) -> int:
        ((version,),) = self.query("PRAGMA user_version")
        if version not in (0, SCHEMA_VERSION):
            self.close()
            raise UserError(
                f"{self.place} was written by another version of Elenchus (its format is "
                f"{version}, this one's {SCHEMA_VERSION}): use that version for it, or launch a "
                "new run"
            )
        return int(version)

    def tell(self, say: Callable[[str], None]) -> None:
        """Say nothing: a file is never waited for."""

    def alone(self, lock: str) -> AbstractContextManager[Any]:
        """Hold a lock file of this name beside the ledger."""
        return FileLock(self.place.with_name(lock))

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query; UserError where the file is damaged."""
        try:
            with self._lock:
                return self.connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in DAMAGED:
                raise
            raise UserError(
                f"{self.place} is damaged ({error}): restore it from a backup"
            ) from error

    def equal(self, name: str, value: Any) -> tuple[str, Any]:
        """Return the condition that a top-level field has a value, and that to compare with."""
        return f"json_extract(body, '$.{name}') = ?", value

    def insert_records(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Insert records, all or none."""
        self._insert("records", 3, rows)

    def insert_calls(self, rows: Iterable[tuple[Any, ...]], number: int | None = None) -> None:
        """Insert calls, and take out the one of a number that was under way."""
        self._insert("calls", 16, rows, number)

    def send(self, *values: Any) -> int:
        """Note a call under way; return its number."""
        with self._lock, self.connection as db:
            row = db.execute("INSERT INTO sent VALUES (NULL, ?, ?, ?, ?)", values)
            self._unsafe = True
        return int(row.lastrowid or 0)

    def withdraw(self, number: int) -> None:
        """Take out a call that was under way."""
        with self._lock, self.connection as db:
            db.execute("DELETE FROM sent WHERE number=?", (number,))

    def mark_begun(self) -> None:
        """Note that there is a checkpoint."""
        with self._lock:
            self.connection.execute(f"PRAGMA application_id={BEGUN}")

    def make_safe(self) -> None:
        """Have all writes so far on the disk.

        Call it from one thread at a time: a second one would return before the first is done.
        """
        with self._lock:
            unsafe, self._unsafe = self._unsafe, False
        if unsafe:  # without the lock: writers need not wait for the disk
            with _log(self.place).open("rb+") as log:
                os.fsync(log.fileno())

    def adopt(self, other: Path, columns: str, kinds: list[str]) -> None:
        """Copy the calls and the records of some kinds out of another file."""
        with self._lock:
            self.connection.execute("ATTACH ? AS other", (address_to_read(other),))
            self.connection.execute(
                f"INSERT OR IGNORE INTO calls SELECT {columns}, 1 FROM other.calls"
            )
            self.connection.execute(
                "INSERT OR IGNORE INTO records SELECT * FROM other.records "
                f"WHERE kind IN ({', '.join('?' * len(kinds))})",
                kinds,
            )
            self.connection.execute("DETACH other")
            self._unsafe = True

    def _insert(
        self, table: str, width: int, rows: Iterable[tuple[Any, ...]], number: int | None = None
    ) -> None:
        slots = ", ".join("?" * width)
        with self._lock, self.connection as db:  # commits, or rolls back whatever the error
            db.execute("BEGIN")
            db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({slots})", rows)
            if number is not None:
                db.execute("DELETE FROM sent WHERE number=?", (number,))
            self._unsafe = True
