"""Texts as hashed words and pairs of words, by numpy over a whole batch's bytes at once.

A word is a run of ASCII letters, digits and bytes from 128 on, in small letters. Scripts without
spaces (the characters whose UTF-8 begins with E3 to E9) begin a word with each character. Of a word
longer than `WIDEST` bytes its beginning and its length count.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 21  # of a feature: two million buckets, eight megabytes of weights
WIDEST = 32  # bytes of a word that are told apart
_EIGHT = 8  # bytes read at once
_ODD, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)  # odd, bits half set
_HALF = np.uint64(32)
_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(_EIGHT + 1)], dtype=np.uint64)
_SPACE, _INSIDE, _ALONE = 0, 1, 2  # kinds of byte: between words, of a word, beginning one
_KINDS = bytes(
    _ALONE if 0xE3 <= b <= 0xE9 else _INSIDE if b >= 128 or chr(b).isalnum() else _SPACE
    for b in range(256)
)

Floats = NDArray[np.float32]


class Features(NamedTuple):
    """Features of n texts: `buckets` of text i stand at `starts[i]` to `starts[i + 1]`.

    They are its words and then its pairs of neighbouring words, repeated as often as they occur;
    `starts` has shape (n + 1,), `words` (n,) counts the words of each.
    """

    buckets: NDArray[np.int32]
    starts: NDArray[np.intp]
    words: NDArray[np.intp]


class _Words(NamedTuple):
    """Hashes of all words of a batch, (m,); those of text i from `first[i]`, (n + 1,)."""

    hashes: NDArray[np.uint64]
    first: NDArray[np.intp]


class Runs(NamedTuple):
    """Runs of so many words in a batch of texts, (m,) each: their hash, text, and first word."""

    hashes: NDArray[np.uint64]
    texts: NDArray[np.intp]
    places: NDArray[np.intp]


def features(texts: Sequence[str]) -> Features:
    """Return the features of each text, for training."""
    hashes, first = _words(texts)
    words = np.diff(first)
    pairs = np.maximum(words - 1, 0)
    starts = np.r_[0, np.cumsum(words + pairs)]
    buckets = np.empty(starts[-1], dtype=np.int32)
    # Within a text, words come first: the place of a word is its rank moved by the pairs before.
    moved = np.repeat(starts[:-1] - first[:-1], words)
    ranks = np.arange(len(hashes))
    buckets[ranks + moved] = _buckets(hashes)
    inner = np.ones(len(hashes), dtype=bool)
    inner[first[1:][words > 0] - 1] = False
    places = (ranks + moved + np.repeat(words, words))[inner]
    buckets[places] = _buckets(_pairs(hashes)[inner[:-1]]) if len(hashes) else []
    return Features(buckets, starts, words)


def sums(texts: Sequence[str], weights: Floats) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for each text the sum of its features' weights, and how many words it has.

    `weights` has shape (2 ** BITS,). The sum does not depend on what else is in the batch.
    """
    hashes, first = _words(texts)
    words = np.diff(first)
    totals = np.zeros(len(texts))
    if len(hashes):
        each = weights[_buckets(hashes)]
        pairs = weights[_buckets(_pairs(hashes))]
        pairs[first[1:-1][(first[1:-1] > 0) & (first[1:-1] < len(hashes))] - 1] = 0  # of two texts
        each[:-1] += pairs
        filled = words > 0
        totals[filled] = np.add.reduceat(each, first[:-1][filled], dtype=np.float64)
    return totals, words


def _words(texts: Sequence[str]) -> _Words:
    encoded = [text.lower().encode("utf-8", "replace") for text in texts]
    lengths = np.fromiter(map(len, encoded), dtype=np.intp, count=len(encoded))
    # What stands between two texts belongs to no word; at the end, eight bytes can be read.
    whole = b" ".join([*encoded, bytes(_EIGHT)])
    kinds = np.frombuffer(whole.translate(_KINDS), dtype=np.uint8)
    inside = kinds != _SPACE
    begins = inside.copy()
    begins[1:] &= ~inside[:-1] | (kinds[1:] == _ALONE)
    at = np.flatnonzero(begins)
    ends = inside.copy()
    ends[:-1] &= ~inside[1:] | begins[1:]
    lengths_of_words = np.flatnonzero(ends) + 1 - at
    borders = np.r_[0, np.cumsum(lengths + 1)]
    return _Words(_hashed(whole, at, lengths_of_words), np.asarray(np.searchsorted(at, borders)))


def _hashed(whole: bytes, at: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Return a hash of each word, which begins `at` and is so long: eight bytes of it at a time."""
    # Unaligned words that overlap: numpy reads them as they stand.
    eights: NDArray[np.uint64] = np.ndarray(
        (len(whole) - _EIGHT + 1,), dtype="<u8", buffer=whole, strides=(1,)
    )
    hashes = _mixed((eights[at] & _MASKS[np.minimum(lengths, _EIGHT)]) ^ lengths.astype(np.uint64))
    longer = np.flatnonzero(lengths > _EIGHT)
    for done in range(_EIGHT, WIDEST, _EIGHT):
        left = lengths[longer] - done
        longer, left = longer[left > 0], left[left > 0]
        more = eights[at[longer] + done] & _MASKS[np.minimum(left, _EIGHT)]
        hashes[longer] = _mixed(hashes[longer] + more)
    return hashes


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix bits: every one of the result depends on every one of the value; overflow is meant."""
    values = (values ^ (values >> _HALF)) * _ODD
    values = (values ^ (values >> _HALF)) * _OTHER
    return values ^ (values >> _HALF)


def _pairs(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a hash of each word with the next one, (m - 1,)."""
    return (hashes[:-1] * _OTHER + hashes[1:]) * _ODD


def _buckets(hashes: NDArray[np.uint64]) -> NDArray[Any]:
    return hashes >> np.uint64(64 - BITS)


def count(text: str) -> int:
    """Return how many words a text has."""
    return len(_words([text]).hashes)


def counts(texts: Sequence[str]) -> NDArray[np.intp]:
    """Return how many words each text has, (texts,)."""
    return np.diff(_words(texts).first)


def phrases(text: str, words: int) -> NDArray[np.uint64]:
    """Return a hash of each run of so many words, sorted and each once; none of a shorter text."""
    return np.unique(_joined(_words([text]).hashes, words))


def runs(texts: Sequence[str], words: int) -> Runs:
    """Return every run of so many words of each text, in their order; none goes over two texts."""
    hashes, first = _words(texts)
    text_of = np.repeat(np.arange(len(texts)), np.diff(first))
    begins = np.arange(max(0, len(hashes) - words + 1))
    begins = begins[text_of[begins] == text_of[begins + words - 1]]
    of = text_of[begins]
    return Runs(_joined(hashes, words)[begins], of, begins - first[of])


def _joined(hashes: NDArray[np.uint64], words: int) -> NDArray[np.uint64]:
    """Return a hash of each word with those after it, so many in all."""
    count = len(hashes) - words + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    joined = hashes[:count]
    for step in range(1, words):
        joined = _mixed(joined * _OTHER + hashes[step : step + count])
    return joined
