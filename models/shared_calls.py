"""Calls that runs at work in one process share: what one of them was answered, no other asks."""

import asyncio
from weakref import WeakValueDictionary

from elenchus.ledger import Call, Ledger


class SharedCalls:
    """The calls in several ledgers, by their keys. Use it on one event loop.

    A model that draws its answers gives all runs the same one, as it gives it to one run that asks
    again.

    Args:
        several: whether there is more than one ledger.
    """

    def __init__(self, several: bool = False) -> None:
        self._several = several
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._made: dict[str, Ledger] = {}

    def join(self, ledger: Ledger) -> None:
        """Take in the calls of a run that begins or is resumed; its ledger stays open."""
        for key in ledger.call_ids():
            self._made.setdefault(key, ledger)

    def lock(self, key: str) -> asyncio.Lock:
        """Return what keeps a call from being made twice at once: the second has its answer."""
        return self._locks.setdefault(key, asyncio.Lock())

    def answered(self, asked: Call, ledger: Ledger) -> Call | None:
        """Return a call from a run's ledger, or from another's and then in its own; else None."""
        if known := ledger.call(asked.id, asked.attempt):
            return known
        other = self._made.get(asked.id)
        if other is None or other is ledger:
            return None
        if made := other.call(asked.id, asked.attempt):
            of_this_run = asked.model_dump(include={"role", "task", "prompt_sha256"})
            made = made.model_copy(update=of_this_run)
            ledger.write_call(made, adopted=True)
        return made

    def note(self, call: Call, ledger: Ledger) -> None:
        """Take note of a call that a run has made and written down.

        Whoever makes a further attempt has those before it, by then.
        """
        if self._several:
            self._made[call.id] = ledger
