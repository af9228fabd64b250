"""A connection to the database that is opened again where it breaks, and may hold a run.

A process that works on a run holds an advisory lock by the run's id, on the connection that it
writes through: where that breaks, nothing more is written before the lock is had again, and nothing
at all once another process has had it since.
"""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import Connection
from psycopg.adapt import Buffer, Loader

from elenchus.errors import DatabaseGone, RunStopped, UserError
from elenchus.postgres import VARIABLE, checked
from elenchus.postgres.migrations import migrate

PATIENCE = 120.0  # seconds that a run waits for a database that is away
PAUSE = 5.0  # longest between two tries
TRIES = 3  # of one piece of work whose connection breaks each time: the work is to blame
HINT = "Is the server running"  # how the line begins that libpq adds to a fault
KEY = "hashtextextended(%s, 0)"  # of the lock, by the run's id
# A server that is gone is noticed within half a minute, and by it a machine that is gone, whose run
# another may then take.
ALIVE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
SETTINGS = (
    "-c search_path=elenchus -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 "
    "-c tcp_keepalives_count=3"
)
Value = TypeVar("Value")
Work = Callable[[Connection], Value]


class Unreachable(UserError):
    """The database cannot be opened."""


class _Json(Loader):
    """Reads values out of JSON as SQLite's json_extract gives them: lists and objects as texts."""

    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        if text[0] in "[{":
            return text
        value = json.loads(text)
        return int(value) if isinstance(value, bool) else value


class Session:
    """One connection, used by one thread at a time.

    Raises:
        Unreachable: the database cannot be opened; the message says why, without its password.
        UserError: its schema is a newer version's, or we may not make one.
    """

    def __init__(self, address: str) -> None:
        self.name = named(address)
        self.say: Callable[[str], None] = lambda text: None  # where waiting is told
        self.before_checkpoint: Callable[[], None] = lambda: None
        self._address, self._lock = checked(address), threading.RLock()
        self._token = secrets.token_hex(8)
        self._run = ""  # that is held
        self._unsafe: list[tuple[str, Sequence[Any]]] = []  # what a server's crash may cost
        self.gone = ""
        self._connection = self._opened()

    def close(self) -> None:
        """Close the connection, and give back the run that it holds."""
        with self._lock:
            if self._run:  # at once: the server may not see for a while that a connection is closed
                with contextlib.suppress(psycopg.Error):
                    self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._connection.close()

    def hold(self, run: str, patience: float = 1.0) -> None:
        """Take a run for this process, for as long as the session is open.

        From now on what `write` writes does not wait for the server's disk. A server that crashes
        may lose it, so it is written again where the connection breaks.

        Args:
            patience: seconds to wait for a process that was just killed to lose the run.

        Raises:
            UserError: another process has the run, or the database has no such run.
        """
        with self._lock:
            until, pauses = time.monotonic() + patience, threading.Event()
            while not (is_locked := self._locked(self._connection, run)):
                if time.monotonic() > until:
                    break
                pauses.wait(patience / 10)
            if not is_locked:
                raise UserError(f"run {run} is in use by another process; wait for it")
            update = "UPDATE elenchus.runs SET holder = %s WHERE id = %s"
            if self._connection.execute(update, (self._token, run)).rowcount != 1:
                raise UserError(missing(run, self.name))
            self._run = run
            self._connection.execute("SET synchronous_commit TO off")

    def run(self, work: Work[Value]) -> Value:
        """Do something with the connection, again where it broke: it must be idempotent.

        Raises:
            DatabaseGone: the run that is held cannot be written to any more.
            UserError: the database cannot be reached, or refuses.
        """
        with self._lock:
            if self.gone:
                raise DatabaseGone(self.gone)
            for left in reversed(range(TRIES)):
                try:
                    return work(self._connection)
                except psycopg.Error as error:
                    if self._connection.closed and left:
                        self._reopen(error)
                    elif (refusal := _refusal(error, self.name)) is not None:
                        raise refusal from error
                    else:
                        raise
        raise AssertionError  # the last try returns or raises

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.run(lambda connection: connection.execute(sql.encode(), values).fetchall())

    def content(self, sql: str, values: Sequence[Any]) -> bytes:
        """Return the bytes that a query gives; none where it gives no row."""
        rows = self.run(lambda c: c.execute(sql.encode(), values, binary=True).fetchall())
        return rows[0][0] if rows else b""

    def write(self, sql: str, values: Sequence[Any]) -> None:
        """Write something in one statement, which must be idempotent."""
        with self._lock:
            self.run(lambda connection: connection.execute(sql.encode(), values))
            if self._run:
                self._unsafe.append((sql, values))

    def settle(self, work: Work[Value]) -> Value:
        """Do something whose writes survive a crash of the server, as do all before it.

        The server's log is written in order, so what waits for its disk waits for all of it.
        """
        with self._lock:
            if not self._run:
                return self.run(work)
            done = self.run(lambda connection: _durable(connection, work))
            self._unsafe.clear()
            return done

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Be the only one, of all processes and threads, within such a context of this name."""
        with self._lock:
            self.query(f"SELECT pg_advisory_lock({KEY})", (name,))
            try:
                yield
            finally:
                self.query(f"SELECT pg_advisory_unlock({KEY})", (name,))

    def _opened(self) -> Connection:
        try:
            connection = psycopg.connect(
                self._address,
                autocommit=True,
                application_name=f"elenchus {self._token}",
                client_encoding="UTF8",
                options=SETTINGS,
                **ALIVE,
            )
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            raise Unreachable(_unopened(error, self.name)) from None  # it may hold the address
        try:
            connection.adapters.register_loader("json", _Json)
            migrate(connection, self.name)
        except BaseException:
            connection.close()
            raise
        return connection

    def _reopen(self, error: psycopg.Error) -> None:
        """Connect again, and have the held run again; a run is waited for, a reader is not."""
        until, pause, pauses = time.monotonic() + PATIENCE, 0.2, threading.Event()
        while True:
            try:
                self._connection = self._regained(self._opened())
                return
            except (psycopg.Error, UserError) as fault:
                if not self._run or isinstance(fault, DatabaseGone):
                    raise
                if time.monotonic() > until:
                    self.gone = (
                        f"the {self.name} has been away for {PATIENCE:.0f} seconds "
                        f"({' '.join(str(error).split())})"
                    )
                    raise DatabaseGone(self.gone) from fault
            if pause < 1:
                self.say(f"the {self.name} is away: waiting for it, up to {PATIENCE:.0f} seconds")
            pauses.wait(pause)
            pause = min(max(1.0, 2 * pause), PAUSE)

    def _regained(self, fresh: Connection) -> Connection:
        """Return a new connection once it has what the broken one had."""
        if not self._run:
            return fresh
        with contextlib.ExitStack() as undone:
            undone.callback(fresh.close)
            # The server may not know yet that our earlier connection, which has the lock, is gone.
            fresh.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = %s AND pid <> pg_backend_pid()",
                (f"elenchus {self._token}",),
            )
            is_locked = self._locked(fresh, self._run)
            query = "SELECT holder FROM elenchus.runs WHERE id = %s"
            if fresh.execute(query, (self._run,)).fetchall() != [(self._token,)]:
                self.gone = (
                    f"another process has taken run {self._run} while the {self.name} was away"
                )
                raise DatabaseGone(self.gone)
            if not is_locked:
                raise Unreachable(f"the {self.name} has not given back the run yet")
            fresh.execute("SET synchronous_commit TO off")
            for sql, values in self._unsafe:
                fresh.execute(sql.encode(), values)
            undone.pop_all()
        return fresh

    @staticmethod
    def _locked(connection: Connection, run: str) -> bool:
        query = f"SELECT pg_try_advisory_lock({KEY})"
        return connection.execute(query, (run,)).fetchall() == [(True,)]


_held: dict[str, Session] = {}
_common: dict[str, Session] = {}
_opening = threading.Lock()


@contextlib.contextmanager
def holding(run: str, address: str) -> Iterator[Session]:
    """Hold a run for this process; whatever opens its ledger meanwhile uses this session."""
    session = Session(address)
    try:
        session.hold(run)
        _held[run] = session
        yield session
    finally:
        _held.pop(run, None)
        session.close()


def session(run: str, address: str) -> Session:
    """Return the session that holds a run, or else the one that this process reads with."""
    return _held.get(run) or common(address)


def common(address: str) -> Session:
    """Return the session that this process reads a database with; it stays open."""
    with _opening:
        if address not in _common:
            _common[address] = Session(address)
        return _common[address]


def is_held(run: str, address: str) -> bool:
    """Tell whether any process has a run."""
    query = (
        f"SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        f"AND (classid::bigint << 32) | objid::bigint = {KEY})"
    )
    return run in _held or bool(common(address).query(query, (run,))[0][0])


def named(address: str) -> str:
    """Return what messages call a database: its name and its server, never its password."""
    parts = urlsplit(address)
    host, name = parts.hostname, unquote(parts.path.strip("/"))
    where = f" at {host}{f':{parts.port}' if parts.port else ''}" if host else ""
    return f"database {name}{where}" if name else f"database{where}"


def missing(run: str, name: str) -> str:
    """Return what to say of a run that a database does not have."""
    return f"run {run} is not in the {name}: have {VARIABLE} name the one that it was launched with"


def _durable(connection: Connection, work: Work[Value]) -> Value:
    connection.execute("SET synchronous_commit TO on")
    done = work(connection)
    connection.execute("SET synchronous_commit TO off")
    return done


def _refusal(error: psycopg.Error, name: str) -> UserError | None:
    """Return what to say of a statement that failed; None for what is no fault of the server."""
    said = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return UserError(f"the {name} refuses ({said}): use the account that made its schema")
    if isinstance(error, psycopg.OperationalError):
        return RunStopped(f"the {name} fails ({said})")
    return None


def _unopened(error: psycopg.Error, name: str) -> str:
    """Return what to say of a connection that failed, by the last fault that libpq says."""
    if isinstance(error, psycopg.ProgrammingError):  # it may repeat any part of the address
        return f"the {name} cannot be opened: its address is not one of PostgreSQL"
    lines = [line.strip() for line in str(error).strip().splitlines()]
    said = [line for line in lines if not line.startswith(HINT)][-1]
    remedy = (
        "check the address, and that the server runs and lets this machine in; to work "
        f"with runs in files alone, unset {VARIABLE}"
    )
    if "password" in said or "authentication" in said:
        remedy = f"give the right user and password: in {VARIABLE}, PGPASSWORD or ~/.pgpass"
    elif "database" in said and "does not exist" in said:
        remedy = "make it with `createdb -E UTF8 NAME`"
    return f"the {name} cannot be opened ({said}): {remedy}"
