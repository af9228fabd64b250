"""The examinations of a round: how many are under way, which are done, and their bar."""

import asyncio
import contextlib

from elenchus.ledger import Ledger
from elenchus.progress import Advance, Progress
from elenchus.records import Examination, Seed


class FanOut:
    """Our own limit on LangGraph's fan-out: see docs/design.md.

    Args:
        most: examinations under way at once.

    Attributes:
        places: one for each of them, on the machine of the run.
    """

    def __init__(self, ledger: Ledger, progress: Progress, most: int) -> None:
        self._ledger, self._progress = ledger, progress
        self.places = asyncio.Semaphore(most)
        self._done: set[str] = set()
        self._to_do = 0
        self._bar = contextlib.ExitStack()
        self._advance: Advance | None = None

    def is_done(self, seed_id: str) -> bool:
        """Tell whether the examination of a seed is recorded already, as after a kill."""
        self._begin(seed_id)
        return seed_id in self._done

    def mark_done(self, seed_id: str) -> None:
        """Count the examination of a seed."""
        advance = self._begin(seed_id)
        self._done.add(seed_id)
        advance(len(self._done), self._to_do)

    def end(self) -> None:
        """Take the bar away: all examinations of the round are in."""
        self._bar.close()
        self._advance = None

    def _begin(self, seed_id: str) -> Advance:
        """Return the bar of the round that a seed is of; the first call shows it."""
        if self._advance is None:
            round_ = self._ledger.get(Seed, seed_id).round
            stage = self._progress.stage(f"Examine round {round_}")
            self._advance = self._bar.enter_context(stage)
            # Read once: to look through them all each time would take ever longer.
            self._done = {e.seed_id for e in self._ledger.all(Examination, round=round_)}
            self._to_do = self._ledger.count(Seed, round=round_)
        return self._advance
