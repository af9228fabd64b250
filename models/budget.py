"""What a run may spend, and the orderly end when it has.

A call is let in while nothing is used up. Once something is, no further call begins; those under
way are seen to their end, so that nothing paid for is lost, and then the run stops.
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
    """What was spent so far."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def add(self, calls: int, tokens: int, usd: float) -> None:
        self.calls += calls
        self.tokens += tokens
        self.usd += usd


class Budget:
    """The caps of a run and of its roles.

    Args:
        spent: what the run has paid for before, when it is resumed.
        price: USD of a model's tokens read and written.
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
        self._closed: tuple[str, str] | None = None  # the reason, and the cap that was used up
        for role, model, calls, read, written in spent:
            for total in (self.total, self._by_role[role]):
                total.add(calls, read + written, price(model, read, written))

    @contextlib.asynccontextmanager
    async def spending(self, role: str) -> AsyncIterator[Callable[[Call], None]]:
        """Let a call in; its answer is told to the function given, when it is in the ledger.

        Raises:
            RunStopped: something is used up; all calls under way have ended.
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

        try:
            yield spend
        finally:
            for total in both:
                total.calls -= not answered  # what such a call cost, if anything, is not known
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def stopped(self, reason: str, cap: str = "") -> RunStopped:
        """Let no further call in, see those under way to their end; the exception to raise.

        Not for a call that is still under way itself.
        """
        self._closed = self._closed or (reason, cap)
        if self._under_way:
            await self._idle.wait()
        return RunStopped(*self._closed)

    def _used_up(self, role: str) -> tuple[str, str] | None:
        """Return what is used up, in words, and the name of the cap; None when nothing is."""
        minutes = (time.monotonic() - self._begun) / 60
        if self._caps.minutes is not None and minutes >= self._caps.minutes:
            return f"budget.minutes is used up ({self._caps.minutes:g})", "minutes"
        caps = self._caps.roles.get(role)  # type: ignore[call-overload]
        return _over("", self._caps, self.total) or (
            _over(f"roles.{role}.", caps, self._by_role[role]) if caps else None
        )


def _over(place: str, caps: CapsConfig, total: Total) -> tuple[str, str] | None:
    if caps.calls is not None and total.calls >= caps.calls:
        cap, amount = "calls", f"{total.calls} of {caps.calls}"
    elif caps.tokens is not None and total.tokens >= caps.tokens:
        cap, amount = "tokens", f"{total.tokens:,} of {caps.tokens:,}"
    elif caps.usd is not None and total.usd >= caps.usd:
        cap, amount = "usd", f"{total.usd:.2f} of {caps.usd:.2f}"
    else:
        return None
    return f"budget.{place}{cap} is used up ({amount})", f"{place}{cap}"
