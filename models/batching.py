"""Gathers concurrent calls to one local model into batches.

Callers submit from any thread or event loop. One dispatcher takes the queued requests, up to a
limit, and hands them to one worker thread; while the worker is busy, the next batch gathers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

Request = TypeVar("Request")
Reply = TypeVar("Reply")


class Batcher(Generic[Request, Reply]):
    """Runs requests in batches on one worker thread.

    Args:
        run: answers a batch, one reply for each request, in order.
        max_batch: most requests handed to `run` at once.
        linger: seconds to wait for company before the first batch of a burst.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Request]], Sequence[Reply]],
        *,
        max_batch: int = 64,
        linger: float = 0.002,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._linger = linger
        self._queue: deque[tuple[Request, Future[Reply]]] = deque()
        self._lock = Lock()
        self._busy = False
        self._dispatcher = ThreadPoolExecutor(1, thread_name_prefix="batch-dispatch")
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="batch-work")

    def submit(self, request: Request) -> Future[Reply]:
        """Queue a request; the future carries its reply or the exception of its batch."""
        future: Future[Reply] = Future()
        with self._lock:
            self._queue.append((request, future))
            if not self._busy:
                self._busy = True
                self._dispatcher.submit(self._dispatch)
        return future

    async def ask(self, request: Request) -> Reply:
        """Queue a request and wait for its reply without blocking the event loop."""
        return await asyncio.wrap_future(self.submit(request))

    def _dispatch(self) -> None:
        time.sleep(self._linger)
        while taken := self._take():
            live = [(r, f) for r, f in taken if f.set_running_or_notify_cancel()]
            if live:
                self._settle([r for r, _ in live], [f for _, f in live])

    def _take(self) -> list[tuple[Request, Future[Reply]]]:
        with self._lock:
            count = min(self._max_batch, len(self._queue))
            taken = [self._queue.popleft() for _ in range(count)]
            self._busy = bool(taken)
        return taken

    def _settle(self, requests: list[Request], futures: list[Future[Reply]]) -> None:
        batch = self._worker.submit(self._replies, requests)
        error = batch.exception()
        for place, future in enumerate(futures):
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(batch.result()[place])

    def _replies(self, requests: list[Request]) -> Sequence[Reply]:
        replies = self._run(requests)
        if len(replies) != len(requests):
            raise ValueError(f"a batch of {len(requests)} requests got {len(replies)} replies")
        return replies
