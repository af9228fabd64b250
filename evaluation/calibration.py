"""Finds the cosine from which a text is a copy of a test item, on near-copies made of the items.

They are set against innocent neighbours: for each item the nearest other text, be it another item
or one that was seen, which is no copy by its words. The threshold is the lowest that keeps
precision at `PRECISION`, if there were as many copies as innocents.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from elenchus.records import digest
from evaluation import planted
from evaluation.contamination import Encode, Match, Text, by_words, near, ordered
from evaluation.windows import plain, words

PRECISION = 0.95
USUAL = 0.9  # at least, where too little is known, or innocents are as near as copies
STEP = 1e-4  # between two cosines that are told apart
LEAST = 0.75  # below it, two texts are on one subject, whatever a small planted set says
ITEMS = 200  # at most, that copies are made of
COPIED = 0.8  # share of an item's words from which a text is a copy and no innocent
AROUND = 4  # other items around one inside a longer text


class Calibration(NamedTuple):
    """A threshold, and what it comes to on the planted set.

    Attributes:
        recall: the share of near-copies from it on; None where it is not calibrated.
        precision: the share of copies among what it finds, if they are as many as innocents.
        either: the share of near-copies that are found by words or by embedding.
        copies, innocents: how many there were.
    """

    threshold: float
    recall: float | None
    precision: float | None
    either: float | None
    copies: int
    innocents: int


def calibrate(items: Sequence[Text], found: Sequence[Match], encode: Encode) -> Calibration:
    """Find the threshold for these items.

    Args:
        found: the nearest texts that were seen, which may be innocent neighbours, too.
    """
    drawn = sorted(ordered(items), key=lambda item: digest(item.text))[:ITEMS]
    texts = {item.id: item.text for item in drawn}
    copies = _copies(drawn)
    scores = _own(near(drawn, copies, encode, least=0), texts)
    innocents = _innocents(texts, near(drawn, ordered(items), encode, least=0), found)
    threshold = _lowest(list(scores.values()), innocents)
    if threshold is None:
        above = min(1.0, round(max(innocents, default=0.0) + STEP, 4))
        return Calibration(max(USUAL, above), None, None, None, len(copies), len(innocents))
    in_a_row = {m.item for m in by_words(drawn, copies) if m.item == m.seen}
    right = {item for item, score in scores.items() if score >= threshold}
    recall = len(right) / len(copies)
    wrong = sum(score >= threshold for score in innocents) / len(innocents)
    return Calibration(
        threshold=threshold,
        recall=recall,
        precision=recall / (recall + wrong),
        either=len(right | in_a_row) / len(copies),
        copies=len(copies),
        innocents=len(innocents),
    )


def _copies(items: Sequence[Text]) -> list[Text]:
    """Return a near-copy of each item, with its id, of each kind in turn."""
    kinds = [*planted.CHANGES, planted.WRAPPED]
    copies = []
    for n, item in enumerate(items):
        others = [items[(n + step) % len(items)].text for step in range(1, AROUND + 1)]
        around = [text for text in others if text != item.text]
        copies.append(Text(item.id, planted.copy(item.text, kinds[n % len(kinds)], around)))
    return copies


def _own(matches: Sequence[Match], items: Iterable[str]) -> dict[str, float]:
    """Return how near each item's copy is to it; 0 where others are nearer."""
    scores = dict.fromkeys(items, 0.0)
    for match in matches:
        if match.item == match.seen:
            scores[match.item] = max(scores[match.item], match.score)
    return scores


def _innocents(
    texts: dict[str, str], others: Sequence[Match], found: Sequence[Match]
) -> list[float]:
    """Return how near the nearest text is that is no copy by its words, of each item.

    Of what was seen it is the second: the first may be a copy in other words, which is what is
    looked for.
    """
    nearest: dict[str, float] = {}
    for matches, passed_over in ((others, 0), (found, 1)):
        met: Counter[str] = Counter()
        for match in sorted(matches, key=lambda m: -m.score):
            item = match.item
            if item not in texts or item == match.seen or met[item] > passed_over:
                continue
            if not is_copy(texts[item], match.text[match.span.start : match.span.end]):
                if met[item] == passed_over:
                    nearest[item] = max(match.score, nearest.get(item, 0.0))
                met[item] += 1
    return list(nearest.values())


def is_copy(item: str, text: str) -> bool:
    """Tell whether a text has nearly all words of an item, in any order."""
    own, other = _counted(item), _counted(text)
    return (own & other).total() >= COPIED * max(1, own.total())


def _counted(text: str) -> Counter[str]:
    read = plain(text).lower()
    return Counter(read[span.start : span.end] for span in words(read))


def _lowest(copies: Sequence[float], innocents: Sequence[float]) -> float | None:
    """Return the lowest threshold with the wanted precision; None where too little is known.

    Of n innocents, k from the threshold on count as (k + 1) / (n + 2), so that a few that are all
    far away prove nothing.
    """
    right, wrong = np.sort(copies), np.sort(innocents)
    for threshold in sorted({LEAST, *copies, *(score + STEP for score in innocents)}):
        found = 1 - np.searchsorted(right, threshold) / max(1, len(right))
        false = (len(wrong) - np.searchsorted(wrong, threshold) + 1) / (len(wrong) + 2)
        if threshold >= LEAST and found > 0 and found >= PRECISION * (found + false):
            return round(float(threshold), 4)
    return None
