"""The ledger: all records and all model calls of a run, in one SQLite file.

Writes are idempotent (a record's id comes from its content), so a node that runs again after a
kill leaves the ledger as it was. Query it with any SQLite client; `records.body` is JSON.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from elenchus.errors import UserError
from elenchus.records import Record
from elenchus.redaction import without_known_in

SCHEMA_VERSION = 5
PORTION = 200  # calls read at once
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
AnyRecord = TypeVar("AnyRecord", bound=Record)


class Call(BaseModel):
    """One model call. `id` is its cache key; `request` holds the messages as JSON.

    Where an answer cannot be used, asking again is the next `attempt` of the same call.
    `likelihood` is the mean log-likelihood of a token of the answer, where the model tells it;
    `finish_reason` is its server's word for why the answer ended. Tokens are `estimated` where the
    server did not count them; a `repaired` answer is JSON that no parser reads as it stands.
    """

    model_config = ConfigDict(frozen=True)
    id: str
    attempt: int = 0
    role: str
    task: str
    model: str
    prompt_sha256: str
    request: str
    response: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    likelihood: float | None = None
    finish_reason: str = ""
    estimated: bool = False
    repaired: bool = False


_COLUMNS = ", ".join(Call.model_fields)
_PAID = "role, model, input_tokens, output_tokens"
_ANSWERED = f"SELECT {_PAID} FROM calls WHERE adopted=0"
_SENT = f"SELECT {_PAID} FROM sent"


class Spent(NamedTuple):
    """Totals of a role's calls of one model, without those taken over from another run."""

    role: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int


class Entry(NamedTuple):
    """A record or a call of whatever kind; `text` is its JSON."""

    kind: str
    id: str
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The fields."""
        fields: dict[str, Any] = json.loads(self.text)
        return fields


class TaskSpent(NamedTuple):
    """Totals of a role's calls for one task, likewise."""

    role: str
    task: str
    calls: int
    input_tokens: int
    output_tokens: int


def address_to_read(path: Path) -> str:
    """Return the address, as SQLite takes it, of a ledger that is only read."""
    # In a folder where it cannot write, SQLite must be told that nobody else writes. A log beside
    # the file says that somebody does, or was killed: then its content counts, too.
    closed = not os.access(path.parent, os.W_OK) and not _log(path).exists()
    return f"{path.absolute().as_uri()}?{'immutable=1' if closed else 'mode=ro'}"


def _log(path: Path) -> Path:
    """Return the path of SQLite's write-ahead log, which holds the latest writes."""
    return path.with_name(path.name + "-wal")


class Ledger:
    """Typed access to the file, from any thread of a process.

    Args:
        read_only: the file must exist; its folder may be another user's.

    Raises:
        UserError: another version of Elenchus wrote the file, or it is only read and has no tables.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._unsafe = False  # whether anything was written since `make_safe`
        if read_only:
            self._db = sqlite3.connect(address_to_read(path), uri=True, check_same_thread=False)
            if self._check_format() == 0:  # set once all tables are there
                self.close()
                raise UserError(f"{path} holds nothing: its run stopped before it asked anything")
            return
        self._db = sqlite3.connect(
            path.absolute().as_uri(),
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=LOCK_SECONDS,
        )
        self._check_format()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        # In one transaction: a kill leaves all tables, or none.
        version = f"PRAGMA user_version={SCHEMA_VERSION}"
        self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {version}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _check_format(self) -> int:
        ((version,),) = self._query("PRAGMA user_version")
        if version not in (0, SCHEMA_VERSION):
            self.close()
            raise UserError(
                f"{self.path} was written by another version of Elenchus (its format is {version}, "
                f"this one's {SCHEMA_VERSION}): use that version for it, or launch a new run"
            )
        return int(version)

    def write(self, *records: Record) -> None:
        """Write records, all or none; records that are there already stay as they are."""
        self._insert("records", 3, [(r.id, type(r).__name__, r.model_dump_json()) for r in records])

    def mark_begun(self) -> None:
        """Note that the run has a checkpoint: from now on, one that is missing was lost."""
        with self._lock:
            self._db.execute(f"PRAGMA application_id={BEGUN}")

    def make_safe(self) -> None:
        """Make all writes so far survive a power failure, too.

        A killed process loses nothing in any case, and waiting for the disk at every write would
        take longer than everything else in a demonstration run. Call it from one thread at a time:
        a second one would return before the first is done.
        """
        with self._lock:
            unsafe, self._unsafe = self._unsafe, False
        if unsafe:  # without the lock: writers need not wait for the disk
            with _log(self.path).open("rb+") as log:
                os.fsync(log.fileno())

    def send(self, role: str, model: str, read: int, written: int) -> int:
        """Write down that a call is about to be sent, and about what it costs; return its number.

        What stays there was under way when the process was killed, and was paid for.
        """
        values = (role, model, read, written)
        with self._lock, self._db:
            row = self._db.execute("INSERT INTO sent VALUES (NULL, ?, ?, ?, ?)", values)
            self._unsafe = True
        return int(row.lastrowid or 0)

    def withdraw(self, number: int) -> None:
        """Take back what `send` wrote: the server has answered nothing."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM sent WHERE number=?", (number,))

    def write_call(self, call: Call, number: int | None = None, adopted: bool = False) -> None:
        """Write an attempt of a call, `sent` under a number; one that is there stays as it is.

        Only known secrets are taken out: a document may hold what looks like one, and is quoted.
        """
        texts = without_known_in({"request": call.request, "response": call.response})
        values = (*call.model_copy(update=texts).model_dump().values(), int(adopted))
        self._insert("calls", len(values), [values], number)

    def get(self, kind: type[AnyRecord], record_id: str) -> AnyRecord:
        """Return the record of this id; KeyError where there is none."""
        query = "SELECT body FROM records WHERE id=? AND kind=?"
        for (body,) in self._query(query, record_id, kind.__name__):
            return kind.model_validate_json(body)
        raise KeyError(record_id)

    def all(self, kind: type[AnyRecord], **equal: Any) -> list[AnyRecord]:
        """Return the records of a kind whose top-level fields equal the given ones, by id."""
        return [kind.model_validate_json(body) for (body,) in self._select("body", kind, equal)]

    def count(self, kind: type[Record], **equal: Any) -> int:
        """Count the records that `all` would return."""
        return int(self._select("COUNT(*)", kind, equal)[0][0])

    def fields(self, kind: type[Record], *paths: str) -> dict[str, tuple[Any, ...]]:
        """Return some fields of all records of a kind, by id: thousands take no time so.

        Args:
            paths: as SQLite names them, for instance "$.verdict.gap"; lists come as JSON.
        """
        columns = "".join(", json_extract(body, ?)" for _ in paths)
        query = f"SELECT id{columns} FROM records WHERE kind=? ORDER BY id"
        return {row[0]: row[1:] for row in self._query(query, *paths, kind.__name__)}

    def later(self, kind: type[Record], record_id: str) -> set[str]:
        """Return the ids of the records of a kind that were written after a record or a call."""
        places = self._query("SELECT rowid FROM records WHERE id=?", record_id) or self._query(
            "SELECT COALESCE(MIN(rowid), 0) FROM records WHERE instr(body, ?)", record_id
        )
        query = "SELECT id FROM records WHERE kind=? AND rowid>?"
        return {one for (one,) in self._query(query, kind.__name__, places[0][0])}

    def entries(self, prefix: str) -> list[Entry]:
        """Return all records, and the last attempt of each call, whose id starts with a prefix."""
        like = "substr(id, 1, ?1) = ?2 ORDER BY id"
        rows = self._query(f"SELECT kind, id, body FROM records WHERE {like}", len(prefix), prefix)
        found = [Entry(*row) for row in rows]
        calls = self._query(f"SELECT DISTINCT id FROM calls WHERE {like}", len(prefix), prefix)
        for (call_id,) in calls:
            call = self.call(call_id)
            assert call is not None
            found.append(Entry("Call", call_id, call.model_dump_json(exclude={"id"})))
        return found

    def mentioning(self, *texts: str) -> list[Entry]:
        """Return the records whose JSON holds one of these texts, such as an id."""
        either = " OR ".join("instr(body, ?)" for _ in texts)
        query = f"SELECT kind, id, body FROM records WHERE {either} ORDER BY id"
        return [Entry(*row) for row in self._query(query, *texts)]

    def call(self, call_id: str, attempt: int | None = None) -> Call | None:
        """Return an attempt of a call, by default the last one; None where there is none."""
        rows = self._query(
            f"SELECT {_COLUMNS} FROM calls WHERE id=?1 AND (?2 IS NULL OR attempt=?2) "
            "ORDER BY attempt DESC LIMIT 1",
            call_id,
            attempt,
        )
        return Call(**dict(zip(Call.model_fields, rows[0], strict=True))) if rows else None

    def call_ids(self) -> set[str]:
        """Return the ids of all calls."""
        return {found for (found,) in self._query("SELECT DISTINCT id FROM calls")}

    def prompts(self) -> set[str]:
        """Return the SHA-256 of each template that a call was made from."""
        return {found for (found,) in self._query("SELECT DISTINCT prompt_sha256 FROM calls")}

    def calls(self) -> Iterator[Call]:
        """Yield all attempts of all calls, as they were written; a long run's are gigabytes."""
        last = 0
        while rows := self._query(
            f"SELECT rowid, {_COLUMNS} FROM calls WHERE rowid > ? ORDER BY rowid LIMIT {PORTION}",
            last,
        ):
            last = rows[-1][0]
            for _, *row in rows:
                yield Call(**dict(zip(Call.model_fields, row, strict=True)))

    def attempts(self, call_id: str) -> list[Call]:
        """Return all attempts of a call, in order."""
        query = f"SELECT {_COLUMNS} FROM calls WHERE id=? ORDER BY attempt"
        rows = self._query(query, call_id)
        return [Call(**dict(zip(Call.model_fields, row, strict=True))) for row in rows]

    def kinds(self) -> dict[str, int]:
        """Count the records of each kind, by the name of its class."""
        return dict(self._query("SELECT kind, COUNT(*) FROM records GROUP BY kind ORDER BY kind"))

    def of_kind(self, kind: str, limit: int, offset: int = 0, containing: str = "") -> list[Entry]:
        """Return some of the records of a kind whose class is not at hand, by id.

        Args:
            containing: a text that their JSON must hold, in upper or lower case.
        """
        query = (
            "SELECT kind, id, body FROM records WHERE kind=? AND instr(lower(body), lower(?)) "
            "ORDER BY id LIMIT ? OFFSET ?"
        )
        return [Entry(*row) for row in self._query(query, kind, containing, limit, offset)]

    def adopt(self, other: Path, searches: bool) -> None:
        """Copy the calls of another run's ledger, so that none of them is made again.

        Decisions and complaints of people are copied, too: they are on texts, which come out alike.

        Args:
            searches: copy the results of searches, too; both runs must search the same passages.
        """
        Ledger(other, read_only=True).close()  # checks its format
        with self._lock:
            self._db.execute("ATTACH ? AS other", (address_to_read(other),))
            self._db.execute(f"INSERT OR IGNORE INTO calls SELECT {_COLUMNS}, 1 FROM other.calls")
            kinds = ["Decision", "Complaint", *(["Retrieval"] if searches else [])]
            self._db.execute(
                "INSERT OR IGNORE INTO records SELECT * FROM other.records "
                f"WHERE kind IN ({', '.join('?' * len(kinds))})",
                kinds,
            )
            self._db.execute("DETACH other")
            self._unsafe = True

    def usage(self) -> tuple[int, int]:
        """Return the number of calls made in this run, and of tokens in and out together."""
        paid = self.answered()
        return sum(o.calls for o in paid), sum(o.input_tokens + o.output_tokens for o in paid)

    def spent(self) -> list[Spent]:
        """Return what was paid for in this run, by role and model; calls that a kill cost, too."""
        return self._sums(f"{_ANSWERED} UNION ALL {_SENT}")

    def answered(self) -> list[Spent]:
        """Return what the answers of this run came to, by role and model."""
        return self._sums(_ANSWERED)

    def unanswered(self) -> list[Spent]:
        """Return about what was paid for calls without an answer: under way, or cost by a kill."""
        return self._sums(_SENT)

    def _sums(self, rows: str) -> list[Spent]:
        query = (
            "SELECT role, model, COUNT(*), SUM(input_tokens), SUM(output_tokens) "
            f"FROM ({rows}) GROUP BY role, model ORDER BY role, model"
        )
        return [Spent(*row) for row in self._query(query)]

    def spent_by_task(self) -> list[TaskSpent]:
        """Return what was paid for in this run, by role and task."""
        query = (
            "SELECT role, task, COUNT(*), SUM(input_tokens), SUM(output_tokens) FROM calls "
            "WHERE adopted=0 GROUP BY role, task ORDER BY role, task"
        )
        return [TaskSpent(*row) for row in self._query(query)]

    def _select(
        self, what: str, kind: type[Record], equal: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        where = "".join(f" AND json_extract(body, '$.{name}') = ?" for name in equal)
        query = f"SELECT {what} FROM records WHERE kind=?{where} ORDER BY id"
        return self._query(query, kind.__name__, *equal.values())

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in DAMAGED:
                raise
            raise UserError(
                f"{self.path} is damaged ({error}): restore it from a backup"
            ) from error

    def _insert(
        self, table: str, width: int, rows: Iterable[tuple[Any, ...]], number: int | None = None
    ) -> None:
        """Insert rows, and take out the call of a number that was under way."""
        slots = ", ".join("?" * width)
        with self._lock, self._db:  # commits, or rolls back whatever the error
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({slots})", rows)
            if number is not None:
                self._db.execute("DELETE FROM sent WHERE number=?", (number,))
            self._unsafe = True
