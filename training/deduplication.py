"""Greedy deduplication of messages by the cosine of their embeddings (arXiv 2503.15055).

The method compares each message with all accepted before it. Here an upper bound of the cosine
leaves out most of those pairs, and nothing else: the result is that of comparing them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]
BLOCK = 1024  # messages compared at once: bounds the memory
HEAD = 63  # principal components that the bound multiplies out; with the rest's length, 64 columns
SAMPLE = 20_000  # rows, about, that the components are computed from
DENSE = 64  # where more than one pair in these passes the bound, one matrix product is faster
LENGTH_ERROR = 1e-3  # how far from 1 the length of a unit vector may be, for float16's sake


@dataclass(frozen=True)
class Nearest:
    """For each of n messages, the nearest accepted one where that was too near.

    `index` (n,) is its row, the first of equally near ones; -1 for a message that was accepted
    itself. `cosine` (n,) is the cosine to it, NaN for an accepted message.
    """

    index: Indices
    cosine: NDArray[np.float64]


class _Pairs(NamedTuple):
    """Pairs of rows with their cosines in float32, sorted by `left`, then by `right`."""

    left: Indices
    right: Indices
    cosine: NDArray[np.float32]


@dataclass(frozen=True)
class _Space:
    """Vectors of shape (n, d) with what the search needs of them.

    `heads` (n, HEAD + 1) holds the leading principal components of each and the length of what
    remains: by the Cauchy-Schwarz inequality, the product of two rows is at least their cosine.
    `slack` is more than rounding can take from a product of float32 rows.
    """

    given: Floats
    squares: NDArray[np.float64]
    units: NDArray[np.float32]
    heads: NDArray[np.float32]
    slack: float

    def cosines(self, row: int, others: Indices) -> NDArray[np.float64]:
        """Cosines of one row to others, in float64: exactly 1 between equal vectors."""
        products = np.vecdot(
            self.given[others].astype(np.float64), self.given[row].astype(np.float64)
        )
        # In IEEE arithmetic the root of a square is exact, the square of a root is not.
        found: NDArray[np.float64] = products / np.sqrt(self.squares[others] * self.squares[row])
        return found


def deduplicate(vectors: Floats, threshold: float) -> Nearest:
    """Take messages in order; accept one if its cosine to all accepted ones is < `threshold`.

    `vectors` has shape (n, d), with a unit row for each message. Decisions are made in float64.

    Raises:
        ValueError: a row is not of length 1.
    """
    if not len(vectors):
        return Nearest(np.zeros(0, dtype=np.intp), np.zeros(0))
    return _deduplicate(_space(vectors), threshold)


def retained(vectors: Floats, thresholds: Iterable[float]) -> dict[float, float]:
    """Share of messages that `deduplicate` accepts, for each threshold.

    Raises:
        ValueError: there are no messages, or a row is not of length 1.
    """
    if not len(vectors):
        raise ValueError("no share of no messages")
    space = _space(vectors)
    return {t: float((_deduplicate(space, t).index < 0).mean()) for t in thresholds}


def _space(vectors: Floats) -> _Space:
    count, width = vectors.shape
    squares = _squares(vectors)
    lengths = np.sqrt(squares)
    if not (abs(lengths - 1) <= LENGTH_ERROR).all():
        raise ValueError("not all vectors are of length 1")
    sample = vectors[:: count // SAMPLE + 1].astype(np.float64)
    kept = min(HEAD, width)
    # Not centred: the bound needs orthonormal axes that hold most of the length, nothing else.
    _, axes = linalg.eigh(sample.T @ sample, subset_by_index=(width - kept, width - 1))
    units = np.empty((count, width), dtype=np.float32)
    heads = np.empty((count, kept + 1), dtype=np.float32)
    for start in range(0, count, BLOCK):
        block = slice(start, start + BLOCK)
        rows = vectors[block] / lengths[block, None]
        units[block] = rows
        head = rows @ axes
        heads[block, :-1] = head
        heads[block, -1] = np.sqrt(np.clip(1 - np.vecdot(head, head), 0, None))
    # Twice what rounding to float32 and summing `width` products can lose (Higham 2002, sec. 3.1).
    slack = (width + 16) * float(np.finfo(np.float32).eps)
    return _Space(vectors, squares, units, heads, slack)


def _squares(vectors: Floats) -> NDArray[np.float64]:
    """Squared lengths, by the same products as those of pairs."""
    squares = np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        rows = vectors[start : start + BLOCK].astype(np.float64)
        squares[start : start + BLOCK] = np.vecdot(rows, rows)
    return squares


def _deduplicate(space: _Space, threshold: float) -> Nearest:
    count = len(space.given)
    nearest = Nearest(np.full(count, -1, dtype=np.intp), np.full(count, np.nan))
    for start in range(0, count, BLOCK):
        block = np.arange(start, min(start + BLOCK, count))
        accepted = np.flatnonzero(nearest.index[:start] < 0)
        before = _before(space, block, accepted, threshold)
        within = _near(space, block, block, threshold)
        _settle(space, block, [before, _chosen(within, within.right < within.left)],
                threshold, nearest)  # fmt: skip
    return nearest


def _settle(
    space: _Space, block: Indices, found: list[_Pairs], threshold: float, nearest: Nearest
) -> None:
    """Decide on the messages of a block one by one, and write it into `nearest`.

    `found` holds the pairs of each with earlier ones that can be near enough, lower rows first;
    whether those of the same block were accepted is known only by then.
    """
    pairs = _joined(found)
    ends = np.searchsorted(pairs.left, block, side="right")
    for row, start, end in zip(block, np.r_[0, ends[:-1]], ends, strict=True):
        others, cosines = pairs.right[start:end], pairs.cosine[start:end]
        accepted = nearest.index[others] < 0
        if not accepted.any():
            continue
        others, cosines = others[accepted], cosines[accepted]
        others = others[cosines >= cosines.max() - 2 * space.slack]
        exact = space.cosines(row, others)
        best = int(exact.argmax())
        if exact[best] >= threshold:
            nearest.index[row], nearest.cosine[row] = others[best], exact[best]


def _before(space: _Space, block: Indices, accepted: Indices, threshold: float) -> _Pairs:
    """Pairs of a block's messages with those accepted before it that can be the nearest."""
    best = np.full(len(space.given), -np.inf, dtype=np.float32)
    found = [_near(space, block, accepted[:0], threshold)]
    for start in range(0, len(accepted), BLOCK):
        pairs = _near(space, block, accepted[start : start + BLOCK], threshold)
        np.maximum.at(best, pairs.left, pairs.cosine)
        found.append(_chosen(pairs, pairs.cosine >= best[pairs.left] - 2 * space.slack))
    return _joined(found)


def _near(space: _Space, left: Indices, right: Indices, threshold: float) -> _Pairs:
    """Pairs of the two whose cosine reaches the threshold, rounding allowed for."""
    floor = threshold - space.slack
    shape = (len(left), len(right))
    passed = np.flatnonzero(space.heads[left] @ space.heads[right].T >= floor)
    if len(passed) > len(left) * len(right) // DENSE:
        products = (space.units[left] @ space.units[right].T).ravel()
        passed = np.flatnonzero(products >= floor)
        cosines = products[passed]
        i, j = np.unravel_index(passed, shape)
        return _Pairs(left[i], right[j], cosines)
    i, j = np.unravel_index(passed, shape)
    cosines = np.vecdot(space.units[left[i]], space.units[right[j]])
    return _chosen(_Pairs(left[i], right[j], cosines), cosines >= floor)


def _chosen(pairs: _Pairs, which: NDArray[np.bool_]) -> _Pairs:
    return _Pairs(pairs.left[which], pairs.right[which], pairs.cosine[which])


def _joined(found: list[_Pairs]) -> _Pairs:
    """All pairs, sorted by `left`; the order of the list where `left` is the same."""
    left, right, cosine = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(left, kind="stable")
    return _Pairs(left[order], right[order], cosine[order])
