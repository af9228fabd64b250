"""LangGraph's checkpoints of a run, in a file beside its ledger or in the same database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
)
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from elenchus.ledger import Ledger
from elenchus.ledger_sqlite import LOCK_SECONDS
from elenchus.postgres import Place
from graphs.checkpoint_rules import Rules
from graphs.concurrency import own_tasks


class _FileSaver(Rules, AsyncSqliteSaver):
    """In an SQLite file."""


@contextlib.asynccontextmanager
async def checkpoints(path: Path, ledger: Ledger) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Checkpoints of a run with this ledger, which nobody writes any more afterwards.

    Args:
        path: their file, where the ledger is in one.
    """
    if isinstance(ledger.path, Path):
        async with aiosqlite.connect(path, timeout=LOCK_SECONDS) as connection:
            saver: Rules = _FileSaver(connection)
            saver.follow(ledger)
            try:
                yield saver
            finally:
                await _end_writes()
                # SQLite would keep the file locked for as long as anything remembers the cursor of
                # a write that was ended, be the connection closed or not: so it is taken back.
                await connection.rollback()
        return
    saver = await asyncio.to_thread(_in_database, ledger.path)
    saver.follow(ledger)
    try:
        yield saver
    finally:
        await _end_writes()


def _in_database(place: Place) -> Rules:
    """Return a saver whose tables are there."""
    from elenchus.postgres.session import session
    from graphs.checkpoints_postgres import DatabaseSaver

    saver = DatabaseSaver(session(place.run, place.address))
    saver.set_up()
    return saver


async def _end_writes() -> None:
    """End what a run that stops may have under way."""
    others = own_tasks()
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
