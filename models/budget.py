"""The caps on what a run spends, and its orderly end when one is reached.

No call begins once a cap is reached. Those under way are seen to their end, so that nothing that is
paid for is lost, and then the run stops.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from elenchus.config import BudgetConfig, CapsConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Spent

Price = Callable[[str, int, int], float]


@dataclass
class Total:
    """What has been spent."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    estimated: bool = False  # some of the tokens are, since no server has counted them

    def add(self, calls: int, tokens: int, usd: float) -> None:
        self.calls += calls
        self.tokens += tokens
        self.usd += usd


class Budget:
    """The caps of a run and of its roles.

    Args:
        spent: what a resumed run has spent before.
        price: gives the USD of a model's tokens, read and written.
    """

    def __init__(
        self,
        caps: BudgetConfig | None = None,
        spent: Iterable[Spent] = (),
        price: Price = lambda model, read, written: 0.0,
    ) -> None:
        self._caps = caps or BudgetConfig()
        self._price = price
        self._begun = time.monotonic()
        self._by_role: defaultdict[str, Total] = defaultdict(Total)
        self.total = Total()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._closed: tuple[str, str] | None = None  # the reason, and the cap that was reached
        for role, model, calls, read, written in spent:
            for total in (self.total, self._by_role[role]):
                total.add(calls, read + written, price(model, read, written))

    @contextlib.asynccontextmanager
    async def spending(self, role: str) -> AsyncIterator[Callable[[Call], None]]:
        """Let a call begin; the value is a function that takes the call once it is in the ledger.

        Raises:
            RunStopped: a cap is reached, and all calls under way have ended.
        """
        if reason := self._closed or self._used_up(role):
            raise await self.stopped(*reason)
        self._under_way += 1
        self._idle.clear()
        both = (self.total, self._by_role[role])
        for total in both:
            total.calls += 1
        answered = False

        def spend(call: Call) -> None:
            nonlocal answered
            answered = True
            tokens = call.input_tokens + call.output_tokens
            usd = self._price(call.model, call.input_tokens, call.output_tokens)
            for total in both:
                total.add(0, tokens, usd)
                total.estimated = total.estimated or call.estimated

        try:
            yield spend
        finally:
            for total in both:
                total.calls -= not answered  # what it cost, if anything, is unknown
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def stopped(self, reason: str, cap: str = "") -> RunStopped:
        """See the calls under way to their end, and return the exception to raise.

        No call begins any more. The caller must not be under way itself.
        """
        self._closed = self._closed or (reason, cap)
        if self._under_way:
            await self._idle.wait()
        return RunStopped(*self._closed)

    def _used_up(self, role: str) -> tuple[str, str] | None:
        """Return the cap that is reached, in words and by its name; None where none is."""
        minutes = (time.monotonic() - self._begun) / 60
        if self._caps.minutes is not None and minutes >= self._caps.minutes:
            return f"budget.minutes is used up ({self._caps.minutes:g})", "minutes"
        caps = self._caps.roles.get(role)  # type: ignore[call-overload]
        return _over("", self._caps, self.total) or (
            _over(f"roles.{role}.", caps, self._by_role[role]) if caps else None
        )


def _over(place: str, caps: CapsConfig, total: Total) -> tuple[str, str] | None:
    for cap, form in (("calls", "d"), ("tokens", ",d"), ("usd", ".2f")):
        spent, most = getattr(total, cap), getattr(caps, cap)
        if most is not None and spent >= most:
            amount = f"{spent:{form}} of {most:{form}}"
            if total.estimated and cap != "calls":
                amount += "; partly estimated, as the server does not count its tokens"
            return f"budget.{place}{cap} is used up ({amount})", f"{place}{cap}"
    return None
