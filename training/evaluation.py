"""Shares of right answers before and after, with intervals that say how sure they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from elenchus.records import ExamItem, Grade, Score
from elenchus.results import Estimate

RIGHT: frozenset[Grade] = frozenset({"correct", "partial"})
RESAMPLES = 2000


def graded(items: Sequence[ExamItem], *sittings: Sequence[Score]) -> list[ExamItem]:
    """The items that have a grade in every one of the sittings."""
    known = [{score.item_id for score in scores} for scores in sittings]
    return [item for item in items if all(item.id in ids for ids in known)]


def accuracy(items: Sequence[ExamItem], scores: Sequence[Score]) -> Estimate:
    """Share of right results. A right result from a wrong rule ("partial") counts as right."""
    right = _right(scores)
    return _bootstrap(_clusters(items), np.array([right[item.id] for item in items]))


def share(items: Sequence[ExamItem], scores: Sequence[Score]) -> float:
    """Share of right results, without an interval."""
    right = _right(scores)
    return sum(right[item.id] for item in items) / len(items)


def gain(items: Sequence[ExamItem], before: Sequence[Score], after: Sequence[Score]) -> Estimate:
    """Paired difference, after minus before, of the shares of right results."""
    old, new = _right(before), _right(after)
    difference = np.array([new[item.id] - old[item.id] for item in items])
    return _bootstrap(_clusters(items), difference)


def _right(scores: Sequence[Score]) -> dict[str, float]:
    return {score.item_id: float(score.grade in RIGHT) for score in scores}


def _clusters(items: Sequence[ExamItem]) -> list[str]:
    """What varies together: questions on one point stand or fall with that point."""
    return [item.point_id or item.id for item in items]


def _bootstrap(clusters: Sequence[str], values: NDArray[np.float64]) -> Estimate:
    """Mean with a percentile bootstrap over whole clusters (after arXiv 2411.00640, sec. 2.2)."""
    if not len(values):
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"))
    _, index = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index).astype(float)
    mean = float(values.mean())
    if len(sums) < 2:
        return Estimate(value=mean, low=mean, high=mean)
    found = stats.bootstrap(
        (sums, counts),
        lambda total, count, axis: total.sum(axis=axis) / count.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(value=mean, low=float(found.low), high=float(found.high))
