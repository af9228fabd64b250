"""What a margin is worth: an estimate of the probability that a text is of the domain.

There are texts of the domain, and those of the corpus, of which nobody knows which are of the
domain. The estimate assumes that the domain's texts are drawn from those that the corpus hides as
if at random, and that some margin is reached by hardly any other text.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST, WIDTH = -20.0, 60.0, 0.01  # of margins; what lies beyond counts as the end
BINS = round((HIGHEST - LOWEST) / WIDTH)
TINY = 1e-12
DOUBT, SLACK = 0.1, 0.01  # delta and gamma of best bin estimation
Doubles = NDArray[np.float64]
Histogram = NDArray[np.int64]


@dataclass(frozen=True)
class Precision:
    """`share` of the corpus is text of the domain; `scores` (BINS,) is the probability by bin.

    `counts` (BINS,) are the corpus's texts, `tokens` (BINS,) their tokens.
    """

    share: float
    scores: Doubles
    counts: Histogram
    tokens: Histogram

    def score(self, margins: Doubles) -> Doubles:
        """Return the estimated probability for each margin."""
        return self.scores[bins(margins)]

    def from_bin_on(self) -> Doubles:
        """Return the estimated share of domain text from each bin on; 0 where no text is left."""
        share: Doubles = _from_bin_on(self.scores * self.counts) / np.maximum(
            _from_bin_on(self.counts), 1
        )
        return share

    def cut(self, least: float, tokens: int | None) -> int:
        """Return the lowest bin from which on text is precise enough and at most `tokens`.

        The bin that the budget ends in is in. `BINS` where nothing is precise enough.
        """
        precise = np.flatnonzero((self.from_bin_on() >= least) & (self.counts > 0))
        lowest = int(precise[0]) if len(precise) else BINS
        if tokens is None:
            return lowest
        full = np.flatnonzero(_from_bin_on(self.tokens) >= tokens)
        return max(lowest, int(full[-1])) if len(full) else lowest


def bins(margins: Doubles) -> NDArray[np.intp]:
    """Return the bin of each margin."""
    places = np.floor((margins - LOWEST) / WIDTH).astype(np.intp)
    return np.clip(places, 0, BINS - 1)


def estimate(domain: Doubles, counts: Histogram, tokens: Histogram) -> Precision:
    """Estimate from margins of domain texts held out, and from the corpus's texts by bin."""
    from sklearn.isotonic import IsotonicRegression

    domain_density = np.bincount(bins(domain), minlength=BINS) / len(domain)
    size = max(1, int(counts.sum()))
    corpus_density = counts / size
    share = _share(domain_density, corpus_density, len(domain), size)
    rising = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    places = np.tile(np.arange(BINS), 2)
    labels, weights = np.repeat([1.0, 0.0], BINS), np.r_[domain_density, corpus_density]
    seen = weights > 0
    rising.fit(places[seen], labels[seen], sample_weight=weights[seen])
    of_domain = rising.predict(np.arange(BINS))
    ratio = of_domain / np.maximum(1 - of_domain, TINY)  # of densities, since both weigh 1
    return Precision(share, np.minimum(share * ratio, 1.0), counts, tokens)


def _share(domain: Doubles, corpus: Doubles, texts: int, size: int) -> float:
    """Estimate the share of domain text in the corpus by best bin estimation (arXiv 2111.00980).

    It is what of the corpus lies above a margin over what of the domain does, where that is least
    with doubt allowed for.
    """
    domain_above, corpus_above = _from_bin_on(domain), _from_bin_on(corpus)
    doubt = sum(np.sqrt(np.log(4 / DOUBT) / (2 * count)) for count in (texts, size))
    seen = domain_above > 0
    ratios = corpus_above[seen] / domain_above[seen]
    best = int(np.argmin(ratios + (1 + SLACK) * doubt / domain_above[seen]))
    return float(min(1.0, ratios[best]))


def _from_bin_on(values: NDArray[np.number]) -> NDArray[np.number]:
    """Return the sum of the values from each bin on, (BINS,)."""
    sums: NDArray[np.number] = np.cumsum(values[::-1])[::-1]
    return sums
