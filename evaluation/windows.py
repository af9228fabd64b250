"""Cuts long texts into windows of about the length of a test item, sentence by sentence.

A copied sentence is lost in the mean of a long passage; in a window of its own it stands out.
"""

import bisect
import re
from typing import NamedTuple

# As `retrieval.selection.hashing` tells words apart; what begins a word by itself stands first.
_WORD = re.compile(
    "(?:[\u3000-\u9fff]|[0-9A-Za-z\u0080-\ud7ff\ue000-\U0010ffff])"
    "[0-9A-Za-z\u0080-\u2fff\ua000-\ud7ff\ue000-\U0010ffff]*"
)
# Punctuation and spaces beyond ASCII, which would be parts of words: a quotation mark, a dash.
_MARK = re.compile(
    "[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u2000-\u206f\u2e00-\u2e7f"
    "\u3000-\u3004\u3008-\u303f\uff01-\uff0f\uff1a-\uff20]"
)
_SENTENCE = re.compile(r"(?<=[.!?;:。！？；])\s+|\n+")
SIZES = (16, 32, 64, 128, 192)  # words of a window; MiniLM reads about 190
WHOLE = 1.5  # times a window's words: up to there a text is compared as it is


class Span(NamedTuple):
    """A part of a text, in characters."""

    start: int
    end: int


def plain(text: str) -> str:
    """Return a text of the same length with spaces for punctuation that is not ASCII."""
    return text if text.isascii() else _MARK.sub(" ", text)


def words(text: str) -> list[Span]:
    """Return where the words of a plain text stand."""
    return [Span(*found.span()) for found in _WORD.finditer(text)]


def size_for(count: int) -> int:
    """Return the size of the windows that an item of so many words is compared with."""
    return next((size for size in SIZES if count <= size), SIZES[-1])


def windows(text: str, size: int) -> list[Span]:
    """Return the parts of a text that items of nearly `size` words are compared with.

    They are all runs of whole sentences of more than half as many words and hardly more; of a
    longer sentence, windows that overlap by half. A text that is not much longer is one window.
    """
    at = words(plain(text))
    if len(at) <= WHOLE * size:
        return [Span(0, len(text))]
    starts = [span.start for span in at]
    borders = [0, *(found.end() for found in _SENTENCE.finditer(text)), len(text)]
    places = sorted({bisect.bisect_left(starts, border) for border in borders})
    spans = set()
    for n, first in enumerate(places[:-1]):
        for last in places[n + 1 :]:
            if last - first > size * 5 // 4:
                break
            if last - first > size // 2:
                spans.add((first, last))
        if places[n + 1] - first > size * 5 // 4:  # one sentence alone
            steps = range(first, max(first + 1, places[n + 1] - size // 2), size // 2)
            spans |= {(step, min(step + size, places[n + 1])) for step in steps}
    if not spans:  # sentences that are all shorter than half a window beside much longer ones
        spans = {(n, min(n + size, len(at))) for n in range(0, len(at), size // 2)}
    starts.append(len(text))
    return [
        Span(starts[first], starts[first] + len(text[starts[first] : starts[last]].rstrip()))
        for first, last in sorted(spans)
    ]
