"""The ledger: all records and all model calls of a run, in an SQLite file or in PostgreSQL.

Writes are idempotent (a record's id comes from its content), so a node that runs again after a
kill leaves the ledger as it was. Query it with any client; `records.body` is JSON.
"""

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from elenchus.ledger_database import Database
from elenchus.ledger_sqlite import SqliteDatabase
from elenchus.postgres import Place
from elenchus.records import Record
from elenchus.redaction import hider

PORTION = 200  # calls read at once
RECENT = 1000  # records kept as they were read: an examination asks for its own again and again
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
_TOKENS = "CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT)"


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


class Ledger:
    """Typed access to a run's rows, from any thread of a process.

    Args:
        path: its file, or where it is in PostgreSQL.
        read_only: it must exist; a file's folder may be another user's.

    Raises:
        UserError: another version of Elenchus wrote it, or it is only read and holds nothing.
    """

    def __init__(self, path: Path | Place, read_only: bool = False) -> None:
        self.path = path
        self._read = functools.lru_cache(RECENT)(self._load)
        self._db: Database
        if isinstance(path, Path):
            self._db = SqliteDatabase(path, read_only)
        else:
            from elenchus.postgres.ledger import PostgresDatabase

            self._db = PostgresDatabase(path, read_only)

    def close(self) -> None:
        """Close the file, or leave the database."""
        self._db.close()

    def tell(self, say: Callable[[str], None]) -> None:
        """Say with this function when a database that is away is waited for."""
        self._db.tell(say)

    def alone(self, lock: str) -> AbstractContextManager[Any]:
        """Be the only process within such a context of this name, on this run."""
        return self._db.alone(lock)

    def write(self, *records: Record) -> None:
        """Write records, all or none; records that are there already stay as they are."""
        self._db.insert_records([(r.id, type(r).__name__, r.model_dump_json()) for r in records])

    def mark_begun(self) -> None:
        """Note that the run has a checkpoint: from now on, one that is missing was lost."""
        self._db.mark_begun()

    def make_safe(self) -> None:
        """Make all writes so far survive a power failure, too.

        A killed process loses nothing in any case, and waiting for the disk at every write would
        take longer than everything else in a demonstration run. Call it from one thread at a time:
        a second one would return before the first is done.
        """
        self._db.make_safe()

    def send(self, role: str, model: str, read: int, written: int) -> int:
        """Write down that a call is about to be sent, and about what it costs; return its number.

        What stays there was under way when the process was killed, and was paid for.
        """
        return self._db.send(role, model, read, written)

    def withdraw(self, number: int) -> None:
        """Take back what `send` wrote: the server has answered nothing."""
        self._db.withdraw(number)

    def write_call(self, call: Call, number: int | None = None, adopted: bool = False) -> None:
        """Write an attempt of a call, `sent` under a number; one that is there stays as it is.

        Only known secrets are taken out: a document may hold what looks like one, and is quoted.
        """
        hide = hider()
        texts = {"request": hide(call.request), "response": hide(call.response)}
        values = call.model_dump() | texts
        self._db.insert_calls([(*values.values(), int(adopted))], number)

    def get(self, kind: type[AnyRecord], record_id: str) -> AnyRecord:
        """Return the record of this id; KeyError where there is none."""
        record: AnyRecord = self._read(kind, record_id)
        return record

    def _load(self, kind: type[AnyRecord], record_id: str) -> AnyRecord:
        query = "SELECT body FROM records WHERE id=? AND kind=?"
        for (body,) in self._query(query, record_id, kind.__name__):
            return kind.model_validate_json(body)
        raise KeyError(record_id)

    def all(self, kind: type[AnyRecord], **equal: Any) -> list[AnyRecord]:
        """Return the records of a kind whose top-level fields equal the given ones, by id."""
        return [kind.model_validate_json(body) for (body,) in self._select("body", kind, equal)]

    def count(self, kind: type[Record], **equal: Any) -> int:
        """Count the records that `all` would return."""
        return int(self._select("COUNT(*)", kind, equal, "")[0][0])

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
        like = "substr(id, 1, ?) = ? ORDER BY id"
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
        which, values = ("", ()) if attempt is None else (" AND attempt=?", (attempt,))
        query = f"SELECT {_COLUMNS} FROM calls WHERE id=?{which} ORDER BY attempt DESC LIMIT 1"
        rows = self._query(query, call_id, *values)
        return Call(**dict(zip(Call.model_fields, rows[0], strict=True))) if rows else None

    def call_ids(self) -> set[str]:
        """Return the ids of all calls."""
        return {found for (found,) in self._query("SELECT DISTINCT id FROM calls")}

    def prompts(self) -> set[str]:
        """Return the SHA-256 of each template that a call was made from."""
        return {found for (found,) in self._query("SELECT DISTINCT prompt_sha256 FROM calls")}

    def calls(self) -> Iterator[Call]:
        """Yield all attempts of all calls, as they were written; a long run's are gigabytes."""
        for rows in self._portions(_COLUMNS, "calls"):
            for row in rows:
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

    def adopt(self, other: Path | Place, searches: bool) -> None:
        """Copy the calls of another run's ledger, so that none of them is made again.

        Decisions and complaints of people are copied, too: they are on texts, which come out alike.

        Args:
            searches: copy the results of searches, too; both runs must search the same passages.
        """
        kinds = ["Decision", "Complaint", *(["Retrieval"] if searches else [])]
        source = Ledger(other, read_only=True)  # checks its format
        try:
            if isinstance(self._db, SqliteDatabase) and isinstance(other, Path):
                self._db.adopt(other, _COLUMNS, kinds)
                return
            for rows in source._portions(_COLUMNS, "calls"):
                self._db.insert_calls([(*row, 1) for row in rows])
            slots = ", ".join("?" * len(kinds))
            for rows in source._portions("id, kind, body", "records", f"kind IN ({slots})", *kinds):
                self._db.insert_records([(row[0], row[1], row[2]) for row in rows])
        finally:
            source.close()

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
            f"SELECT role, model, COUNT(*), {_TOKENS} "
            f"FROM ({rows}) paid GROUP BY role, model ORDER BY role, model"
        )
        return [Spent(*row) for row in self._query(query)]

    def spent_by_task(self) -> list[TaskSpent]:
        """Return what was paid for in this run, by role and task."""
        query = (
            f"SELECT role, task, COUNT(*), {_TOKENS} FROM calls "
            "WHERE adopted=0 GROUP BY role, task ORDER BY role, task"
        )
        return [TaskSpent(*row) for row in self._query(query)]

    def _select(
        self, what: str, kind: type[Record], equal: dict[str, Any], order: str = " ORDER BY id"
    ) -> list[tuple[Any, ...]]:
        conditions = [self._db.equal(name, value) for name, value in equal.items()]
        where = "".join(f" AND {condition}" for condition, _ in conditions)
        query = f"SELECT {what} FROM records WHERE kind=?{where}{order}"
        return self._query(query, kind.__name__, *(value for _, value in conditions))

    def _portions(
        self, columns: str, table: str, condition: str = "", *values: Any
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows as they were written, some at once."""
        last, among = 0, f" AND {condition}" if condition else ""
        query = (
            f"SELECT rowid, {columns} FROM {table} WHERE rowid > ?{among} "
            f"ORDER BY rowid LIMIT {PORTION}"
        )
        while rows := self._query(query, last, *values):
            last = rows[-1][0]
            yield [row[1:] for row in rows]

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._db.query(sql, *values)
