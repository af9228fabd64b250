"""Finds test items that stand in other texts: the same words in a row, or nearly the same text.

By words, as arXiv 2005.14165, appendix C: thirteen in a row, of shorter items all of them. By
embedding: whatever is as near to an item as `evaluation.calibration` allows, the whole text or, of
longer ones, a window of about the item's length. Neither sees a translation, nor one in words that
are all others.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evaluation.windows import Span, plain, size_for, windows, words
from retrieval.selection import hashing, overlap

KEPT = 10  # nearest texts of an item
HARDLY = 0.1  # of an item's words: texts with less are as far from it as any (cosine under 0.7)
SHARED = 0.4  # of an item's words, by what they tell, that a window needs to be looked at
COMMON, FEW = 0.02, 100  # share and number of windows up to which a word tells them apart
BLOCK = 256  # items compared at once
Way = Literal["words", "embedding"]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]  # unit vectors, (texts, dimensions)


class Text(NamedTuple):
    """A text and whose it is; one thing may have several, such as a question and its answer."""

    id: str
    text: str


class Match(NamedTuple):
    """A test item and a text that it stands in, or is near to.

    Attributes:
        item, seen: their ids.
        way: how it was found.
        score: the words in a row, or the cosine.
        text: all of that text; `span` is the part of it that matches.
    """

    item: str
    seen: str
    way: Way
    score: float
    text: str
    span: Span


def ordered(texts: Iterable[Text]) -> list[Text]:
    """Return texts in an order of their own, each once, so that the order given is no matter."""
    return sorted(set(texts))


def by_words(items: Iterable[Text], seen: Iterable[Text]) -> list[Match]:
    """Return what shares so many words in a row with an item, the longest run of each two."""
    tests, texts = ordered(items), ordered(seen)
    found = overlap.shared([plain(t.text) for t in tests], [plain(t.text) for t in texts])
    matches = []
    at: dict[int, list[Span]] = {}
    for text, test, count, place in zip(*(part.tolist() for part in found), strict=True):
        spans = at.setdefault(text, words(plain(texts[text].text)))
        span = Span(spans[place].start, spans[place + count - 1].end)
        matches.append(
            Match(tests[test].id, texts[text].id, "words", count, texts[text].text, span)
        )
    return worst(matches)


def near(
    items: Iterable[Text], seen: Iterable[Text], encode: Encode, least: float = HARDLY
) -> list[Match]:
    """Return the nearest texts of each item, `KEPT` at most, however near they are.

    Windows of longer texts are looked at only where they share words with the item.

    Args:
        least: share of some item's words that a text needs to be embedded at all, which is what
            takes the time; 0 for all texts.
    """
    tests, texts = ordered(items), ordered(seen)
    sizes = [size_for(int(n)) for n in hashing.counts([plain(t.text) for t in tests])]
    vectors = encode if isinstance(encode, Remembered) else Remembered(encode)
    matches = []
    for size in sorted(set(sizes)):
        group = [test for test, own in zip(tests, sizes, strict=True) if own == size]
        parts = [(n, span) for n, text in enumerate(texts) for span in windows(text.text, size)]
        whole = [one for one in parts if one[1] == Span(0, len(texts[one[0]].text))]
        cut = sorted(set(parts) - set(whole))
        if least:
            asked = [test.text for test in group]
            _, met = alike(asked, [texts[n].text for n, _ in whole], least, rare=False)
            whole = [whole[n] for n in np.unique(met)]
        chosen = [texts[n].text[span.start : span.end] for n, span in cut]
        of_items, of_parts = alike([t.text for t in group], chosen)
        own = vectors([test.text for test in group])
        for item, place, cosine in (
            *_nearest(own, vectors([texts[n].text for n, _ in whole])),
            *_paired(own, of_items, of_parts, vectors, chosen, len(whole)),
        ):
            n, span = whole[place] if place < len(whole) else cut[place - len(whole)]
            matches.append(
                Match(group[item].id, texts[n].id, "embedding", cosine, texts[n].text, span)
            )
    return worst(matches, KEPT)


def worst(matches: Iterable[Match], most: int | None = None) -> list[Match]:
    """Return the worst match of each two things and way, the worst first, so many of each item."""
    kept: dict[tuple[str, str, Way], Match] = {}
    for match in sorted(matches, key=_badness):
        kept.setdefault((match.item, match.seen, match.way), match)
    counts: dict[tuple[str, Way], int] = {}
    chosen = []
    for match in kept.values():
        count = counts[match.item, match.way] = counts.get((match.item, match.way), 0) + 1
        if most is None or count <= most:
            chosen.append(match)
    return chosen


def alike(
    items: Sequence[str], parts: Sequence[str], share: float = SHARED, rare: bool = True
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of an item and a part that has such a share of its words.

    Words count by how few parts have them.

    Args:
        rare: whether words that many parts have count for nothing, which makes few pairs of many.
    """
    none = np.zeros(0, dtype=np.intp)
    if not items or not parts:
        return none, none
    own = hashing.runs([plain(text) for text in items], 1)
    other = hashing.runs([plain(text) for text in parts], 1)
    if not len(own.hashes):
        return none, none
    known = np.unique(own.hashes)
    place = np.minimum(np.searchsorted(known, other.hashes), len(known) - 1)
    is_known = known[place] == other.hashes
    held = _matrix(other.texts[is_known], place[is_known], (len(parts), len(known)))
    counts = held.sum(axis=0)
    weights = np.log1p(len(parts) / (1 + counts))
    if rare:
        weights[counts > max(FEW, COMMON * len(parts))] = 0
    asked = _matrix(own.texts, np.searchsorted(known, own.hashes), (len(items), len(known)))
    asked = (asked @ sparse.diags_array(weights)).tocsr()
    asked.eliminate_zeros()
    totals, turned = asked.sum(axis=1), held.T.tocsr()
    rows, columns = [none], [none]
    for start in range(0, len(items), BLOCK):
        shares = (asked[start : start + BLOCK] @ turned).tocoo()
        row = shares.coords[0] + start
        enough = shares.data >= share * totals[row]
        rows.append(row[enough])
        columns.append(shares.coords[1][enough])
    return np.concatenate(rows), np.concatenate(columns)


def _matrix(
    rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, int]
) -> sparse.csr_array:
    """Return a matrix of ones at these places, however often they are named."""
    made = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    made.sum_duplicates()
    made.data[:] = 1
    return made


class Remembered:
    """Embeds texts, each once."""

    def __init__(self, encode: Encode) -> None:
        self._encode, self._known = encode, dict[str, NDArray[np.float32]]()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = sorted(set(texts) - self._known.keys())
        if new:
            self._known.update(zip(new, self._encode(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float32)


def _nearest(
    items: NDArray[np.float32], texts: NDArray[np.float32]
) -> Iterable[tuple[int, int, float]]:
    """Yield the nearest texts of each item, with the cosine."""
    if not len(texts):
        return
    for start in range(0, len(items), BLOCK):
        cosines = items[start : start + BLOCK] @ texts.T
        # Several texts of one thing count once, so there may be more to choose from.
        most = min(4 * KEPT, len(texts))
        best = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
        for row, places in enumerate(best):
            for place in places:
                yield start + row, int(place), _rounded(cosines[row, place])


def _paired(
    items: NDArray[np.float32],
    of_items: NDArray[np.intp],
    of_parts: NDArray[np.intp],
    vectors: Encode,
    parts: Sequence[str],
    moved: int,
) -> Iterable[tuple[int, int, float]]:
    """Yield the cosine of each pair; numbers of parts are moved beyond the whole texts'."""
    if not len(of_items):
        return
    used, back = np.unique(of_parts, return_inverse=True)
    own = vectors([parts[n] for n in used])
    cosines = np.vecdot(items[of_items], own[back])
    for item, part, cosine in zip(of_items, of_parts, cosines, strict=True):
        yield int(item), moved + int(part), _rounded(cosine)


def _rounded(cosine: float) -> float:
    """Round a cosine, which is 1 at most, to what float32 and the size of a batch leave sure."""
    return min(1.0, round(float(cosine), 4))


def _badness(match: Match) -> tuple[object, ...]:
    return match.way != "words", -match.score, match.item, match.seen, match.text, match.span
