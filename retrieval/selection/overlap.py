"""Finds texts that copy one of a test: the same words in a row."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from retrieval.selection import hashing

WORDS = 13  # in a row (arXiv 2005.14165, appendix C)
LEAST = 5  # words of a test text: shorter ones stand in many texts by chance


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


def _meet(values: NDArray[np.uint64], known: NDArray[np.uint64]) -> bool:
    """Tell whether two sorted arrays have a value in common; the second is not empty."""
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return bool((known[places] == values).any())
