"""Faults between a model and whoever asks it, drawn from a seed.

A fault either keeps the answer back (`KEPT_BACK`: nothing was paid for) or hands over a completion
in a bad shape. A prompt that was asked again twice already gets no unreadable one (`UNREADABLE`),
so that a client which asks that often loses nothing.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from tests.server.oddities import Oddity


class Fault(StrEnum):
    """One way to fail."""

    BUSY = "429"
    BUSY_UNTIL = "429 with Retry-After"
    ERROR = "500"
    DOWN = "503"
    RESET = "connection reset"
    CUT = "body cut off"
    TIMEOUT = "read timeout"
    DRIP = "slow drip"
    EMPTY = "empty content"
    PROSE = "prose around JSON"
    TRUNCATED = "truncated JSON"
    SCHEMA = "wrong schema"
    THINK = "<think> block"
    REFUSAL = "refusal"
    HUGE = "5 MB answer"


KEPT_BACK = frozenset(
    (Fault.BUSY, Fault.BUSY_UNTIL, Fault.ERROR, Fault.DOWN, Fault.RESET, Fault.CUT, Fault.TIMEOUT)
)
UNREADABLE = frozenset((Fault.EMPTY, Fault.TRUNCATED, Fault.SCHEMA, Fault.REFUSAL, Fault.HUGE))
ASKED_AGAIN = 2
HUGE_BYTES = 5_000_000
Kind = Fault | Oddity


@dataclass
class Plan:
    """Decides which requests fail, and how.

    Args:
        shares: of all requests, by fault; they add up to 1 at most.
        seed: the same requests in the same order fail in the same way.
    """

    shares: dict[Kind, float] = field(default_factory=dict)
    seed: int = 0
    drawn: Counter[Kind] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def draw(self, asked_again: int) -> Kind | None:
        """Draw the fault of the next request, whose prompt was asked again so many times."""
        faults = [*self.shares, None]
        left = 1 - sum(self.shares.values())
        (fault,) = self._rng.choices(faults, [*self.shares.values(), left])
        if fault is None or (fault in UNREADABLE and asked_again >= ASKED_AGAIN):
            return None
        self.drawn[fault] += 1
        return fault


def evenly(share: float, *among: Kind) -> dict[Kind, float]:
    """Return shares that add up to one, the same for all faults, or for the kinds named."""
    kinds = among or tuple(Fault)
    return {kind: share / len(kinds) for kind in kinds}


def spoilt(text: str, fault: Kind | None) -> str:
    """Return a completion as a fault leaves it."""
    match fault:
        case Fault.EMPTY:
            return ""
        case Fault.PROSE:
            return f"Of course! Here is what you asked for:\n\n```json\n{text}\n```\nAnything else?"
        case Fault.TRUNCATED:
            return text[: len(text) // 2]
        case Fault.SCHEMA:
            return '{"result": "as you wish", "confidence": 0.9}'
        case Fault.THINK:
            return f'<think>Let me see. {{"answer": "perhaps"}}</think>\n{text}'
        case Fault.REFUSAL:
            return "I'm sorry, but I can't help with that."
        case Fault.HUGE:
            return "lorem ipsum " * (HUGE_BYTES // 12)
        case _:
            return text
