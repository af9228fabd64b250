"""Calibrates classifiers by validation messages: a temperature, a threshold; and weighs classes."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from training.encoding import IGNORED
from training.objectives import Loss

# Few messages, all classified rightly, would have the logits grow without end: they are doubled at
# most.
TEMPERATURES = (0.5, 20.0)
EVEN = 0.5  # threshold between two classes where validation messages decide nothing


def log_loss(logits: NDArray[np.float64], truth: NDArray[np.int64], temperature: float) -> float:
    """Return the mean negative log-likelihood, in nats, of the true classes.

    Args:
        logits: (n, classes).
        truth: (n,) places of the true classes.
    """
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].mean())


def temperature(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Find the divisor of logits with the least log-loss (Guo et al. 2017, arXiv 1706.04599, 4.2).

    It lies within `TEMPERATURES`, and is 1 without messages or where nothing else is better.

    Args:
        logits: (n, classes), of validation messages.
        truth: (n,) places of the true classes.
    """
    if not len(truth):
        return 1.0
    # The loss has a single minimum in the temperature, so also in its logarithm.
    optimum = minimize_scalar(
        lambda log: log_loss(logits, truth, float(np.exp(log))),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    best = float(np.exp(optimum.x))
    return best if log_loss(logits, truth, best) < log_loss(logits, truth, 1.0) else 1.0


def threshold(
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    measure: Literal["accuracy", "f1"],
) -> float:
    """Find the least probability of the first of two classes from which it is decided for.

    It is best among all cuts for the accuracy, or the F1 of the first class; of cuts that are
    equally good, the one nearest to `EVEN`. Cuts lie midway between neighbouring probabilities.

    Args:
        probabilities: (n, 2), of validation messages.
        truth: (n,) places of the true classes.
    """
    first = probabilities[:, 0]
    cuts = _cuts(first)
    positive = np.sort(first[truth == 0])
    decided = len(first) - np.searchsorted(np.sort(first), cuts)
    right = len(positive) - np.searchsorted(positive, cuts)
    if measure == "f1":
        score = 2 * right / np.maximum(decided + len(positive), 1)
    else:
        score = right + (len(first) - len(positive)) - (decided - right)
    best = cuts[score == score.max()]
    return float(best[np.abs(best - EVEN).argmin()])


def _cuts(first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a threshold for each way to cut: below all, between any two, above all; and `EVEN`."""
    values = np.unique(first)
    above = (values + np.append(values[1:], 1.0)) / 2 if len(values) else values
    # Midway between neighbouring floats, or above 1, can be the lower one again.
    return np.concatenate([[0.0, EVEN], np.maximum(above, np.nextafter(values, np.inf))])


def class_weights(truth: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return (classes,) weights by inverse frequency; their mean over the messages is 1.

    Raises:
        ValueError: a class has no message.
    """
    counts = np.bincount(truth, minlength=classes)
    if not counts.all():
        raise ValueError(f"class {counts.argmin()} of {classes} has no message to learn from")
    return len(truth) / (classes * counts)


def weighted_loss(weights: NDArray[np.float64]) -> Loss:
    """Make the cross entropy of a classifier on a batch, with `weights` from `class_weights`.

    The mean is over messages, not over their weights, which cancel out in a batch of one class.
    """

    def loss(model: Any, batch: dict[str, Any]) -> Sequence[tuple[Any, Any]]:
        import torch

        labels = batch.pop("labels")
        logits = model(**batch)["logits"]
        by_class = torch.tensor(weights, dtype=logits.dtype, device=logits.device)
        summed = torch.nn.functional.cross_entropy(logits, labels, by_class, reduction="sum")
        return [(summed, (labels != IGNORED).sum())]

    return loss
