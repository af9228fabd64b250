"""Hybrid search: dense and lexical scores, each brought to one scale, added with a weight.

Passages beside a good one gain by it: what decides a question often stands a paragraph further on.
Passages that a section reference ("see section 9.2") joins to one of the best, in either direction,
come along: rules and their consequences often stand in different parts of a document.
"""

import asyncio
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import pstdev
from typing import Any, NamedTuple

import bm25s
import numpy as np

from elenchus import telemetry
from elenchus.config import RetrievalConfig
from elenchus.ledger import Ledger
from elenchus.progress import unseen
from elenchus.records import Passage, Retrieval
from retrieval.chunking import CELLS
from retrieval.embedding import Reranker
from retrieval.store import Store
from retrieval.words import Words

_REFERENCE = re.compile(
    r"\b(?:sections?|articles?|parts?|rules?|clauses?|paragraphs?|regulations?|byelaws?)\s+"
    r"(\d+(?:\.\d+)*(?:(?:,\s*(?:and|or)?|\s+(?:and|or|to))\s*\d+(?:\.\d+)*)*)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_RANGE = re.compile(r"((?:\d+\.)*)(\d+)\s+to\s+\1(\d+)")
_LONGEST_RANGE = 50
RETRIEVAL = {"gen_ai.operation.name": "retrieval"}


Scores = dict[str, float]  # of passages, by their ids


class Hit(NamedTuple):
    """A passage found, with its score; only the scores of one query compare."""

    passage: Passage
    score: float


class Search:
    """Finds passages for a query. The lexical index lives in memory, built from the passages."""

    def __init__(self, passages: Sequence[Passage], store: Store, config: RetrievalConfig) -> None:
        # In reading order, whatever order they come in.
        passages = sorted(passages, key=lambda p: (p.source, p.start))
        self._passages = {p.id: p for p in passages}
        self._ids = list(self._passages)
        self._place = {passage_id: place for place, passage_id in enumerate(self._ids)}
        self._store, self._config = store, config
        self._reranker = Reranker(config.reranker) if config.reranker else None
        texts = ["\n".join((*p.heading, p.text)) for p in passages]
        self._tokens = Words(texts)
        self._lexical = bm25s.BM25()
        tokens = self._tokens(texts)
        self._has_words = bool(tokens.vocab)
        if self._has_words:
            self._lexical.index(tokens, show_progress=False)
        self._numbered: dict[str, list[Passage]] = defaultdict(list)
        self._citing: dict[str, list[Passage]] = defaultdict(list)
        for passage in passages:
            if number := section_number(passage):
                self._numbered[number].append(passage)
            for number in references(passage.text):
                self._citing[number].append(passage)

    def __call__(self, query: str) -> list[Passage]:
        """Return the best passages, best first, then those that references join to them."""
        best = [hit.passage for hit in self.ranked(query)[: self._config.passages]]
        return [*best, *self._related(best)]

    def ranked(self, query: str, source: str | None = None) -> list[Hit]:
        """Rank passages by both scores and those of their neighbours, best first.

        With a reranker the best are scored again; with `retrieval.diversity` they are put in an
        order in which each adds to those before it.

        Args:
            source: the document to search; all, where none is given.
        """
        lexical, dense = self.parts(query, source)
        weight, neighbours = self._config.lexical_weight, self._config.neighbours
        scores = self.fused(lexical, dense, weight, neighbours)
        hits = [Hit(self._passages[i], scores[i]) for i in self.ranking(scores)]
        most = self._config.candidates
        if self._reranker is not None:
            rescored = self._reranker(query, [hit.passage.text for hit in hits[:most]])
            reranked = [Hit(hit.passage, score) for hit, score in zip(hits, rescored, strict=False)]
            hits[:most] = sorted(reranked, key=lambda hit: -hit.score)
        if self._config.diversity and hits:
            hits[:most] = self._diverse(hits[:most])
        return hits

    def parts(self, query: str, source: str | None = None) -> tuple[Scores, Scores]:
        """Return the lexical and the dense scores of a query, best first."""
        query = unicodedata.normalize("NFC", query)
        return self.lexical(query, source), self.dense(query, source)

    def dense(self, query: str, source: str | None = None) -> Scores:
        """Return the nearest passages' ids with their cosines, best first."""
        if not self._ids:
            return {}
        cosines = self._store.nearest(query, self._config.candidates, self._ids, source)
        if cosines is None or not cosines.keys() <= self._place.keys():
            # The index was brought in line with other documents since.
            self._store.hold(list(self._passages.values()), unseen)
            cosines = self._store.nearest(query, self._config.candidates, self._ids, source, True)
        return cosines or {}

    def lexical(self, query: str, source: str | None = None) -> Scores:
        """Return passages' ids with their BM25 scores, best first; 0 where no word is shared."""
        tokens = self._tokens([query])
        if not tokens.vocab or not self._has_words:
            return {}
        searched = np.array([source in (None, p.source) for p in self._passages.values()])
        count = min(self._config.candidates, int(searched.sum()))
        if not count:
            return {}
        places, scores = self._lexical.retrieve(
            tokens, k=count, show_progress=False, weight_mask=None if source is None else searched
        )
        return {
            self._ids[place]: float(score)
            for place, score in zip(places[0], scores[0], strict=True)
            if searched[place]  # of zeros, the mask leaves any
        }

    def fused(
        self, lexical: Scores, dense: Scores, weight: float, neighbours: Sequence[float]
    ) -> Scores:
        """Return weighted sums of both scores on one scale, with shares of the neighbours'.

        Args:
            weight: of the lexical scores; the rest is of the dense ones.
            neighbours: the share of a passage's score that those next to it get, and so on.
        """
        scores: Scores = defaultdict(float)
        for share, ranking in ((weight, lexical), (1 - weight, dense)):
            for passage_id, score in _scaled(ranking).items():
                scores[passage_id] += share * score
        for passage_id, score in list(scores.items()):
            for neighbour, share in self._neighbours(self._place[passage_id], neighbours):
                scores[neighbour] += share * score
        return scores

    def ranking(self, scores: Scores) -> list[str]:
        """Return the ids of scores, best first."""
        return sorted(scores, key=lambda i: (-scores[i], i))

    def _diverse(self, hits: Sequence[Hit]) -> list[Hit]:
        """Reorder hits so that each next one is good and unlike those before it.

        Maximal marginal relevance (Carbonell and Goldstein 1998).
        """
        share = self._config.diversity
        by_id = self._store.vectors([hit.passage.id for hit in hits])
        vectors = np.stack([by_id[hit.passage.id] for hit in hits])
        cosines = vectors @ vectors.T
        scores = np.array([hit.score for hit in hits])
        scaled = (scores - scores.min()) / (np.ptp(scores) or 1.0)
        chosen, left = [0], list(range(1, len(hits)))
        while left:
            values = (1 - share) * scaled[left] - share * cosines[np.ix_(left, chosen)].max(axis=1)
            chosen.append(left.pop(int(values.argmax())))
        return [hits[i] for i in chosen]

    def _neighbours(self, place: int, shares: Sequence[float]) -> Iterator[tuple[str, float]]:
        """Yield passages of one document near a place in reading order, with their shares."""
        source = self._passages[self._ids[place]].source
        for distance, share in enumerate(shares, 1):
            for near in (place - distance, place + distance):
                inside = 0 <= near < len(self._ids)
                if inside and self._passages[self._ids[near]].source == source:
                    yield self._ids[near], share

    def _related(self, best: Sequence[Passage]) -> list[Passage]:
        """Return passages of sections that the best name, or that name theirs, without repeats."""
        related: dict[str, Passage] = {}
        for passage in best:
            for number in references(passage.text):
                related.update((p.id, p) for p in self._numbered.get(number, ()))
            related.update((p.id, p) for p in self._citing.get(section_number(passage), ()))
        for passage in best:
            related.pop(passage.id, None)
        return list(related.values())[: self._config.references]


class RecordedSearch:
    """Finds passages of a run, on threads, and records its results in the ledger.

    Queries are embedded in batches, and a vector's last digits depend on its batch: two passages as
    near as each other may change places. A recorded result is given again, even after a kill; and
    an expert looks the same things up again and again.
    """

    def __init__(self, search: Callable[[str], list[Passage]], ledger: Ledger) -> None:
        self._search, self._ledger = search, ledger
        self._passages = {p.id: p for p in ledger.all(Passage)}
        # A search that was adopted from another run may name what this one's documents do not say.
        self._recorded = {
            r.query: r for r in ledger.all(Retrieval) if self._passages.keys() >= set(r.passage_ids)
        }

    async def __call__(self, query: str) -> list[Passage]:
        """Return the best passages for a query, as `Search` does."""
        with telemetry.span("retrieval", RETRIEVAL) as span:
            if cached := query in self._recorded:
                found = self._recorded[query]
            else:
                passages = await asyncio.to_thread(self._search, query)
                new = Retrieval(query=query, passage_ids=tuple(p.id for p in passages))
                found = self._recorded.setdefault(query, new)
                if found is new:  # no other examination was faster
                    self._ledger.write(new)
            if span:
                span.set(_told(found, cached, span.content))
        return [self._passages[i] for i in found.passage_ids]


def _told(found: Retrieval, cached: bool, content: bool) -> dict[str, Any]:
    """Return what a span tells of a search."""
    told: dict[str, Any] = {
        "elenchus.retrieval.passage_ids": found.passage_ids,
        "elenchus.retrieval.cached": cached,
    }
    if content:
        told["gen_ai.retrieval.query.text"] = found.query
    return told


def _scaled(ranking: Scores) -> Scores:
    """Return scores in standard deviations above the worst, so that rankings can be added."""
    if not ranking:
        return {}
    worst, deviation = min(ranking.values()), pstdev(ranking.values()) or 1.0
    return {i: (score - worst) / deviation for i, score in ranking.items()}


def references(text: str) -> list[str]:
    """Return the numbers of sections that a text refers to.

    "sections 4.1 to 4.3 and 9" gives 4.1 4.2 4.3 9.
    """
    numbers = []
    for listed in _REFERENCE.findall(text):
        for stem, first, last in _RANGE.findall(listed):
            top = min(int(last), int(first) + _LONGEST_RANGE)
            numbers += [f"{stem}{n}" for n in range(int(first), top + 1)]
        numbers += _NUMBER.findall(listed)
    return list(dict.fromkeys(numbers))


def section_number(passage: Passage) -> str:
    """Return the number in a passage's innermost heading ("3.2 Mooring lines", "Part 9"), or ""."""
    sections = [heading for heading in passage.heading if CELLS not in heading]
    number = _NUMBER.search(sections[-1]) if sections else None
    return number[0] if number else ""
