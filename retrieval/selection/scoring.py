"""Scores of texts: how like the domain's own a text is, by one table of weights.

`linear` adds two classifiers. One is logistic regression of the domain's text against the general
corpus, by stochastic gradient descent; the other the log ratios of hashed word and pair
frequencies, with the domain's smoothed towards the corpus's (a Dirichlet prior): it needs little
text to learn from. `dsir` has the features and weights of DSIR (arXiv 2302.03169), a token.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.selection import hashing
from retrieval.selection.hashing import Features, Floats

SIZE = 1 << hashing.BITS
# Chosen on privacy policies and on reports of attacks hidden in other text.
POWER = 0.75  # of the number of features, by which a sum is divided: between a mean and a sum
PRIOR = 10.0  # weight of the corpus's frequencies over the domain's own: bounds what a word can say
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
        """A margin for each text, (n,); a text without words has that of a sum of 0."""
        sums, words = hashing.sums(texts, self.weights)
        divisor: Doubles = np.maximum(2 * words - 1, 1.0) ** self.power
        found: Doubles = sums / divisor - self.shift
        return found


@dataclass(frozen=True)
class Ensemble:
    """The mean of scorers that have each not seen a part of the texts that were learnt from.

    `seen` (k,), sorted, marks those texts: each is judged by the one scorer that has not seen it.
    """

    mean: Scorer
    folds: tuple[Scorer, ...]
    seen: NDArray[np.uint32]

    def margins(self, texts: Sequence[str]) -> Doubles:
        """A margin for each text, (n,)."""
        found = self.mean.margins(texts)
        own = marks(texts)
        known = np.isin(own, self.seen)
        for fold, scorer in enumerate(self.folds):
            places = np.flatnonzero(known & (own % FOLDS == fold))
            if len(places):
                found[places] = scorer.margins([texts[n] for n in places.tolist()])
        return found


class Trained(NamedTuple):
    """A scorer, and the margins of the domain's texts by scorers that had not seen them."""

    scorer: Ensemble
    held_out: Doubles


def trained(method: Method, domain: Sequence[str], general: Sequence[str], seed: int) -> Trained:
    """Learn to tell texts of the domain from those of the general corpus.

    A text's fold comes from the text, so that all its copies are in one.
    """
    own, other = marks(domain), marks(general)
    held_out, scorers = np.empty(len(domain)), []
    for fold in range(FOLDS):
        mine, unseen = own % FOLDS == fold, other % FOLDS == fold
        scorer = _fitted(
            method,
            hashing.features(_those(domain, ~mine)),
            hashing.features(_those(general, ~unseen)),
            seed,
        )
        rest = _those(general, unseen) or general
        scorer = _standard(scorer, margins(scorer, rest))
        scorers.append(scorer)
        held_out[mine] = margins(scorer, _those(domain, mine))
    weights = np.stack([s.weights for s in scorers]).mean(axis=0)
    mean = Scorer(weights, scorers[0].power, float(np.mean([s.shift for s in scorers])))
    return Trained(Ensemble(mean, tuple(scorers), np.unique([*own, *other])), held_out)


def _those(texts: Sequence[str], which: NDArray[np.bool_]) -> list[str]:
    """Some of the texts, as much of each as is learnt from."""
    return [text[:SHOWN] for text, wanted in zip(texts, which, strict=True) if wanted]


def marks(texts: Sequence[str]) -> NDArray[np.uint32]:
    """A number for each text, (n,), by what of it is learnt from; rarely the same for others."""
    found = (zlib.crc32(text[:SHOWN].encode("utf-8", "replace")) for text in texts)
    return np.fromiter(found, dtype=np.uint32, count=len(texts))


def dsir(domain: Features, general: Features) -> Floats:
    """DSIR's weights: log ratios of shares, of features in `BUCKETS` buckets."""
    folded = [np.bincount(f.buckets % BUCKETS, minlength=BUCKETS) for f in (domain, general)]
    own, other = (counts / max(1, counts.sum()) + LEAST for counts in folded)
    weights: Floats = np.log(own / other).astype(np.float32)[np.arange(SIZE) % BUCKETS]
    return weights


def _fitted(method: Method, domain: Features, general: Features, seed: int) -> Scorer:
    if method == "dsir":
        return Scorer(dsir(domain, general), 1.0)
    from scipy import sparse

    rows = sparse.vstack([sparse_rows(domain), sparse_rows(general)], format="csr")
    labels = np.repeat([1, 0], [len(domain.words), len(general.words)])
    parts = ((_ratios(domain, general), RATIOS), (_regression(rows, labels, seed), 1.0))
    weights = sum(
        share * part / max(float((rows @ part)[labels == 0].std()), 1e-9) for part, share in parts
    )
    return Scorer(np.asarray(weights, dtype=np.float32), POWER)


def _ratios(domain: Features, general: Features) -> Doubles:
    """How much more likely a feature is in the domain, in logarithms; bounded by the prior."""
    own, other = (np.bincount(f.buckets, minlength=SIZE) for f in (domain, general))
    shares = (other + 1) / (other.sum() + SIZE)
    found: Doubles = np.log(own / max(1, own.sum()) / shares + PRIOR) - np.log(1 + PRIOR)
    return found


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


def sparse_rows(features: Features) -> Any:
    """A sparse row for each text, (n, SIZE), whose product with weights is a scorer's sum."""
    from scipy import sparse

    sizes = np.diff(features.starts)
    values = np.repeat(np.maximum(sizes, 1.0) ** -POWER, sizes)
    rows = sparse.csr_matrix((values, features.buckets, features.starts), shape=(len(sizes), SIZE))
    rows.sum_duplicates()
    return rows


def _standard(scorer: Scorer, margins: Doubles) -> Scorer:
    """The scorer with mean 0 and deviation 1 on texts of the corpus that it has not seen."""
    mean, deviation = float(margins.mean()), max(float(margins.std()), 1e-9)
    weights = (scorer.weights / deviation).astype(np.float32)
    return Scorer(weights, scorer.power, mean / deviation)


def margins(scorer: Scorer | Ensemble, texts: Sequence[str]) -> Doubles:
    """The margin of each text, (n,), without all hashes in memory at once."""
    batches = [scorer.margins(texts[n : n + 256]) for n in range(0, len(texts), 256)]
    return np.concatenate(batches) if batches else np.zeros(0)
