"""Figures of answers to labelled questions, of one model and of two on the same items.

Measures agree with scikit-learn's: `elenchus bench evaluation --only figures`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from elenchus.results import Estimate, ReliabilityBin, TestSitting
from training import evaluation, metrics

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percentiles of the resamples
Array = NDArray[np.float64]


class Answered(NamedTuple):
    """The answer to one item.

    Attributes:
        gold: the right answer.
        given: the label that was given; "" for none of them.
        right: whether it is right.
        likelihoods: sums of log-likelihoods, one a label; () where labels were not weighed.
    """

    gold: str
    given: str
    right: bool
    likelihoods: tuple[float, ...] = ()


def sitting(answers: Sequence[Answered], labels: Sequence[str]) -> TestSitting:
    """Return all measures of one model's answers.

    Args:
        answers: to one item or more.
        labels: what there is to choose from; none where answers are free.
    """
    taken = TestSitting(accuracy=evaluation.mean([float(one.right) for one in answers]))
    if not labels:
        return taken
    gold, given = [one.gold for one in answers], [one.given for one in answers]
    found = taken.model_copy(
        update={
            "balanced": balanced(gold, given),
            "f1": f1(gold, given, labels),
            "given": dict(Counter(given).most_common()),
        }
    )
    if not all(one.likelihoods for one in answers):
        return found
    return found.model_copy(update=_of_probabilities(answers, labels))


def compared(first: Sequence[Answered], other: Sequence[Answered]) -> dict[str, object]:
    """Return `gain`, `won`, `lost` and `p` of a model against the first, on the same items."""
    one, two = [a.right for a in first], [a.right for a in other]
    won = sum(b and not a for a, b in zip(one, two, strict=True))
    lost = sum(a and not b for a, b in zip(one, two, strict=True))
    return {
        "gain": evaluation.change([float(a) for a in one], [float(b) for b in two]),
        "won": won,
        "lost": lost,
        "p": mcnemar(won, lost),
    }


def mcnemar(won: int, lost: int) -> float:
    """Return the exact two-sided p of McNemar's test, by the items that one alone has right."""
    changed = won + lost
    return float(stats.binomtest(won, changed, 0.5).pvalue) if changed else 1.0


def chance(gold: Sequence[str]) -> float:
    """Return the share right of who always gives the commonest right answer."""
    return max(Counter(gold).values()) / len(gold)


def balanced(gold: Sequence[str], given: Sequence[str]) -> Estimate:
    """Estimate the mean share right over the labels that are right somewhere.

    Its interval is a percentile bootstrap over items; a label that a resample lacks does not count
    in it.
    """
    names = sorted(set(gold))
    of_label = np.array([[one == name for name in names] for one in gold], dtype=float)
    right = np.array([a == b for a, b in zip(gold, given, strict=True)], dtype=float)
    count = len(gold)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    value = _mean_recall(np.ones((1, count)), of_label, right)[0]
    low, high = np.percentile(_mean_recall(drawn.astype(float), of_label, right), INTERVAL)
    return Estimate(value=float(value), low=float(low), high=float(high))


def f1(gold: Sequence[str], given: Sequence[str], labels: Sequence[str]) -> float:
    """Return the plain mean of the labels' F1; 0 for a label neither right nor given anywhere."""
    hits = Counter(a for a, b in zip(gold, given, strict=True) if a == b)
    both = Counter(gold) + Counter(given)
    return sum(2 * hits[name] / both[name] if both[name] else 0.0 for name in labels) / len(labels)


def probabilities(likelihoods: Sequence[Sequence[float]]) -> Array:
    """Return the softmax of log-likelihoods: of shape (items, labels)."""
    sums = np.array(likelihoods, dtype=float)
    odds = np.exp(sums - sums.max(axis=1, keepdims=True))
    shares: Array = odds / odds.sum(axis=1, keepdims=True)
    return shares


def by_bytes(likelihoods: Sequence[Sequence[float]], labels: Sequence[str]) -> list[int]:
    """Return the place of the label likeliest by byte of its text, for each item."""
    sizes = np.array([len(label.encode()) for label in labels], dtype=float)
    return [int(place) for place in (np.array(likelihoods, dtype=float) / sizes).argmax(axis=1)]


def _mean_recall(weights: Array, of_label: Array, right: Array) -> Array:
    """Return the mean share right over labels, for weightings of shape (resamples, items)."""
    there, hits = weights @ of_label, weights @ (of_label * right[:, None])
    shares = np.divide(hits, there, out=np.zeros_like(hits), where=there > 0)
    means: Array = shares.sum(axis=1) / (there > 0).sum(axis=1)
    return means


def _of_probabilities(answers: Sequence[Answered], labels: Sequence[str]) -> dict[str, object]:
    """Return the measures of how sure the model was."""
    sums = [one.likelihoods for one in answers]
    places = np.array([labels.index(one.gold) for one in answers])
    measured = metrics.measure(places, probabilities(sums), labels)
    shorter = by_bytes(sums, labels)
    return {
        "by_bytes": float((places == np.array(shorter)).mean()),
        "brier": measured.brier.value,
        "calibration_error": measured.calibration_error.value,
        "reliability": [
            ReliabilityBin(
                low=one.low,
                high=one.high,
                count=one.count,
                confidence=one.confidence,
                accuracy=one.accuracy.value if one.accuracy else None,
            )
            for one in measured.bins
        ],
    }
