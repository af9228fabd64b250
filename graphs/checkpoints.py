"""LangGraph's checkpoints of a run, in a file beside its ledger."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from elenchus.ledger import Ledger
from elenchus.ledger_sqlite import LOCK_SECONDS
from graphs.concurrency import own_tasks
from graphs.concurrency import own_tasks


class _Saver(AsyncSqliteSaver):
    """Writes each checkpoint of the outer graph once the ledger has safely what it speaks of.

    Checkpoints wait for the disk, the ledger's records do not: after a power failure there could be
    a state without its records, which no resume could go on from.

    Steps of an inner graph are passed over. They hold texts, and to keep them makes a fan-out three
    times as slow and the file forty times as large, for a resume that repeats no call either way.
    (LangGraph 1.2.22 fails with a subgraph compiled without a checkpointer where the outer graph's
    durability is "sync", and does not draw it.)
    """

    def __init__(self, connection: aiosqlite.Connection, ledger: Ledger) -> None:
        super().__init__(connection)
        self._ledger, self._gate = ledger, asyncio.Lock()
        self._begun = False

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None if _is_inner(config) else await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        if _is_inner(config):
            return config
        await self._safe()
        put = await super().aput(config, checkpoint, metadata, new_versions)
        if not self._begun:
            self._ledger.mark_begun()
            self._begun = True
        return put

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        if _is_inner(config):
            return
        await self._safe()
        await super().aput_writes(config, writes, task_id, task_path)

    async def _safe(self) -> None:
        # One waits for the disk for all who come meanwhile: for them there is nothing left to do.
        async with self._gate:
            await asyncio.to_thread(self._ledger.make_safe)


def _is_inner(config: RunnableConfig) -> bool:
    return bool(config["configurable"].get("checkpoint_ns"))


@contextlib.asynccontextmanager
async def checkpoints(path: Path, ledger: Ledger) -> AsyncIterator[AsyncSqliteSaver]:
    """Checkpoints of a run with this ledger, in a file that nobody holds any more afterwards.

    A run that stops may leave a write under way. SQLite would keep the file locked for as long as
    anything remembers its cursor, be the connection closed or not: so it is ended and taken back.
    """
    async with aiosqlite.connect(path, timeout=LOCK_SECONDS) as connection:
        try:
            yield _Saver(connection, ledger)
        finally:
            others = own_tasks()
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await connection.rollback()
