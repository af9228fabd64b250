"""Figures of random answers, beside those of scikit-learn: see `benchmarks/evaluation.py`."""

import argparse
import math
import warnings
from collections.abc import Iterator
from importlib import util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.errors import UserError
from evaluation import figures
from evaluation.figures import Answered

ROUNDING = 1e-9  # differences up to here are no differences
TABLES, QUICK_TABLES = 200, 10
ITEMS, LABELS = (1, 400), (2, 6)  # least and most of a table
BINS = 15

Likelihoods = NDArray[np.float64]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the largest differences on tables of random answers.

    Raises:
        UserError: scikit-learn is missing.
    """
    if util.find_spec("sklearn") is None:
        raise UserError("this needs scikit-learn: pip install -e '.[train]'")
    count = QUICK_TABLES if options.quick else TABLES
    largest: dict[str, float] = {}
    for number in range(count):
        gold, likelihoods = _table(np.random.default_rng(number))
        for name, difference in _differences(gold, likelihoods):
            largest[name] = max(largest.get(name, 0.0), float(difference))
    over = [name for name, difference in largest.items() if difference > ROUNDING]
    return {
        "tables": count,
        "by_measure": largest,
        "largest_difference": max(largest.values()),
        "under_target": over,
    }


def _table(rng: np.random.Generator) -> tuple[NDArray[np.int64], Likelihoods]:
    """Draw the right labels of some items, and log-likelihoods of all labels that lean to them."""
    items, labels = (int(rng.integers(low, high + 1)) for low, high in (ITEMS, LABELS))
    gold = rng.integers(labels, size=items)
    likelihoods = rng.normal(-5, 2, size=(items, labels))
    likelihoods[np.arange(items), gold] += rng.uniform(0, 3)
    return gold, likelihoods


def _differences(gold: NDArray[np.int64], likelihoods: Likelihoods) -> Iterator[tuple[str, float]]:
    """Yield how far each of our measures is from the other program's."""
    from scipy import special
    from sklearn import metrics as theirs

    labels = [f"label {n}" for n in range(likelihoods.shape[1])]
    right, top = [labels[n] for n in gold], likelihoods.argmax(axis=1)
    given = [labels[n] for n in top]
    shares = special.softmax(likelihoods, axis=1)
    rows = zip(right, given, likelihoods.tolist(), strict=True)
    answers = [Answered(a, b, a == b, tuple(c)) for a, b, c in rows]
    ours = figures.sitting(answers, labels)
    assert ours.balanced is not None and ours.f1 is not None
    assert ours.brier is not None and ours.calibration_error is not None
    yield "accuracy", abs(ours.accuracy.value - theirs.accuracy_score(right, given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that are given and never right
        balanced = theirs.balanced_accuracy_score(right, given)
    yield "balanced accuracy", abs(ours.balanced.value - balanced)
    f1 = theirs.f1_score(right, given, labels=labels, average="macro", zero_division=0)
    yield "F1", abs(ours.f1 - f1)
    yield "Brier score", abs(ours.brier - _brier(gold, shares))
    yield from _calibration(ours, (top == gold).astype(float), shares.max(axis=1))
    yield "McNemar's p", _mcnemar(answers)


def _brier(gold: NDArray[np.int64], shares: Likelihoods) -> float:
    from sklearn.metrics import brier_score_loss

    if shares.shape[1] == 2:
        return float(brier_score_loss(gold, shares[:, 1], pos_label=1))
    one_hot = np.eye(shares.shape[1])[gold]
    # Over labels, each against all others: their sum is the squared distance.
    return sum(
        float(brier_score_loss(column, share, pos_label=1))
        for column, share in zip(one_hot.T, shares.T, strict=True)
    )


def _calibration(ours: Any, right: Likelihoods, top: Likelihoods) -> Iterator[tuple[str, float]]:
    from sklearn.calibration import calibration_curve

    accuracies, confidences = calibration_curve(right, top, n_bins=BINS)
    filled = [one for one in ours.reliability if one.count]
    both = zip(filled, accuracies, confidences, strict=True)
    apart = [max(abs(one.accuracy - a), abs(one.confidence - c)) for one, a, c in both]
    yield "reliability", max(apart)
    weights = [one.count / len(top) for one in filled]
    error = sum(w * abs(a - c) for w, a, c in zip(weights, accuracies, confidences, strict=True))
    yield "calibration error", abs(ours.calibration_error - error)


def _mcnemar(answers: list[Answered]) -> float:
    """Compare with the sum of binomial probabilities no larger than that of what was seen."""
    others = [*answers[1:], answers[0]]
    compared = figures.compared(answers, others)
    won, lost = int(str(compared["won"])), int(str(compared["lost"]))
    changed = won + lost
    tail = sum(math.comb(changed, n) for n in range(min(won, lost) + 1)) / 2**changed
    return float(abs(figures.mcnemar(won, lost) - min(1.0, 2 * tail)))
