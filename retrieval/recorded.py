"""A search that keeps in the ledger what it found.

Queries are embedded in batches, and a vector's last digits depend on its batch: two passages as
near as each other may change places. What was once found is found again, even after a kill; and an
expert looks the same things up again and again.
"""

import asyncio
from collections.abc import Callable

from elenchus.ledger import Ledger
from elenchus.records import Passage, Retrieval


class RecordedSearch:
    """Finds passages of a run, on threads; what was found before costs none."""

    def __init__(self, search: Callable[[str], list[Passage]], ledger: Ledger) -> None:
        self._search = search
        self._ledger = ledger
        self._passages = {p.id: p for p in ledger.all(Passage)}
        # A search that was adopted from another run may name what this one's documents do not say.
        self._found = {
            r.query: r for r in ledger.all(Retrieval) if self._passages.keys() >= set(r.passage_ids)
        }

    async def __call__(self, query: str) -> list[Passage]:
        """The best passages for a query, as `Search` gives them."""
        if query not in self._found:
            passages = await asyncio.to_thread(self._search, query)
            new = Retrieval(query=query, passage_ids=tuple(p.id for p in passages))
            if self._found.setdefault(query, new) is new:  # no other examination was faster
                self._ledger.write(new)
        return [self._passages[i] for i in self._found[query].passage_ids]
