"""A run's ledger in PostgreSQL: see `elenchus.ledger_database`."""

import json
import math
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from elenchus.errors import UserError
from elenchus.postgres import Place
from elenchus.postgres.session import Session, missing, session

# The tables of one run by the names that the ledger's queries use, with a rowid as SQLite has it.
SCOPE = """
WITH records AS NOT MATERIALIZED (
    SELECT number AS rowid, id, kind, body FROM elenchus.records WHERE run = %s
), calls AS NOT MATERIALIZED (
    SELECT number AS rowid, * FROM elenchus.calls WHERE run = %s
), sent AS NOT MATERIALIZED (
    SELECT * FROM elenchus.sent WHERE run = %s
)
"""
RECORDS = """
INSERT INTO elenchus.records (run, id, kind, body)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING
"""
COLUMNS = (
    "id, attempt, role, task, model, prompt_sha256, request, response, input_tokens, "
    "output_tokens, seconds, likelihood, finish_reason, estimated, repaired, adopted"
)
CALL = f"""
WITH done AS (DELETE FROM elenchus.sent WHERE run = %s AND number = %s)
INSERT INTO elenchus.calls (run, {COLUMNS})
VALUES (%s, {", ".join(["%s"] * 16)}) ON CONFLICT DO NOTHING
"""
COPIED = {"records": "id, kind, body", "calls": COLUMNS}
PORTION = 500  # rows copied at once
NAMING = frozenset(("Adapter", "Classifier"))  # records that name files, which must be there first
NO_CALL = -1  # no number that was sent


class PostgresDatabase:
    """The rows of one run.

    Raises:
        UserError: the database has no such run, or of one that is only read, nothing yet.
    """

    def __init__(self, place: Place, read_only: bool) -> None:
        self.place = place
        self._run = place.run
        self._session: Session = session(place.run, place.address)
        is_there, has_rows = _state(self._session, place.run)
        if not is_there:
            raise UserError(missing(place.run, self._session.name))
        if read_only and not has_rows:
            raise UserError(f"{place} holds nothing: its run stopped before it asked anything")

    def close(self) -> None:
        """Leave the session to others of this process."""

    def tell(self, say: Callable[[str], None]) -> None:
        """Say with this function when the database is waited for."""
        self._session.say = say

    def alone(self, lock: str) -> AbstractContextManager[Any]:
        """Hold an advisory lock of this name and run."""
        return self._session.alone(f"{self._run} {lock}")

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query in the SQL that SQLite and PostgreSQL both understand."""
        return self._session.query(SCOPE + sql.replace("?", "%s"), (*[self._run] * 3, *values))

    def equal(self, name: str, value: Any) -> tuple[str, Any]:
        """Return the condition that a top-level field has a value, and that to compare with."""
        text = value if isinstance(value, str) or value is None else json.dumps(value)
        return f"(json_extract(body, '$.{name}') #>> '{{}}') = ?", text

    def insert_records(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Insert records, all or none."""
        columns = list(zip(*rows, strict=True))
        if columns and not NAMING.isdisjoint(columns[1]):
            self._session.before_checkpoint()
        if columns:
            self._session.write(RECORDS, (self._run, *map(list, columns)))

    def insert_calls(self, rows: Iterable[tuple[Any, ...]], number: int | None = None) -> None:
        """Insert calls, and take out the one of a number that was under way."""
        gone = NO_CALL if number is None else number
        made = [(self._run, gone, self._run, *map(_plain, row)) for row in rows]
        if len(made) == 1:
            self._session.write(CALL, made[0])
        elif made:
            self._session.settle(lambda c: c.cursor().executemany(CALL, made))

    def send(self, *values: Any) -> int:
        """Note a call under way; its number is chosen here, so that writing twice is once."""
        number = secrets.randbits(62)
        slots = ", ".join(["%s"] * (2 + len(values)))
        insert = f"INSERT INTO elenchus.sent VALUES ({slots}) ON CONFLICT DO NOTHING"
        self._session.write(insert, (self._run, number, *values))
        return number

    def withdraw(self, number: int) -> None:
        """Take out a call that was under way."""
        delete = "DELETE FROM elenchus.sent WHERE run = %s AND number = %s"
        self._session.write(delete, (self._run, number))

    def mark_begun(self) -> None:
        """Note that there is a checkpoint."""
        self._session.write("UPDATE elenchus.runs SET begun = true WHERE id = %s", (self._run,))

    def make_safe(self) -> None:
        """Have the run's files in the database, too: a checkpoint that follows may name them.

        Its records are there, and are on the server's disk when the checkpoint is: the log that
        both are in is written in order.
        """
        self._session.before_checkpoint()


def has_begun(place: Place) -> bool:
    """Tell whether a run's ledger holds anything."""
    return _state(session(place.run, place.address), place.run)[1]


def lost_its_checkpoints(place: Place) -> bool:
    """Tell whether a run that came to a checkpoint has none."""
    at = session(place.run, place.address)
    if at.query("SELECT begun FROM elenchus.runs WHERE id = %s", (place.run,)) != [(True,)]:
        return False
    ((table,),) = at.query("SELECT to_regclass('elenchus.checkpoints')")
    query = "SELECT EXISTS (SELECT FROM elenchus.checkpoints WHERE thread_id = %s)"
    return table is None or at.query(query, (place.run,)) == [(False,)]


def copy_new(place: Place, file: sqlite3.Connection, schema: str) -> None:
    """Copy what a ledger holds and a file does not yet, with its order of writing.

    Args:
        schema: the name by which the connection has the file, which has a ledger's tables.
    """
    at = session(place.run, place.address)
    for table, columns in COPIED.items():
        ((last,),) = file.execute(f"SELECT COALESCE(MAX(rowid), 0) FROM {schema}.{table}")
        query = (
            f"SELECT number, {columns} FROM elenchus.{table} WHERE run = %s AND number > %s "
            f"ORDER BY number LIMIT {PORTION}"
        )
        slots = ", ".join("?" * (columns.count(",") + 2))
        insert = f"INSERT INTO {schema}.{table} (rowid, {columns}) VALUES ({slots})"
        while rows := at.query(query, (place.run, last)):
            file.executemany(insert, rows)
            last = rows[-1][0]


def _state(at: Session, run: str) -> tuple[bool, bool]:
    """Tell whether the database has a run, and anything that it asked or noted."""
    query = (
        "SELECT EXISTS (SELECT FROM elenchus.runs WHERE id = %s), "
        "EXISTS (SELECT FROM elenchus.records WHERE run = %s) "
        "OR EXISTS (SELECT FROM elenchus.calls WHERE run = %s)"
    )
    ((is_there, has_rows),) = at.query(query, (run,) * 3)
    return is_there, has_rows


def _plain(value: Any) -> Any:
    """Return a value as SQLite keeps it: numbers for bools, nothing for what is no number."""
    if isinstance(value, bool):
        return int(value)
    return None if isinstance(value, float) and math.isnan(value) else value
