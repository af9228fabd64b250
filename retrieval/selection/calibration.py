"""What a margin is worth: an estimate of the probability that a text is of the domain.

There are texts of the domain, and those of the corpus, of which nobody knows which are of the
domain. What is estimated assumes that the domain's texts are drawn from those that the corpus hides
as if at random, and that some margin is reached by hardly any other text.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST, WIDTH = -20.0, 60.0, 0.01  # of margins; what lies beyond counts as the end
BINS = round((HIGHEST - LOWEST) / WIDTH)
TINY = 1e-12
DOUBT, SLACK = 0.1, 0.01  # delta and gamma of best bin estimation
Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """`share` of the corpus is text of the domain; `scores` (BINS,) is the probability by bin.

    `counts` (BINS,) are the corpus's texts, `tokens` (BINS,) their tokens.
    """

    share: float
    scores: Doubles
    counts: Counts
    tokens: Counts

    def score(self, margins: Doubles) -> Doubles:
        """The estimated probability for each margin."""
        return self.scores[bins(margins)]

    def precision(self) -> Doubles:
        """For each bin, the estimated share of domain text from it on; 0 where no text is left."""
        above = np.cumsum((self.scores * self.counts)[::-1])[::-1]
        found: Doubles = above / np.maximum(np.cumsum(self.counts[::-1])[::-1], 1)
        return found

    def cut(self, precision: float, tokens: int | None) -> int:
        """The lowest bin from which on text is precise enough and not more than `tokens`.

        The budget's own bin is in. `BINS` where nothing is precise enough.
        """
        precise = np.flatnonzero((self.precision() >= precision) & (self.counts > 0))
        lowest = int(precise[0]) if len(precise) else BINS
        if tokens is None:
            return lowest
        kept = np.cumsum(self.tokens[::-1])[::-1]
        full = np.flatnonzero(kept >= tokens)
        return max(lowest, int(full[-1])) if len(full) else lowest


def bins(margins: Doubles) -> NDArray[np.intp]:
    """The bin of each margin."""
    found = np.floor((margins - LOWEST) / WIDTH).astype(np.intp)
    return np.clip(found, 0, BINS - 1)


def calibrated(domain: Doubles, counts: Counts, tokens: Counts) -> Calibration:
    """Calibrate by margins of domain texts held out, and the histogram of the corpus's."""
    from sklearn.isotonic import IsotonicRegression

    own = np.bincount(bins(domain), minlength=BINS) / len(domain)
    whole = max(1, int(counts.sum()))
    corpus = counts / whole
    share = _share(own, corpus, len(domain), whole)
    rising = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    places = np.tile(np.arange(BINS), 2)
    labels, weights = np.repeat([1.0, 0.0], BINS), np.concatenate([own, corpus])
    some = weights > 0
    rising.fit(places[some], labels[some], sample_weight=weights[some])
    of_domain = rising.predict(np.arange(BINS))
    ratio = of_domain / np.maximum(1 - of_domain, TINY)  # of densities, since both weigh 1
    return Calibration(share, np.minimum(share * ratio, 1.0), counts, tokens)


def _share(own: Doubles, corpus: Doubles, texts: int, whole: int) -> float:
    """The share of domain text in the corpus: what of the corpus lies above a margin over what of
    the domain does, where that is least with doubt allowed for (best bin estimation,
    arXiv 2111.00980)."""
    own_above, corpus_above = (np.cumsum(part[::-1])[::-1] for part in (own, corpus))
    doubt = sum(np.sqrt(np.log(4 / DOUBT) / (2 * count)) for count in (texts, whole))
    some = own_above > 0
    ratios = corpus_above[some] / own_above[some]
    best = int(np.argmin(ratios + (1 + SLACK) * doubt / own_above[some]))
    return float(min(1.0, ratios[best]))
