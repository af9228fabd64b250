"""Where calls are let in, and their answers kept: ledger, rate limits and budget of one model."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from elenchus.config import LimitsConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Ledger, Spent
from models.budget import Budget, Expected, Within
from models.rate_limits import RateLimits
from models.shared_calls import SharedCalls


class Admission(NamedTuple):
    """A call that was let in, and is under way until one of these is called.

    Attributes:
        expected: about what it will cost.
        keep: writes the answer down; returns its USD.
        withdraw: takes the call back, which nobody answered; told whether the server was busy.
        lose: counts the call as paid, since whoever made it is gone.
    """

    expected: Expected
    keep: Callable[[Call], float]
    withdraw: Callable[[bool], None]
    lose: Callable[[], None]


class Desk:
    """Lets calls of one model in. On a cluster, workers have another one of the same methods.

    Args:
        rates: the limits of the model, shared by all roles that it plays.
        budget: the run's, shared by all callers.
        shared: the calls of this run, and of those at work beside it.
    """

    def __init__(
        self,
        ledger: Ledger,
        rates: RateLimits | None = None,
        budget: Budget | Within | None = None,
        shared: SharedCalls | None = None,
    ) -> None:
        self._ledger = ledger
        self._rates = rates or RateLimits(LimitsConfig())
        self._budget = budget or Budget()
        self._shared = shared or SharedCalls()

    @property
    def limits(self) -> LimitsConfig:
        """The limits of the model."""
        return self._rates.limits

    @property
    def answered_at(self) -> float:
        """When the last answer came, by time.monotonic()."""
        return self._rates.answered_at

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Keep a call from being made twice at once: the second has the answer of the first."""
        return self._shared.lock(key)

    async def known(self, call: Call, tokens: int) -> Call | None:
        """Return the answer that a locked call has already; None where it must be made.

        Args:
            tokens: about how many are sent where it must.
        """
        return self._shared.answered(call, self._ledger)

    async def last(self, key: str) -> Call | None:
        """Return the last attempt of a call; None where there is none."""
        return self._ledger.call(key)

    @contextlib.asynccontextmanager
    async def admitted(self, call: Call, tokens: int) -> AsyncIterator[Admission]:
        """Wait until a call that sends about so many tokens may begin.

        Raises:
            RunStopped: the budget is used up, and all calls under way have ended.
        """
        spending = self._budget.spending(call.role, call.model, tokens)
        async with self._rates.slot(tokens) as outcome, spending as (expected, spend):
            # Written down before it is sent: a kill does not make it free.
            number = self._ledger.send(call.role, call.model, expected.read, expected.written)

            def keep(answered: Call) -> float:
                self._ledger.write_call(answered, number)
                self._shared.note(answered, self._ledger)
                outcome.answered, outcome.written = True, answered.output_tokens
                return spend(answered)

            def withdraw(busy: bool) -> None:
                self._ledger.withdraw(number)
                outcome.busy = busy

            def lose() -> None:
                self._budget.lose(Spent(call.role, call.model, 1, expected.read, expected.written))

            yield Admission(expected, keep, withdraw, lose)

    async def stopped(self, reason: str) -> RunStopped:
        """See the calls under way to their end, and return the exception to raise."""
        return await self._budget.stopped(reason)
