"""Greedy deduplication of messages by the cosine of their embeddings (arXiv 2503.15055)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
BLOCK = 1024  # messages compared with all before them by one matrix product
CELLS = 50_000_000  # cosines held at once: bounds the memory
LENGTH_ERROR = 1e-3  # how far from 1 the length of a unit vector may be, for float16's sake


@dataclass(frozen=True)
class Nearest:
    """For each of n messages, the nearest accepted one where that was too near.

    `index` (n,) is its row, the first of equally near ones; -1 for a message that was accepted
    itself. `cosine` (n,) is the cosine to it, NaN for an accepted message.
    """

    index: NDArray[np.intp]
    cosine: NDArray[np.float64]


def deduplicate(vectors: Floats, threshold: float) -> Nearest:
    """Take messages in order; accept one if its cosine to all accepted ones is < `threshold`.

    `vectors` has shape (n, d), with a unit row for each message. Products in float32 find the rows
    that can be the nearest; the decision between these is made in float64.

    Raises:
        ValueError: a row is not of length 1.
    """
    squares = np.vecdot(vectors, vectors, dtype=np.float64)
    if not (abs(np.sqrt(squares) - 1) <= LENGTH_ERROR).all():
        raise ValueError("not all vectors are of length 1")
    count, width = vectors.shape
    units = (vectors / np.sqrt(squares)[:, None]).astype(np.float32)
    # Twice what rounding to float32 and summing `width` products can lose (Higham 2002, sec. 3.1).
    slack = (width + 16) * float(np.finfo(np.float32).eps)
    index, cosine = np.full(count, -1, dtype=np.intp), np.full(count, np.nan)
    size = max(1, min(BLOCK, CELLS // max(1, count)))
    for start in range(0, count, size):
        block = np.arange(start, min(start + size, count))
        earlier = np.flatnonzero(index[:start] < 0)
        rows = np.concatenate([earlier, block])
        products = units[block] @ units[rows].T
        for place, row in enumerate(block):
            before = products[place, : len(earlier) + place]
            best = before.max(initial=-np.inf)
            if best < threshold - slack:
                continue
            near = rows[np.flatnonzero(before >= best - 2 * slack)]
            exact = _cosines(vectors[near], vectors[row], squares[near] * squares[row])
            nearest = exact.argmax()
            if exact[nearest] >= threshold:
                index[row], cosine[row] = near[nearest], exact[nearest]
                products[:, len(earlier) + place] = -np.inf  # no later one is compared with it
    return Nearest(index, cosine)


def retained(vectors: Floats, thresholds: Iterable[float]) -> dict[float, float]:
    """Return the share of messages that `deduplicate` accepts, for each threshold.

    Raises:
        ValueError: there are no messages, or a row is not of length 1.
    """
    if not len(vectors):
        raise ValueError("no share of no messages")
    return {t: float((deduplicate(vectors, t).index < 0).mean()) for t in thresholds}


def _cosines(rows: Floats, row: Floats, squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines of rows to one row in float64: exactly 1 between equal vectors.

    `squares` are the products of the squared lengths: in IEEE arithmetic the root of a square is
    exact, the square of a root is not.
    """
    products = np.vecdot(rows.astype(np.float64), row.astype(np.float64))
    cosines: NDArray[np.float64] = products / np.sqrt(squares)
    return cosines
