"""The worker's side of a desk: it asks the driver, whose desk lets its calls in."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

from elenchus.config import LimitsConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call
from elenchus.sections import ModelConfig
from graphs.cluster.messages import (
    Again,
    Answers,
    Ask,
    Batch,
    Ended,
    Last,
    Released,
    Request,
    Stop,
    Stopped,
)
from models.budget import Expected
from models.desk import Admission, Desk

LINGER = 0.01  # seconds that what is told waits for something that is asked
claimed: ContextVar[list[int]] = ContextVar("claimed")  # numbers of what an examination asked


class Line:
    """What a worker asks and tells the driver, which fetches it, and what it is answered."""

    def __init__(self) -> None:
        self._numbers, self._serials = itertools.count(), itertools.count()
        self._requests: list[Request] = []
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._fetching: asyncio.Future[bool] | None = None  # false where another one takes over
        self.answered_at: dict[tuple[str, str | None], float] = {}  # by model and address

    def number(self) -> int:
        """Return a number that nothing was asked by yet."""
        return next(self._numbers)

    def tell(self, request: Request) -> None:
        """Tell the driver something, which waits a moment for something that is asked."""
        self._requests.append(request)
        if len(self._requests) == 1:
            asyncio.get_running_loop().call_later(LINGER, self._wake)

    async def ask(self, request: Request) -> Any:
        """Ask the driver something, and return its answer.

        Raises:
            RunStopped: the run cannot go on.
        """
        loop = asyncio.get_running_loop()
        future = self._waiting[request.number] = loop.create_future()
        self._requests.append(request)
        loop.call_soon(self._wake)  # with what others ask in this turn of the event loop
        try:
            answer = await future
        finally:
            del self._waiting[request.number]
        if isinstance(answer, Stopped):
            raise answer.error()
        return answer

    async def exchange(self, answers: Answers) -> Batch:
        """Take the driver's answers, and return what is asked and told, once there is anything.

        One that waits for that already ends with nothing.
        """
        for number, answer in answers:
            waiting = self._waiting.get(number)
            if waiting is not None and not waiting.done():  # else it was called off
                waiting.set_result(answer)
        if self._fetching is not None and not self._fetching.done():
            self._fetching.set_result(False)
        mine = self._fetching = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(LINGER, self._wake)  # for what came meanwhile
        if not await mine:
            return Batch()
        requests, self._requests = self._requests, []
        return Batch(next(self._serials), requests)

    def _wake(self) -> None:
        """Let the requests go, if there are any and somebody waits for them."""
        if self._requests and self._fetching is not None and not self._fetching.done():
            self._fetching.set_result(True)


class RemoteDesk(Desk):
    """Lets calls of one model in where the driver does. What it keeps, the driver writes down.

    Args:
        limits: of the model.
    """

    def __init__(self, line: Line, settings: ModelConfig, limits: LimitsConfig) -> None:
        self._line, self._settings, self._own_limits = line, settings, limits
        self._model = settings.model, settings.base_url
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._claims: dict[str, int] = {}  # by the ids of locked calls
        self._let_in: set[int] = set()  # of these, those that have not begun yet

    @property
    def limits(self) -> LimitsConfig:
        """See `Desk.limits`."""
        return self._own_limits

    @property
    def answered_at(self) -> float:
        """See `Desk.answered_at`: the last answer that came to this worker, in whatever role."""
        return self._line.answered_at.get(self._model, 0.0)

    @contextlib.asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """See `Desk.lock`: the driver locks what is asked within it for all other workers, too."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            try:
                yield
            finally:
                if (claim := self._claims.pop(key, None)) is not None:
                    self._let_in.discard(claim)
                    self._line.tell(Released(claim))

    async def known(self, call: Call, tokens: int) -> Call | None:
        """See `Desk.known`; where there is none, the call is let in at once."""
        return await self._ask(call, tokens)

    async def last(self, key: str) -> Call | None:
        """See `Desk.last`."""
        last: Call | None = await self._line.ask(Last(self._line.number(), key))
        return last

    @contextlib.asynccontextmanager
    async def admitted(self, call: Call, tokens: int) -> AsyncIterator[Admission]:
        """See `Desk.admitted`."""
        claim = self._claims.get(call.id)
        if claim is None:  # nobody has asked whether there is an answer: there is to be a new one
            await self._ask(call, tokens, anyway=True)
            claim = self._claims[call.id]
        elif claim not in self._let_in:
            await self._line.ask(Again(claim, tokens))
        self._let_in.discard(claim)

        def keep(answered: Call) -> float:
            self._line.answered_at[self._model] = time.monotonic()
            self._line.tell(Ended(claim, answered))
            return 0.0  # the driver knows the prices

        def withdraw(busy: bool) -> None:
            self._line.tell(Ended(claim, None, busy))

        yield Admission(Expected(0, 0, 0.0), keep, withdraw, _nothing)

    async def stopped(self, reason: str) -> RunStopped:
        """See `Desk.stopped`."""
        try:
            await self._line.ask(Stop(self._line.number(), reason))
        except RunStopped as stopped:
            return stopped
        raise AssertionError("the driver answers with why the run stops")

    async def _ask(self, call: Call, tokens: int, anyway: bool = False) -> Call | None:
        """Return a call's answer; None where it has none and was let in."""
        number, own = self._line.number(), self._settings
        bare = call.model_copy(update={"request": ""})  # comes with the answer
        # Claimed first: what is called off meanwhile is released all the same.
        self._claims[call.id] = number
        claimed.get([]).append(number)
        known: Call | None = await self._line.ask(
            Ask(number, bare, own.model, own.base_url, tokens, anyway)
        )
        if known is None:
            self._let_in.add(number)
        return known


def _nothing() -> None:
    """Do nothing: of calls that are lost, the driver takes care."""
