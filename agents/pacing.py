"""How fast one model is asked, over all roles and examinations that use it.

Calls in flight, and calls and tokens a minute, stay below what is configured. A server that is busy
(429) halves the calls in flight, as congestion control of networks does; successes in a row bring
them back.
"""

import asyncio
from collections import deque

from aiolimiter import AsyncLimiter

from elenchus.config import LimitsConfig

# A busy server keeps refusing, and few successes come in a row. One that refuses a call now and
# then, at random, soon has all of its calls back.
ROW = 8


class Window:
    """At most so many inside at once; the number halves and doubles."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = most
        self._inside = 0
        self._row = 0
        self._entered = 0
        self._halved_at = 0  # those that entered before it say nothing about the new size
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> int:
        """Wait for a place; the number of the entry, which `leave` takes back."""
        if self._inside >= self.size or self._waiting:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._inside -= 1
                    self._admit()
                raise
        else:
            self._inside += 1
        self._entered += 1
        return self._entered

    def leave(self, entry: int, busy: bool) -> None:
        """Give the place back, saying whether the server was too busy to answer."""
        self._inside -= 1
        if not busy:
            self._row += 1
            if self._row >= ROW and self.size < self._most:
                self.size, self._row = min(2 * self.size, self._most), 0
        elif entry > self._halved_at:
            self.size, self._row = max(self.size // 2, 1), 0
            self._halved_at = self._entered
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < self.size:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)


class Pace:
    """The limits of one model. Use it on one event loop."""

    def __init__(self, limits: LimitsConfig) -> None:
        self.limits = limits
        self._window = Window(limits.in_flight)
        self._requests = _a_minute(limits.requests_per_minute)
        self._tokens = _a_minute(limits.tokens_per_minute)
        self._usual = 0.0  # tokens that an answer has had of late

    async def enter(self, tokens: int) -> int:
        """Wait until a call that sends about so many tokens may begin; pass the result to `leave`.

        Its answer counts as long as those before it were.
        """
        entry = await self._window.enter()
        try:
            if self._requests:
                await self._requests.acquire()
            if self._tokens:  # one larger than a minute's share goes alone
                await self._tokens.acquire(min(tokens + self._usual, self._tokens.max_rate))
        except asyncio.CancelledError:
            self._window.leave(entry, busy=False)
            raise
        return entry

    def leave(self, entry: int, busy: bool, written: int = 0) -> None:
        """A call has ended with so many tokens, or was refused by a server that is too busy."""
        if written:
            self._usual += (written - self._usual) / ROW
        self._window.leave(entry, busy)


def _a_minute(count: int | None) -> AsyncLimiter | None:
    return AsyncLimiter(count, 60) if count else None
