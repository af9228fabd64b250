"""Shares of right answers before and after, with intervals that say how sure they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from elenchus.outcomes import ExamItem, Score
from elenchus.records import Grade
from elenchus.results import Estimate

RIGHT: frozenset[Grade] = frozenset({"correct"})
RESAMPLES = 2000


def graded(items: Sequence[ExamItem], *scores: Sequence[Score]) -> list[ExamItem]:
    """Return the items that have a score each time that the exam was run."""
    scored = [{score.item_id for score in each} for each in scores]
    return [item for item in items if all(item.id in ids for ids in scored)]


def accuracy(items: Sequence[ExamItem], scores: Sequence[Score], result: bool = False) -> Estimate:
    """Estimate the share of right answers, with their reasons, or of right results alone."""
    return _bootstrap(items, _right(items, scores, result))


def share(items: Sequence[ExamItem], scores: Sequence[Score]) -> float:
    """Return the share of right answers, without an interval."""
    return float(_right(items, scores).mean())


def gain(items: Sequence[ExamItem], before: Sequence[Score], after: Sequence[Score]) -> Estimate:
    """Estimate the paired difference, after minus before, of the shares of right answers."""
    return _bootstrap(items, _right(items, after) - _right(items, before))


def mean(values: Sequence[float]) -> Estimate:
    """Estimate a mean by a bootstrap over the values."""
    return _resampled(np.array(values, dtype=float), np.ones(len(values)))


def change(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Estimate the mean of paired differences, after minus before, by a bootstrap over pairs."""
    apart = np.array(after) - np.array(before)
    return _resampled(apart, np.ones(len(apart)))


def _right(
    items: Sequence[ExamItem], scores: Sequence[Score], result: bool = False
) -> NDArray[np.float64]:
    """Return 1 for each item whose answer, or whose result alone, is right, else 0."""
    right = {s.item_id: float(s.result if result else s.grade in RIGHT) for s in scores}
    return np.array([right[item.id] for item in items])


def _bootstrap(items: Sequence[ExamItem], values: NDArray[np.float64]) -> Estimate:
    """Estimate a mean by a percentile bootstrap over clusters (after arXiv 2411.00640, sec. 2.2).

    Questions on one point are a cluster: they stand or fall with that point.
    """
    if not len(values):
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"))
    _, index = np.unique([item.point_id or item.id for item in items], return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index).astype(float)
    return _resampled(sums.astype(float), counts)


def _resampled(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> Estimate:
    """Estimate a mean by a bootstrap over clusters, each with the sum and count of its values."""
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Estimate(value=mean, low=mean, high=mean)
    interval = stats.bootstrap(
        (sums, counts),
        lambda total, count, axis: total.sum(axis=axis) / count.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(value=mean, low=float(interval.low), high=float(interval.high))
