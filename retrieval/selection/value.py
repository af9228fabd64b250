"""Educational value: a few ratings of an expert, carried over to all candidates by regression.

The regression is on the same hashed words and pairs as the selection's score.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from elenchus import results
from elenchus.errors import UserError
from retrieval.selection import hashing
from retrieval.selection.scoring import POWER, SIZE, Scorer, margins, sparse_rows

LEAST = 20  # ratings to learn from
NEAR = 0.2  # share of the candidates, of those that scored least, that are near the cut
FOLDS = 5
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # the one that predicts ratings left out best is taken
HIGHEST = 5.0
Rate = Callable[[Sequence[str]], list[float | None]]


class Ratings(results.Value):
    """What the expert's ratings came to.

    `correlation` is that of ratings with estimates that had not seen them (Pearson; None where all
    are equal).
    """

    asked: int
    used: int
    mean: float
    correlation: float | None


@dataclass(frozen=True)
class ValueModel:
    """Estimates educational values of 0 to 5; what the expert has rated keeps its rating."""

    scorer: Scorer
    rated: dict[str, float]

    def estimates(self, texts: Sequence[str]) -> list[float]:
        """Return the educational value of each text."""
        values = np.clip(margins(self.scorer, texts), 0.0, HIGHEST).tolist()
        return [self.rated.get(text, value) for text, value in zip(texts, values, strict=True)]


def learn(texts: Sequence[str], count: int, rate: Rate, seed: int) -> tuple[ValueModel, Ratings]:
    """Learn from ratings of `count` texts, which come best first: half of those near the cut.

    Raises:
        UserError: too few ratings can be used.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    asked = _drawn(texts, count, seed)
    pairs = [(t, v) for t, v in zip(asked, rate(asked), strict=True) if v is not None]
    if len(pairs) < LEAST:
        raise UserError(
            f"selection.ratings: {len(pairs)} of {len(asked)} ratings can be used, and learning "
            f"needs {LEAST}: ask for more, or set selection.ratings=0 for no such filter"
        )
    known = np.array([value for _, value in pairs])
    rows = sparse_rows(hashing.features([text for text, _ in pairs]))
    used = np.unique(rows.indices)
    rows, model = rows[:, used], RidgeCV(alphas=PENALTIES)
    folds = PredefinedSplit(np.arange(len(known)) % FOLDS)
    held_out = cross_val_predict(model, rows, known, cv=folds)
    varied = known.std() > 0 and held_out.std() > 0
    weights = np.zeros(SIZE, dtype=np.float32)
    weights[used] = model.fit(rows, known).coef_
    ratings = Ratings(
        asked=len(asked),
        used=len(pairs),
        mean=round(float(known.mean()), 3),
        correlation=round(float(np.corrcoef(known, held_out)[0, 1]), 3) if varied else None,
    )
    return ValueModel(Scorer(weights, POWER, -float(model.intercept_)), dict(pairs)), ratings


def _drawn(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Draw half of them from those that scored least, so that the filter is good near the cut."""
    rng = random.Random(f"ratings/{seed}")
    border = int(len(texts) * (1 - NEAR))
    near, above = list(texts[border:]), list(texts[:border])
    from_near = min(len(near), max(count // 2, count - len(above)))
    drawn = rng.sample(near, from_near) + rng.sample(above, min(len(above), count - from_near))
    return list(dict.fromkeys(drawn))
