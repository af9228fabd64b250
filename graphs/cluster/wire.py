"""Carries what goes between the driver and one worker, in as few calls of an actor as may be.

A call of an actor costs more than what it carries. So each one takes answers there, and waits there
for what is asked next; a model call costs about one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable

from graphs.cluster.messages import Answers, Batch, Request

PAUSE = 0.005  # seconds in which answers may come that are sent anyway


class Wire:
    """The driver's end. Use it on one event loop.

    Args:
        exchange: takes answers to the worker, and returns what it asks next: see `Line.exchange`.
        take: is given each request, in the order in which the worker made them.
        failed: is told of what ends the wire.
    """

    def __init__(
        self,
        exchange: Callable[[Answers], Awaitable[Batch]],
        take: Callable[[Request], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._remote, self._take, self._failed = exchange, take, failed
        self._under_way: set[asyncio.Task[None]] = set()
        self._early: dict[int, Batch] = {}  # that came before those made earlier
        self._next = 0
        self._closed = False

    def send(self, answers: Answers) -> None:
        """Send answers, or none, and wait for requests; once it is closed, do nothing."""
        if self._closed:
            return
        task = asyncio.get_running_loop().create_task(self._exchange(answers))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End waiting."""
        self._closed = True
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _exchange(self, answers: Answers) -> None:
        batch = await self._remote(answers)
        if batch.serial is not None:
            self._early[batch.serial] = batch
        while (due := self._early.pop(self._next, None)) is not None:
            self._next += 1
            for request in due.requests:
                self._take(request)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._failed(error)
        elif not self._under_way:
            asyncio.get_running_loop().call_later(PAUSE, self._again)

    def _again(self) -> None:
        if not self._under_way:
            self.send([])
