"""Who computes on this machine where runs share it: any number of them ask models, or one trains.

A training wants the memory that answering takes, draws from the one generator of random numbers
that torch has in a process, and would slow down all who ask. So it waits for the answers under way,
and those who ask a model of this machine meanwhile wait for it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Turns:
    """The turns of asking and training. Use it on one event loop."""

    def __init__(self) -> None:
        self._asked = 0  # under way
        self._training = asyncio.Lock()
        self._quiet, self._open = asyncio.Event(), asyncio.Event()
        self._quiet.set()
        self._open.set()

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Wait until nobody trains, and ask."""
        while not self._open.is_set():
            await self._open.wait()
        self._asked += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._asked -= 1
            if not self._asked:
                self._quiet.set()

    @contextlib.asynccontextmanager
    async def training(self) -> AsyncIterator[None]:
        """Wait for the training of another run and for the answers under way, and train."""
        async with self._training:
            self._open.clear()
            try:
                await self._quiet.wait()
                yield
            finally:
                self._open.set()
