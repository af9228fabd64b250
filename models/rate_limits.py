"""The rate limits of one model, over all roles and examinations that use it.

Calls in flight, and calls and tokens in any minute, stay within what is configured. When a server
is busy (429), half as many calls are in flight from then on, as in the congestion control of
networks; successes in a row double them again.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from elenchus.config import LimitsConfig
from models.turns import Turns

# Successes in a row that double the calls in flight. They are rare while a server is busy, and
# frequent where it refuses a call at random now and then.
ROW = 8
BURST = 10  # one in so many of a minute's calls or tokens may go at once
_AT_ONCE = contextlib.nullcontext()


@dataclass
class Outcome:
    """How a call went: whoever makes it says so."""

    answered: bool = False
    busy: bool = False  # the server asks for fewer calls
    written: int = 0  # tokens of the answer


class Window:
    """Places for calls in flight, `most` of them; their number halves and doubles."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = most
        self._inside = 0
        self._row = 0
        self._entered = 0
        self._halved_at = 0  # calls that entered before say nothing about the new size
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> int:
        """Wait for a place, and return the number of the entry, which `leave` takes."""
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

    def leave(self, entry: int, outcome: Outcome) -> None:
        """Give a place back, and say how the call went."""
        self._inside -= 1
        if outcome.answered:
            self._row += 1
            if self._row >= ROW and self.size < self._most:
                self.size, self._row = min(2 * self.size, self._most), 0
        elif outcome.busy and entry > self._halved_at:
            self.size, self._row = max(self.size // 2, 1), 0
            self._halved_at = self._entered
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < self.size:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)


class RateLimits:
    """The limits of one model. Use it on one event loop.

    Args:
        turns: of those who use this machine, where the model runs on it.
    """

    def __init__(self, limits: LimitsConfig, turns: Turns | None = None) -> None:
        self.limits, self._turns = limits, turns
        self.answered_at = 0.0  # when the last answer came, by time.monotonic()
        self._window = Window(limits.in_flight)
        self._requests = _a_minute(limits.requests_per_minute)
        self._tokens = _a_minute(limits.tokens_per_minute)
        self._usual = 0.0  # tokens of the last answers, on average

    @contextlib.asynccontextmanager
    async def slot(self, tokens: int) -> AsyncIterator[Outcome]:
        """Wait until a call that sends about so many tokens may begin.

        Its answer is expected to be as long as the last ones were.
        """
        entry, outcome = await self._window.enter(), Outcome()
        try:
            if self._requests:
                await self._requests.acquire()
            if self._tokens:
                await _in_parts(self._tokens, tokens + self._usual)
            async with self._turns.asking() if self._turns else _AT_ONCE:
                yield outcome
            if outcome.answered:
                self.answered_at = time.monotonic()
            if outcome.written:
                self._usual += (outcome.written - self._usual) / ROW
        finally:
            self._window.leave(entry, outcome)


def _a_minute(count: int | None) -> AsyncLimiter | None:
    """Return a limiter that lets `count` pass in any minute: at once, and as it fills up again."""
    if count is None:
        return None
    if count == 1:
        return AsyncLimiter(1, 60)
    at_once = max(count / BURST, 1)
    return AsyncLimiter(at_once, 60 * at_once / (count - at_once))


async def _in_parts(limiter: AsyncLimiter, amount: float) -> None:
    """Acquire an amount, which may be more than passes at once."""
    while amount > 0:
        part = min(amount, limiter.max_rate)
        await limiter.acquire(part)
        amount -= part
