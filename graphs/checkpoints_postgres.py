"""LangGraph's checkpoints in PostgreSQL, written through the connection that holds the run.

LangGraph's own saver does it, in its tables: they stand in our schema, which the connection looks
into first. Each write waits for the server's disk, and fails once another process has the run.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Connection
from psycopg.rows import DictRow

from elenchus.postgres.session import Session
from graphs.checkpoint_rules import Rules

PAUSE = 0.1  # seconds between two tries
LOCK = "hashtextextended('elenchus checkpoints', 0)"
Value = TypeVar("Value")


class SessionSaver(PostgresSaver):
    """LangGraph's saver on whatever connection a session has at the moment."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__(session.run(lambda c: cast(Connection[DictRow], c)))

    def set_up(self) -> None:
        """Make or upgrade LangGraph's tables, where another process has not done so."""
        self._session.run(self._set_up)

    def _set_up(self, connection: Connection) -> None:
        self.conn = cast(Connection[DictRow], connection)
        newest = len(self.MIGRATIONS) - 1
        ((there,),) = connection.execute("SELECT to_regclass('checkpoint_migrations')").fetchall()
        query = "SELECT MAX(v) FROM checkpoint_migrations"
        if there and connection.execute(query).fetchone() == (newest,):
            return
        # It makes indexes concurrently, and so waits for all who read: whoever waited for the lock
        # within a query would never get it.
        pauses, is_ours = threading.Event(), f"SELECT pg_try_advisory_lock({LOCK})"
        while connection.execute(is_ours).fetchone() != (True,):
            pauses.wait(PAUSE)
        try:
            self.setup()
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({LOCK})")

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `BaseCheckpointSaver.aget_tuple`."""
        return await self._done(self._session.run, partial(self.get_tuple, config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `BaseCheckpointSaver.alist`."""
        every = partial(self.list, config, filter=filter, before=before, limit=limit)
        for one in await self._done(self._session.run, lambda: [*every()]):
            yield one

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `BaseCheckpointSaver.aput`."""
        put = partial(self.put, config, checkpoint, metadata, new_versions)
        return await self._done(self._session.settle, put)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `BaseCheckpointSaver.aput_writes`."""
        put = partial(self.put_writes, config, writes, task_id, task_path)
        await self._done(self._session.settle, put)

    async def _done(
        self, through: Callable[[Callable[[Connection], Value]], Value], work: Callable[[], Value]
    ) -> Value:
        """Do something in a thread, with the session's connection as the saver's."""

        def work_with(connection: Connection) -> Value:
            self.conn = cast(Connection[DictRow], connection)
            return work()

        return await asyncio.to_thread(through, work_with)


class DatabaseSaver(Rules, SessionSaver):
    """In PostgreSQL, by the rules of all runs."""
