"""Measures of a classifier on labelled messages: of its decisions and its probabilities.

Every measure is computed from a weight for each message: 1 for its value, and how often a resample
drew the message for its interval. So all resamples are computed at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from elenchus.results import Estimate

BINS = 15  # of equal width, for calibration (Guo et al. 2017)
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)  # percentiles of the resamples
CELLS = 2_000_000  # weights held at once: bounds the memory
SUM_ERROR = 1e-3  # how far from 1 a message's probabilities may sum, for float16's sake

Array = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]  # of shape (messages,): numbers of classes
Probabilities = NDArray[np.floating[Any]]  # of shape (messages, classes)


class _Measured(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassMetrics(_Measured):
    """Measures of one class against all others; None where one is undefined.

    `gold` and `decided` count messages. `false_positives` and `false_negatives` are shares of all
    messages. `pr_auc` is average precision: no line is drawn between the points of the curve,
    which would flatter it (Davis and Goadrich 2006).
    """

    gold: int
    decided: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    false_positives: Estimate
    false_negatives: Estimate
    roc_auc: Estimate | None
    pr_auc: Estimate | None


class Bin(_Measured):
    """Messages whose top probability is in (`low`, `high`]: one bar of a reliability diagram.

    `confidence` is their mean top probability, `accuracy` how often the top class was right; both
    None where `count` is 0.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: Estimate | None


class Metrics(_Measured):
    """All measures of a classifier on `messages` messages.

    `precision`, `recall`, `f1`, `roc_auc` and `pr_auc` are plain means over the classes (macro),
    None where a class has none: a mean of the others would flatter the classifier. `brier` is the
    mean squared distance to the one-hot vector, in [0, 2]; with two classes it is half of that,
    the usual squared error of either probability, in [0, 1]. `calibration_error` is the expected
    one (Guo et al. 2017) of the top probability, in [0, 1]; both it and `bins` look at the most
    probable class, whatever the threshold. `confusion` counts messages, a row for each gold class
    and a column for each decision.
    """

    messages: int
    threshold: float | None
    accuracy: Estimate
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    brier: Estimate
    calibration_error: Estimate
    roc_auc: Estimate | None
    pr_auc: Estimate | None
    classes: dict[str, ClassMetrics]
    bins: tuple[Bin, ...]
    confusion: tuple[tuple[int, ...], ...]


MACRO = ("precision", "recall", "f1", "roc_auc", "pr_auc")
SINGLE = ("accuracy", "brier", "calibration_error")
BY_CLASS = (*MACRO, "false_positives", "false_negatives")


@dataclass(frozen=True)
class _Facts:
    """What each of n messages adds to the sums that the measures of k classes are made of."""

    probabilities: Array  # (n, k)
    gold: Array  # (n, k), one-hot
    decided: Array  # (n, k), one-hot
    squared: Array  # (n,), Brier
    confidence: Array  # (n,)
    right: Array  # (n,), whether the most probable class is gold
    bins: Array  # (n, BINS), one-hot


def decide(probabilities: Probabilities, threshold: float | None = None) -> NDArray[np.intp]:
    """Return the number of the class decided for each message: the most probable, first of equals.

    With a threshold, of two classes the first where its probability is at least the threshold.

    Raises:
        ValueError: a threshold with other than two classes.
    """
    if threshold is None:
        top: NDArray[np.intp] = probabilities.argmax(axis=1)
        return top
    if probabilities.shape[1] != 2:
        raise ValueError("a threshold needs two classes")
    return np.where(probabilities[:, 0] >= threshold, 0, 1)


def measure(
    gold: Labels,
    probabilities: Probabilities,
    names: Sequence[str],
    threshold: float | None = None,
    seed: int = 0,
) -> Metrics:
    """Compute all measures, each with its 95 % percentile bootstrap interval over messages.

    `gold` holds a number of `names` for each message; decisions are those of `decide`. A resample
    in which a measure is undefined does not count for its interval, and a macro mean there is over
    the classes that have one.

    Raises:
        ValueError: no messages, fewer than two classes, shapes, labels or names that do not match,
            rows that are no probabilities, or a threshold with other than two classes.
    """
    _check(gold, probabilities, names)
    decisions = decide(probabilities, threshold)
    facts = _facts(gold, probabilities.astype(np.float64), decisions)
    estimates = _estimates(facts, seed)
    classes = {
        name: {
            "gold": int((gold == i).sum()),
            "decided": int((decisions == i).sum()),
            **{measured: estimates[measured][i] for measured in BY_CLASS},
        }
        for i, name in enumerate(names)
    }
    return Metrics.model_validate(
        {
            "messages": len(gold),
            "threshold": threshold,
            **{name: estimates[name][0] for name in SINGLE},
            **{name: estimates[f"macro {name}"][0] for name in MACRO},
            "classes": classes,
            "bins": _bins(facts, estimates["reliability"]),
            "confusion": (facts.gold.T @ facts.decided).astype(int).tolist(),
        }
    )


def paired_difference(before: Sequence[bool], after: Sequence[bool], seed: int = 0) -> Estimate:
    """Estimate by how much more often one classifier is right than another on the same messages.

    A message that is won, lost or neither is all that a resample can draw, so their numbers are.
    """
    outcome = np.array(after, dtype=np.int64) - np.array(before, dtype=np.int64)
    count = len(outcome)
    won, lost = float((outcome > 0).mean()), float((outcome < 0).mean())
    drawn = np.random.default_rng(seed).multinomial(
        count, [won, lost, max(0.0, 1 - won - lost)], RESAMPLES
    )
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, INTERVAL)
    return Estimate(value=won - lost, low=float(low), high=float(high))


def _check(gold: Labels, probabilities: Probabilities, names: Sequence[str]) -> None:
    if not len(gold) or len(names) < 2:
        raise ValueError("metrics need messages and two classes or more")
    if probabilities.shape != (len(gold), len(names)) or len(set(names)) < len(names):
        raise ValueError("metrics need one row a message and one column a class, named apart")
    if gold.min() < 0 or gold.max() >= len(names):
        raise ValueError("a label is the number of no class")
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if not (probabilities >= 0).all() or not (abs(sums - 1) <= SUM_ERROR).all():
        raise ValueError("probabilities are not at least 0 with a sum of 1")


def _facts(gold: Labels, probabilities: Array, decisions: Labels) -> _Facts:
    one_hot = np.eye(probabilities.shape[1])
    squared = ((probabilities - one_hot[gold]) ** 2).sum(axis=1)
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, BINS + 1)[1:-1]
    return _Facts(
        probabilities=probabilities,
        gold=one_hot[gold],
        decided=one_hot[decisions],
        squared=squared / 2 if len(one_hot) == 2 else squared,
        confidence=confidence,
        right=(probabilities.argmax(axis=1) == gold).astype(np.float64),
        bins=np.eye(BINS)[np.digitize(confidence, edges, right=True)],
    )


def _estimates(facts: _Facts, seed: int) -> dict[str, list[Estimate | None]]:
    """Return each measure with its interval: one of it, one for each class, or for each bin."""
    count = len(facts.gold)
    values = _measures(np.ones((1, count)), facts)
    rng = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    block = max(1, min(RESAMPLES, CELLS // count))
    drawn = [
        _measures(rng.multinomial(count, even, min(block, RESAMPLES - start)), facts)
        for start in range(0, RESAMPLES, block)
    ]
    resampled = {name: np.concatenate([part[name] for part in drawn]) for name in values}
    for name in MACRO:
        values[f"macro {name}"] = values[name].mean(axis=1, keepdims=True)
        known = ~np.isnan(resampled[name])
        sums = np.where(known, resampled[name], 0).sum(axis=1, keepdims=True)
        resampled[f"macro {name}"] = _ratio(sums, known.sum(axis=1, keepdims=True))
    return {
        name: [
            _estimate(value, column)
            for value, column in zip(values[name][0], resampled[name].T, strict=True)
        ]
        for name in values
    }


def _estimate(value: float, resampled: Array) -> Estimate | None:
    if np.isnan(value):
        return None
    low, high = np.nanpercentile(resampled, INTERVAL)
    return Estimate(value=float(value), low=float(low), high=float(high))


def _measures(drawn: NDArray[np.integer[Any]] | Array, facts: _Facts) -> dict[str, Array]:
    """Compute all measures for r weightings (r, n) of the messages; NaN where one is undefined.

    Each has shape (r, 1), (r, k) where there is one for each class, or (r, BINS).
    """
    weights = drawn.astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    gold, decided = weights @ facts.gold, weights @ facts.decided
    hits = weights @ (facts.gold * facts.decided)
    off = weights @ (facts.bins * (facts.right - facts.confidence)[:, None])
    areas = [
        _areas(weights, probabilities, gold_ones > 0)
        for probabilities, gold_ones in zip(facts.probabilities.T, facts.gold.T, strict=True)
    ]
    return {
        "accuracy": hits.sum(axis=1, keepdims=True) / total,
        "brier": (weights @ facts.squared)[:, None] / total,
        "calibration_error": abs(off).sum(axis=1, keepdims=True) / total,
        "precision": _ratio(hits, decided),
        "recall": _ratio(hits, gold),
        "f1": _ratio(2 * hits, gold + decided),
        "false_positives": (decided - hits) / total,
        "false_negatives": (gold - hits) / total,
        "roc_auc": np.column_stack([roc for roc, _ in areas]),
        "pr_auc": np.column_stack([pr for _, pr in areas]),
        "reliability": _ratio(weights @ (facts.bins * facts.right[:, None]), weights @ facts.bins),
    }


def _areas(weights: Array, scores: Array, is_gold: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Compute the area under the ROC curve and the average precision of a class, by weighting.

    The first is the share of pairs of a gold and another message that are ranked rightly, ties
    counting half (Fawcett 2006); the second is the mean precision down to each gold message.

    Args:
        weights: (r, n).
        scores: (n,) probabilities of the class.
        is_gold: (n,) whether a message is of the class.
    """
    order = np.argsort(-scores, kind="stable")
    falling, gold = -scores[order], np.flatnonzero(is_gold[order])
    # How many messages are ranked higher than each gold one, and how many no lower: ties are equal.
    above = np.searchsorted(falling, falling[gold], side="left")
    upto = np.searchsorted(falling, falling[gold], side="right")
    ranked = weights[:, order]
    gold_ranked = ranked[:, gold]
    sums, gold_sums = _running(ranked), _running(gold_ranked)
    gold_above = gold_sums[:, np.searchsorted(gold, above)]
    gold_upto = gold_sums[:, np.searchsorted(gold, upto)]
    positives = gold_sums[:, -1]
    negatives = sums[:, -1] - positives
    wrong = ((sums[:, above] - gold_above) + (sums[:, upto] - gold_upto)) / 2
    roc = _ratio((gold_ranked * (negatives[:, None] - wrong)).sum(axis=1), positives * negatives)
    # A gold message that was not drawn has no weight, and may have nothing above it.
    upto_sums = sums[:, upto]
    precision = np.divide(gold_upto, upto_sums, out=np.zeros_like(upto_sums), where=upto_sums > 0)
    return roc, _ratio((gold_ranked * precision).sum(axis=1), positives)


def _running(weights: Array) -> Array:
    """Return the sums of the first 0, 1, ... columns."""
    return np.pad(np.cumsum(weights, axis=1), ((0, 0), (1, 0)))


def _ratio(parts: Array, wholes: NDArray[Any]) -> Array:
    """Divide parts by wholes; NaN where there is no whole."""
    ratio = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=ratio, where=wholes > 0)
    return ratio


def _bins(facts: _Facts, accuracies: Sequence[Estimate | None]) -> tuple[Bin, ...]:
    counts = facts.bins.sum(axis=0)
    confidences = _ratio(facts.confidence @ facts.bins, counts)
    edges = np.linspace(0, 1, BINS + 1).tolist()
    return tuple(
        Bin(
            low=edges[i],
            high=edges[i + 1],
            count=int(counts[i]),
            confidence=float(confidences[i]) if counts[i] else None,
            accuracy=accuracies[i],
        )
        for i in range(BINS)
    )
