"""Educational value: a few ratings of an expert, carried over to all candidates by regression.

The regression is on the same hashed words and pairs as the selection's own score.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elenchus.errors import UserError
from retrieval.selection import hashing
from retrieval.selection.hashing import Floats
from retrieval.selection.scoring import POWER, SIZE, Doubles, Scorer, sparse_rows

LEAST = 20  # ratings to learn from
NEAR = 0.2  # share of the candidates, of those that scored least, that are near the cut
FOLDS = 5
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # the one that predicts ratings left out best is taken
HIGHEST = 5.0
Rate = Callable[[Sequence[str]], list[float | None]]


@dataclass(frozen=True)
class Value:
    """Estimates educational values of 0 to 5; what the expert has rated keeps its rating."""

    scorer: Scorer
    rated: dict[str, float]

    def of(self, texts: Sequence[str]) -> list[float]:
        batches = (texts[n : n + 256] for n in range(0, len(texts), 256))
        found = [m for batch in batches for m in self.scorer.margins(batch)]
        return [
            self.rated.get(text, float(np.clip(m, 0.0, HIGHEST)))
            for text, m in zip(texts, found, strict=True)
        ]


def learnt(texts: Sequence[str], count: int, rate: Rate, seed: int) -> tuple[Value, dict[str, Any]]:
    """Learn from ratings of `count` texts, best scores first: half of those near the cut.

    Returns also what a report tells: how many were `asked` and `used`, their `mean`, and the
    `correlation` of ratings with estimates that had not seen them (Pearson; None where all are
    equal).

    Raises:
        UserError: too few ratings can be used.
    """
    asked = _drawn(texts, count, seed)
    values = rate(asked)
    pairs = [(t, v) for t, v in zip(asked, values, strict=True) if v is not None]
    if len(pairs) < LEAST:
        raise UserError(
            f"selection.ratings: {len(pairs)} of {len(asked)} ratings can be used, and learning "
            f"needs {LEAST}: ask for more, or set selection.ratings=0 for no such filter"
        )
    rated = [t for t, _ in pairs]
    known = np.array([v for _, v in pairs])
    features = hashing.features(rated)
    rows = sparse_rows(features)
    held_out, folds = np.empty(len(known)), np.arange(len(known)) % FOLDS
    for fold in range(FOLDS):
        weights, shift = _fitted(rows[folds != fold], known[folds != fold])
        held_out[folds == fold] = rows[folds == fold] @ weights - shift
    weights, shift = _fitted(rows, known)
    varied = known.std() > 0 and held_out.std() > 0
    correlation = float(np.corrcoef(known, held_out)[0, 1]) if varied else None
    told = {
        "asked": len(asked),
        "used": len(pairs),
        "mean": round(float(known.mean()), 3),
        "correlation": None if correlation is None else round(correlation, 3),
    }
    return Value(Scorer(weights, POWER, shift), dict(pairs)), told


def _fitted(rows: Any, known: Doubles) -> tuple[Floats, float]:
    """Weights (SIZE,) and what is taken from a sum of them, by ridge regression."""
    from sklearn.linear_model import RidgeCV

    used = np.unique(rows.indices)
    model = RidgeCV(alphas=PENALTIES).fit(rows[:, used], known)
    weights = np.zeros(SIZE, dtype=np.float32)
    weights[used] = model.coef_
    return weights, -float(model.intercept_)


def _drawn(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Half of them from those that scored least, so that the filter is good where it matters."""
    rng = random.Random(f"ratings/{seed}")
    border = int(len(texts) * (1 - NEAR))
    near, above = list(texts[border:]), list(texts[:border])
    from_near = min(len(near), max(count // 2, count - len(above)))
    drawn = rng.sample(near, from_near) + rng.sample(above, min(len(above), count - from_near))
    return list(dict.fromkeys(drawn))
