"""Finds texts that copy one of a test: the same words in a row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.selection import hashing

WORDS = 13  # in a row (arXiv 2005.14165, appendix C)
LEAST = 5  # words of a test text: shorter ones stand in many texts by chance
PIECE = 200_000  # words looked through at once


class Shared(NamedTuple):
    """Texts that copy a test text, (m,) each: which text, which test text, the longest run.

    `words` is the length of that run, and `places` the number of its first word in the text, from
    0; each pair stands here once.
    """

    texts: NDArray[np.intp]
    tests: NDArray[np.intp]
    words: NDArray[np.intp]
    places: NDArray[np.intp]


class Overlap:
    """Test texts, to tell whether another text copies one.

    It does with so many words of one in a row, or all of them where the test text has fewer. Case
    and punctuation do not matter.

    Attributes:
        phrases: hashes of the runs of words to look for, sorted, by their length in words.
    """

    def __init__(self, phrases: Mapping[int, NDArray[np.uint64]]) -> None:
        self.phrases = phrases

    @classmethod
    def of(cls, texts: Iterable[str], words: int = WORDS) -> "Overlap":
        """Make it of test texts, with so many words in a row."""
        by_length: dict[int, list[NDArray[np.uint64]]] = {}
        for text in texts:
            length = min(words, hashing.count(text))
            if length >= min(LEAST, words):
                by_length.setdefault(length, []).append(hashing.phrases(text, length))
        return cls({n: np.unique(np.concatenate(runs)) for n, runs in by_length.items()})

    def copies(self, text: str) -> bool:
        """Tell whether the text copies any test text."""
        return any(_meet(hashing.phrases(text, n), known) for n, known in self.phrases.items())


def shared(tests: Sequence[str], texts: Sequence[str], words: int = WORDS) -> Shared:
    """Tell which text copies which test text, as `Overlap` does, and how many words in a row.

    A test text of fewer than `LEAST` words is copied only by a text that is nothing else.
    """
    sizes, lengths = hashing.counts(tests), hashing.counts(texts)
    parts = []
    for length in sorted({min(words, int(size)) for size in sizes if size}):
        chosen = np.flatnonzero(np.minimum(sizes, words) == length)
        known = hashing.runs([tests[int(i)] for i in chosen], length)
        looked = np.arange(len(texts)) if length >= LEAST else np.flatnonzero(lengths == length)
        for part in _pieces(looked, lengths):
            found = _longest(known, hashing.runs([texts[int(i)] for i in part], length), length)
            parts.append((part[found.texts], chosen[found.tests], found.words, found.places))
    if not parts:
        none = np.zeros(0, dtype=np.intp)
        return Shared(none, none, none, none)
    return Shared(*map(np.concatenate, zip(*parts, strict=True)))


def _pieces(texts: NDArray[np.intp], lengths: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield the texts a piece at a time, each of about `PIECE` words, to bound the memory."""
    pieces = np.cumsum(lengths[texts]) // PIECE
    yield from (part for part in np.split(texts, np.flatnonzero(np.diff(pieces)) + 1) if len(part))


def _longest(known: hashing.Runs, runs: hashing.Runs, length: int) -> Shared:
    """Return for each text and test text the longest run of words that both have.

    Runs of `length` words that follow one another in both make a longer one.
    """
    order = np.argsort(known.hashes, kind="stable")
    values = known.hashes[order]
    low = np.searchsorted(values, runs.hashes, "left")
    times = np.searchsorted(values, runs.hashes, "right") - low
    rows = np.repeat(np.arange(len(runs.hashes)), times)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    matched = order[np.repeat(low, times) + offsets]
    texts, tests, places = runs.texts[rows], known.texts[matched], runs.places[rows]
    moved = places - known.places[matched]  # the same all along a run
    by = np.lexsort((places, moved, tests, texts))
    texts, tests, places, moved = texts[by], tests[by], places[by], moved[by]
    goes_on = np.zeros(len(by), dtype=bool)
    goes_on[1:] = (
        (np.diff(texts) == 0)
        & (np.diff(tests) == 0)
        & (np.diff(moved) == 0)
        & (np.diff(places) == 1)
    )
    begins = np.flatnonzero(~goes_on)
    sizes = np.diff(np.r_[begins, len(by)]) + length - 1
    texts, tests, places = texts[begins], tests[begins], places[begins]
    best = np.lexsort((places, -sizes, tests, texts))
    first = np.ones(len(best), dtype=bool)
    first[1:] = (np.diff(texts[best]) != 0) | (np.diff(tests[best]) != 0)
    kept = best[first]
    return Shared(texts[kept], tests[kept], sizes[kept], places[kept])


def _meet(values: NDArray[np.uint64], known: NDArray[np.uint64]) -> bool:
    """Tell whether two sorted arrays have a value in common; the second is not empty."""
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return bool((known[places] == values).any())
