"""Chooses how a corpus is searched, from questions whose passages are known.

What serves one corpus harms another: neighbours help where the answer stands a paragraph further
on, and not where each rule has a number of its own. Settings are chosen on every other question,
and taken only where the rest bears them out.
"""

from collections.abc import Sequence
from itertools import product
from statistics import fmean
from typing import Any, NamedTuple

from elenchus.errors import UserError
from retrieval.search import Scores, Search

LEAST = 20  # questions, of which half choose
TOP = 10  # passages in which the right one is looked for
WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
NEIGHBOURS: tuple[tuple[float, ...], ...] = ((), (0.1,), (0.25, 0.1))
DEPTHS = (24, 100)
DEEPEST = max(DEPTHS)


class Asked(NamedTuple):
    """A question, the ids of the passages that decide it, and the document to look in, if any."""

    question: str
    passages: frozenset[str]
    source: str | None = None


class Settings(NamedTuple):
    """What `retrieval` says of a search."""

    lexical_weight: float
    neighbours: tuple[float, ...]
    candidates: int


class Quality(NamedTuple):
    """The share of questions whose passage is among the first ten, and the mean of 1 / its rank."""

    recall: float
    mrr: float

    @property
    def mean(self) -> float:
        """Return what settings are chosen by."""
        return (self.recall + self.mrr) / 2


class Tuned(NamedTuple):
    """The settings to take, and figures of the questions that they were not chosen on.

    Attributes:
        chosen: those that were best on the other half.
        taken: the same, or the present ones where the figures do not bear them out.
        quality: by "dense", "lexical", "present" and "chosen".
    """

    chosen: Settings
    taken: Settings
    questions: int
    quality: dict[str, Quality]

    def as_json(self) -> dict[str, Any]:
        """Return it as a tree."""
        return {
            "questions": self.questions,
            "chosen": self.chosen._asdict(),
            "taken": self.taken._asdict(),
            "quality": {name: one._asdict() for name, one in self.quality.items()},
        }


class _Found(NamedTuple):
    asked: Asked
    lexical: Scores
    dense: Scores


def tune(search: Search, asked: Sequence[Asked], present: Settings) -> Tuned:
    """Choose settings for the corpus of a search, whose `retrieval.candidates` is `DEEPEST`.

    Raises:
        UserError: there are too few questions to choose by.
    """
    if len(asked) < LEAST:
        raise UserError(f"{len(asked)} questions have a known passage: {LEAST} are needed to tune")
    found = [
        _Found(one, *search.parts(one.question, one.source))
        for one in sorted(asked, key=lambda one: one.question)
    ]
    choosing, judging = found[::2], found[1::2]

    def of(settings: Settings, half: Sequence[_Found]) -> Quality:
        return _quality([_rank(search, one, settings) for one in half], half)

    every = [Settings(*one) for one in product(WEIGHTS, NEIGHBOURS, DEPTHS)]
    chosen = max([present, *every], key=lambda settings: of(settings, choosing).mean)
    quality = {
        "dense": _quality([list(one.dense) for one in judging], judging),
        "lexical": _quality([_shared(one.lexical) for one in judging], judging),
        "present": of(present, judging),
        "chosen": of(chosen, judging),
    }
    better = quality["chosen"].mean >= quality["present"].mean
    return Tuned(chosen, chosen if better else present, len(judging), quality)


def _rank(search: Search, found: _Found, settings: Settings) -> list[str]:
    lexical, dense = (_first(s, settings.candidates) for s in (found.lexical, found.dense))
    return search.ranking(search.fused(lexical, dense, *settings[:2]))


def _first(scores: Scores, count: int) -> Scores:
    return dict(list(scores.items())[:count])


def _shared(lexical: Scores) -> list[str]:
    """Return passages that share words with the question."""
    return [i for i, score in lexical.items() if score > 0]


def _quality(rankings: Sequence[Sequence[str]], found: Sequence[_Found]) -> Quality:
    places = [
        next((n for n, i in enumerate(ranking[:TOP], 1) if i in one.asked.passages), 0)
        for ranking, one in zip(rankings, found, strict=True)
    ]
    mrr = fmean(1 / place if place else 0.0 for place in places)
    return Quality(fmean(place > 0 for place in places), mrr)
