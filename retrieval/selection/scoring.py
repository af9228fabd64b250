"""Scores of texts: how like the domain's a text is, by one table of weights.

`linear` adds two classifiers. One is logistic regression of the domain's text against the general
corpus, by stochastic gradient descent; the other the log ratios of hashed word and pair
frequencies, with the domain's smoothed towards the corpus's (a Dirichlet prior): it needs little
text to learn from. `dsir` has the features and weights of DSIR (arXiv 2302.03169), a token.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.selection import hashing
from retrieval.selection.hashing import Features, Floats

SIZE = 1 << hashing.BITS
# Chosen on privacy policies and on reports of attacks hidden in other text.
POWER = 0.75  # of the number of features, by which a sum is divided: between a mean and a sum
PRIOR = 10.0  # weight of the corpus's frequencies over the domain's: bounds what a word can say
RATIOS = 2.0  # weight of the log ratios beside the regression, both with deviation 1
PENALTY, EPOCHS = 3e-5, 10  # of the regression
BUCKETS, LEAST = 10_000, 1e-8  # as DSIR is published: features, and what is added to a share
FOLDS = 5
SHOWN = 4000  # characters of a text that are learnt from
Method = Literal["linear", "dsir"]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Scorer:
    """A text's margin: (sum of its features' weights) / (their number) ** power - shift.

    `weights` has shape (SIZE,). Margins of the general corpus have mean 0 and deviation 1, about.
    """

    weights: Floats
    power: float
    shift: float = 0.0

    def margins(self, texts: Sequence[str]) -> Doubles:
        """Return a margin for each text, (n,); a text without words has that of a sum of 0."""
        sums, words = hashing.sums(texts, self.weights)
        divisor: Doubles = np.maximum(2 * words - 1, 1.0) ** self.power
        margins: Doubles = sums / divisor - self.shift
        return margins


@dataclass(frozen=True)
class Ensemble:
    """The mean of scorers that have each not seen a part of the texts that were learnt from.

    The mean comes first in `weights` (1 + FOLDS, SIZE), `power` and `shift` (1 + FOLDS,), then the
    scorers. `seen` (k,), sorted, marks those texts: each is scored by the one scorer that has not
    seen it. So were the domain's texts: their margins are `held_out`.
    """

    weights: Floats
    power: Doubles
    shift: Doubles
    seen: NDArray[np.uint32]
    held_out: Doubles

    def margins(self, texts: Sequence[str]) -> Doubles:
        """Return a margin for each text, (n,)."""
        mean, *scorers = map(Scorer, self.weights, self.power.tolist(), self.shift.tolist())
        margins = mean.margins(texts)
        numbers = marks(texts)
        seen = np.isin(numbers, self.seen)
        for fold, scorer in enumerate(scorers):
            places = np.flatnonzero(seen & (numbers % FOLDS == fold))
            if len(places):
                margins[places] = scorer.margins([texts[n] for n in places.tolist()])
        return margins

    def save(self, path: Path) -> None:
        """Write what was learnt; the file is there when it is whole."""
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **vars(self))
        partial.replace(path)


def load(path: Path) -> Ensemble:
    """Read what was learnt."""
    with np.load(path) as arrays:
        return Ensemble(**arrays)


def train(method: Method, domain: Sequence[str], general: Sequence[str], seed: int) -> Ensemble:
    """Learn to tell texts of the domain from those of the general corpus.

    A text's fold comes from the text, so that all its copies are in one.
    """
    fit = {"linear": _linear, "dsir": _dsir}[method]
    domain_marks, general_marks = marks(domain), marks(general)
    held_out, scorers = np.empty(len(domain)), []
    for fold in range(FOLDS):
        inside, general_inside = domain_marks % FOLDS == fold, general_marks % FOLDS == fold
        scorer = fit(
            hashing.features(_beginnings(domain, ~inside)),
            hashing.features(_beginnings(general, ~general_inside)),
            seed,
        )
        scorer = _standard(scorer, _beginnings(general, general_inside) or general)
        scorers.append(scorer)
        held_out[inside] = margins(scorer, _beginnings(domain, inside))
    weights = np.stack([s.weights for s in scorers])
    shifts = np.array([s.shift for s in scorers])
    return Ensemble(
        np.stack([weights.mean(axis=0), *weights]),
        np.full(1 + FOLDS, scorers[0].power),
        np.array([shifts.mean(), *shifts]),
        np.unique([*domain_marks, *general_marks]),
        held_out,
    )


def margins(scorer: Scorer | Ensemble, texts: Sequence[str]) -> Doubles:
    """Return the margin of each text, (n,), without all hashes in memory at once."""
    batches = [scorer.margins(texts[n : n + 256]) for n in range(0, len(texts), 256)]
    return np.concatenate(batches) if batches else np.zeros(0)


def marks(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Return a number for each text, (n,), by what of it is learnt from; rarely another's."""
    checksums = (zlib.crc32(text[:SHOWN].encode("utf-8", "replace")) for text in texts)
    return np.fromiter(checksums, dtype=np.uint32, count=len(texts))


def dsir(domain: Features, general: Features) -> Floats:
    """Return DSIR's weights, (SIZE,): log ratios of shares, of features in `BUCKETS` buckets."""
    folded = [np.bincount(f.buckets % BUCKETS, minlength=BUCKETS) for f in (domain, general)]
    domain_share, general_share = (counts / max(1, counts.sum()) + LEAST for counts in folded)
    ratios = np.log(domain_share / general_share).astype(np.float32)
    weights: Floats = ratios[np.arange(SIZE) % BUCKETS]
    return weights


def sparse_rows(features: Features) -> Any:
    """Return a sparse row for each text, (n, SIZE), whose product with weights is its sum."""
    from scipy import sparse

    sizes = np.diff(features.starts)
    values = np.repeat(np.maximum(sizes, 1.0) ** -POWER, sizes)
    rows = sparse.csr_matrix((values, features.buckets, features.starts), shape=(len(sizes), SIZE))
    rows.sum_duplicates()
    return rows


def _beginnings(texts: Sequence[str], wanted: NDArray[np.bool_]) -> list[str]:
    """Return the wanted texts, as much of each as is learnt from."""
    return [text[:SHOWN] for text, inside in zip(texts, wanted, strict=True) if inside]


def _dsir(domain: Features, general: Features, seed: int) -> Scorer:
    return Scorer(dsir(domain, general), 1.0)


def _linear(domain: Features, general: Features, seed: int) -> Scorer:
    from scipy import sparse

    rows = sparse.vstack([sparse_rows(domain), sparse_rows(general)], format="csr")
    labels = np.repeat([1, 0], [len(domain.words), len(general.words)])
    parts = ((_ratios(domain, general), RATIOS), (_regression(rows, labels, seed), 1.0))
    weights = sum(
        share * part / max(float((rows @ part)[labels == 0].std()), 1e-9) for part, share in parts
    )
    return Scorer(np.asarray(weights, dtype=np.float32), POWER)


def _ratios(domain: Features, general: Features) -> Doubles:
    """Return logarithms of how much likelier a feature is in the domain, bounded by the prior."""
    counts, general_counts = (np.bincount(f.buckets, minlength=SIZE) for f in (domain, general))
    shares = (general_counts + 1) / (general_counts.sum() + SIZE)
    ratios: Doubles = np.log(counts / max(1, counts.sum()) / shares + PRIOR) - np.log(1 + PRIOR)
    return ratios


def _regression(rows: Any, labels: NDArray[np.int64], seed: int) -> Doubles:
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(
        loss="log_loss",
        alpha=PENALTY,
        class_weight="balanced",
        max_iter=EPOCHS,
        tol=None,
        average=True,
        random_state=seed,
    )
    weights: Doubles = model.fit(rows, labels).coef_[0]
    return weights


def _standard(scorer: Scorer, texts: Sequence[str]) -> Scorer:
    """Return the scorer with mean 0 and deviation 1 on texts of the corpus that it has not seen."""
    unseen = margins(scorer, texts)
    mean, deviation = float(unseen.mean()), max(float(unseen.std()), 1e-9)
    weights = (scorer.weights / deviation).astype(np.float32)
    return Scorer(weights, scorer.power, mean / deviation)
