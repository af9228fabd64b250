"""Measures of how varied texts are: distinct n-grams, and how much texts repeat one another."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

SAMPLE = 200  # texts that Self-BLEU compares
ORDERS = 4  # of n-grams, in BLEU-4
SMALL = 0.1  # counts for no match of an order
WORD = re.compile(r"\w+|[^\w\s]")  # a word or a sign

Gram = tuple[str, ...]


def distinct(texts: Sequence[str], n: int) -> float | None:
    """Return distinct-n (Li et al. 2016, arXiv 1510.03055): different n-grams over all n-grams.

    Words and signs count, in lower case. In (0, 1]; falls as texts get more, so only sets of like
    size compare. None where no text has n words.
    """
    grams = [gram for text in texts for gram in _grams(_words(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts: Sequence[str], sample: int = SAMPLE, seed: int = 0) -> float | None:
    """Return Self-BLEU-4 (Zhu et al. 2018, arXiv 1802.01886): 1 where all texts are the same.

    The mean BLEU of each text with all others as references, among `sample` of the texts drawn by
    `seed`. An order without a match counts as a tenth of one (method 1 of Chen and Cherry 2014),
    and a text of fewer than four words is measured up to its own length. None where fewer than
    two texts have words.
    """
    words = [of_text for of_text in map(_words, texts) if of_text]
    if len(words) > sample:
        drawn = np.random.default_rng(seed).choice(len(words), sample, replace=False)
        words = [words[i] for i in drawn]
    if len(words) < 2:
        return None
    precisions = [_log_precisions(words, n) for n in range(1, ORDERS + 1)]
    lengths = [len(text) for text in words]
    scores = []
    for i, length in enumerate(lengths):
        logs = [precision[i] for precision in precisions[:length]]
        references = lengths[:i] + lengths[i + 1 :]
        closest = min(references, key=lambda other: (abs(other - length), other))
        scores.append(math.exp(sum(logs) / len(logs) + min(0.0, 1 - closest / length)))
    return sum(scores) / len(scores)


def _log_precisions(words: Sequence[Sequence[str]], n: int) -> list[float]:
    """Return the logarithm of each text's clipped n-gram precision against all others."""
    counts = [Counter(_grams(text, n)) for text in words]
    # The most that others have of an n-gram, clipped at a text's own count, is the second largest
    # of all counts, clipped: the largest is either its own or another's that is no smaller.
    largest: Counter[Gram] = Counter()
    second: Counter[Gram] = Counter()
    for of_text in counts:
        for gram, count in of_text.items():
            second[gram] = max(second[gram], min(count, largest[gram]))
            largest[gram] = max(largest[gram], count)
    return [_log_precision((of_text & second).total(), of_text.total(), n) for of_text in counts]


def _log_precision(matches: int, total: int, n: int) -> float:
    if not matches and n == 1:
        return -math.inf  # a text that shares no word is worth nothing
    return math.log((matches or SMALL) / max(total, 1))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _grams(words: Sequence[str], n: int) -> list[Gram]:
    return list(zip(*(words[i:] for i in range(n)), strict=False))
