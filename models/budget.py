"""The caps on what a run spends, and its orderly end when one is reached.

No call begins once a cap is reached, or where what is under way may already take the rest: it waits
until that has ended. Calls under way are seen to their end, so that nothing that is paid for is
lost, and then the run stops.
"""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from elenchus.config import BudgetConfig, CapsConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Spent

Price = Callable[[str, int, int], float]
TINY = 1e-9  # USD, by which sums of them are off
WRITTEN = 200  # tokens of an answer, before a role has given any
FEW = 5  # answers that say no more of the next one than that
MARGIN = 1.25  # of answers, whose lengths differ much


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


@dataclass
class Answers:
    """What the answers of a role came to, by which the next one is estimated."""

    calls: int = 0
    guessed: int = 0  # tokens that its prompts were taken to have
    read: int = 0
    written: int = 0


class Expected(NamedTuple):
    """About what a call will cost."""

    read: int
    written: int
    usd: float

    @property
    def tokens(self) -> int:
        """Return the sum of both."""
        return self.read + self.written


class Budget:
    """The caps of a run and of its roles, or of runs that were launched together.

    Args:
        spent: what the answers of a resumed run came to before.
        lost: calls that kills of it have cost; what they came to was never told, so it is estimated
            by the answers of their role, those to come included.
        price: gives the USD of a model's tokens, read and written.
        shared: whether it is that of several runs.
    """

    def __init__(
        self,
        caps: BudgetConfig | None = None,
        spent: Iterable[Spent] = (),
        lost: Iterable[Spent] = (),
        price: Price = lambda model, read, written: 0.0,
        shared: bool = False,
    ) -> None:
        self._caps, self._shared = caps or BudgetConfig(), shared
        self._price = price
        self._begun = time.monotonic()
        self._by_role: defaultdict[str, Total] = defaultdict(Total)
        self.total = Total()
        self._answers: defaultdict[str, Answers] = defaultdict(Answers)
        self._calls: Counter[tuple[str, str]] = Counter()  # under way, by role and model
        self._guesses: Counter[tuple[str, str]] = Counter()  # at their prompts, in tokens
        self._idle, self._freed = asyncio.Event(), asyncio.Event()
        self._closed: tuple[str, str] | None = None  # the reason, and the cap that was reached
        self._lost: list[Spent] = []
        for role, model, calls, read, written in spent:
            for total in (self.total, self._by_role[role]):
                total.add(calls, read + written, price(model, read, written))
            self._answers[role].calls += calls
            self._answers[role].written += written
        for one in lost:
            self.lose(one)

    @property
    def closed(self) -> bool:
        """Whether no call begins any more."""
        return self._closed is not None

    def lose(self, one: Spent) -> None:
        """Count calls that were paid for, and whose answers nobody will tell."""
        self._lost.append(one)
        for total in (self.total, self._by_role[one.role]):
            total.calls += one.calls

    @contextlib.asynccontextmanager
    async def spending(
        self, role: str, model: str = "", read: int = 0
    ) -> AsyncIterator[tuple[Expected, Callable[[Call], float]]]:
        """Let a call begin, once there is room for what it may cost.

        The values are about what it will cost, and a function that takes the call once it is in the
        ledger, and returns its USD.

        Args:
            read: a guess at the tokens of its prompt.

        Raises:
            RunStopped: a cap is reached, and all calls under way have ended.
        """
        expected = await self._room(role, model, read)
        way = role, model
        self._calls[way] += 1
        self._guesses[way] += read
        self._idle.clear()
        both = (self.total, self._by_role[role])
        for total in both:
            total.calls += 1
        answered = False

        def spend(call: Call) -> float:
            nonlocal answered
            answered = True
            tokens = call.input_tokens + call.output_tokens
            usd = self._price(call.model, call.input_tokens, call.output_tokens)
            for total in both:
                total.add(0, tokens, usd)
                total.estimated = total.estimated or call.estimated
            seen = self._answers[role]
            seen.calls, seen.guessed = seen.calls + 1, seen.guessed + read
            seen.read, seen.written = (
                seen.read + call.input_tokens,
                seen.written + call.output_tokens,
            )
            return usd

        try:
            yield expected, spend
        finally:
            for total in both:
                total.calls -= not answered  # what it cost, if anything, is unknown
            self._guesses[way] -= read
            self._calls[way] -= 1
            if not self._calls[way]:
                del self._calls[way]
            self._freed.set()
            if not self._calls:
                self._idle.set()

    async def _room(self, role: str, model: str, read: int) -> Expected:
        """Wait until there is room for a call; return about what it will cost.

        Raises:
            RunStopped: see `spending`.
        """
        while True:
            expected = self._expected(role, model, 1, read)
            if reason := self._closed or self._used_up(role):
                raise await self.stopped(*reason)
            if not (over := self._used_up(role, expected)):
                return expected
            if not self._calls:
                raise await self.stopped(f"{over[0]}; another call may go beyond it", over[1])
            self._freed.clear()
            await self._freed.wait()

    async def stopped(self, reason: str, cap: str = "") -> RunStopped:
        """See the calls under way to their end, and return the exception to raise.

        No call begins any more. The caller must not be under way itself.
        """
        self._closed = self._closed or (reason, cap)
        if self._calls:
            await self._idle.wait()
        return RunStopped(*self._closed, shared=self._shared)

    def _expected(self, role: str, model: str, calls: int, guess: int) -> Expected:
        """Return about what calls will cost, by the role's calls so far."""
        seen = self._answers[role]
        read = round(guess * seen.read / seen.guessed) if seen.guessed else guess
        written = self._written(role, calls)
        return Expected(read, written, self._price(model, read, written))

    def _written(self, role: str, calls: int) -> int:
        """Return about how many tokens the answers to calls will have."""
        seen = self._answers[role]
        mean = (seen.written + FEW * WRITTEN) / (seen.calls + FEW)
        return round(MARGIN * calls * mean)

    def _held(self, role: str | None = None) -> Total:
        """Return about what the calls under way will cost, those of a role or all."""
        held = Total()
        for way, calls in self._calls.items():
            if role in (None, way[0]):
                expected = self._expected(*way, calls, self._guesses[way])
                held.add(0, expected.tokens, expected.usd)
        return held

    def _with_lost(self, total: Total, role: str | None = None) -> Total:
        """Return what was spent, with about what lost calls cost, those of a role or all."""
        whole = replace(total)
        for one in self._lost:
            if role in (None, one.role):
                written = self._written(one.role, one.calls)
                usd = self._price(one.model, one.input_tokens, written)
                whole.add(0, one.input_tokens + written, usd)
        return whole

    def _used_up(self, role: str, expected: Expected | None = None) -> tuple[str, str] | None:
        """Return the cap that is reached, in words and by its name; None where none is.

        Args:
            expected: of a call that would be under way beside the others.
        """
        minutes = (time.monotonic() - self._begun) / 60
        if self._caps.minutes is not None and minutes >= self._caps.minutes:
            return f"{self._name}.minutes is used up ({self._caps.minutes:g})", "minutes"
        caps = self._caps.roles.get(role)  # type: ignore[call-overload]
        places: list[tuple[str, CapsConfig, Total, str | None]] = [
            ("", self._caps, self.total, None)
        ]
        if caps:
            places.append((f"roles.{role}.", caps, self._by_role[role], role))
        for place, most, spent, of in places:
            more = None
            if expected and (most.tokens, most.usd) != (None, None):
                more = self._held(of)
                more.add(0, expected.tokens, expected.usd)
            if over := _over(place, most, self._with_lost(spent, of), more):
                return f"{self._name}.{over[0]}", over[1]
        return None

    @property
    def _name(self) -> str:
        return "the shared budget" if self._shared else "budget"


class Within:
    """A run's budget within the one of all runs launched together: a call wants room in both.

    It takes its place in the run's own first, so that no other call of the run is let in by what it
    is about to take while it waits for the others.
    """

    def __init__(self, own: Budget, shared: Budget) -> None:
        self._own, self._shared = own, shared

    @contextlib.asynccontextmanager
    async def spending(
        self, role: str, model: str = "", read: int = 0
    ) -> AsyncIterator[tuple[Expected, Callable[[Call], float]]]:
        """See `Budget.spending`."""
        async with (
            self._own.spending(role, model, read) as (expected, spend),
            self._shared.spending(role, model, read) as (_, spend_shared),
        ):

            def spend_both(call: Call) -> float:
                spend_shared(call)
                return spend(call)

            if not self._own.closed:
                yield expected, spend_both
                return
        # The run stopped while the call waited for the others; now it is not under way.
        raise await self._own.stopped("the run stops")

    def lose(self, one: Spent) -> None:
        """See `Budget.lose`."""
        self._own.lose(one)
        self._shared.lose(one)

    async def stopped(self, reason: str, cap: str = "") -> RunStopped:
        """See `Budget.stopped`: the other runs go on."""
        return await self._own.stopped(reason, cap)


def _over(
    place: str, caps: CapsConfig, total: Total, more: Total | None = None
) -> tuple[str, str] | None:
    """Return the cap that is reached, or that would be passed with so much more."""
    for cap, form in (("calls", "d"), ("tokens", ",d"), ("usd", ".2f")):
        spent, most = getattr(total, cap), getattr(caps, cap)
        if most is None:
            continue
        if spent >= most or (more is not None and spent + getattr(more, cap) > most + TINY):
            amount = f"{spent:{form}} of {most:{form}}"
            if total.estimated and cap != "calls":
                amount += "; partly estimated, as the server does not count its tokens"
            return f"{place}{cap} is used up ({amount})", f"{place}{cap}"
    return None
