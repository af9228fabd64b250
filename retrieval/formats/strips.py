"""Strips of a page without words, which may divide columns or the cells of a table."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from retrieval.formats.geometry import EDGE, Row, Strip, cut, distance, leading

NARROWEST = 0.7  # of a strip, in heights of a line
WIDE = 2.0  # as wide, a strip is none between words, however few lines it runs through
LEAST, LEAST_WIDE = 4, 2  # lines on each side of a strip, of a wide one
ALIGNED = 0.6  # share of the lines beside a strip that begin, or end, at one place
SLACK = 2.0  # points by which what is aligned may differ
BEYOND = 2  # lines by which one strip between columns may be longer than another
FAR = 2.2  # distance of lines, in usual ones, of what stands alone


class Gutter(NamedTuple):
    """A strip, and the rows that it runs through."""

    first: int
    last: int
    strip: Strip
    lines: int


def find_gutter(rows: Sequence[Row]) -> Gutter | None:
    """Return the strip between columns or cells that runs through most lines, if there is one."""
    if len(rows) < LEAST_WIDE:
        return None
    height = median(word.height for row in rows for word in row)
    found: list[Gutter] = []
    open_: dict[Strip, int] = {}  # strips that reach this row, each with its first row
    for place, row in enumerate([*rows, []]):
        gaps = _gaps(row, NARROWEST * height) if row else []
        reaching: dict[Strip, int] = dict.fromkeys(gaps, place)
        for strip, first in open_.items():
            shared = _shared([strip], gaps, NARROWEST * height)
            for narrower in shared:
                reaching[narrower] = min(first, reaching.get(narrower, first))
            if not shared and strip[0] > -EDGE and strip[1] < EDGE:
                found.append(_measured(rows, first, place, strip))
        open_ = reaching
    likely = [one for one in found if _is_gutter(rows, one, height)]
    if not likely:
        return None
    best = max(likely, key=_importance)
    beside = [one for one in likely if not _shared([one.strip], [best.strip], 0)]
    return _shortened(best, max(beside, key=_importance, default=best))


def _importance(gutter: Gutter) -> tuple[int, float]:
    return gutter.lines, gutter.strip[1] - gutter.strip[0]


def _shortened(best: Gutter, other: Gutter) -> Gutter:
    """Return a strip without the line or two at its ends that another, about as long, lacks.

    Such a line is of the text across all columns, and ends before it comes to this strip.
    """
    if 0 <= other.first - best.first <= BEYOND and 0 <= best.last - other.last <= BEYOND:
        return best._replace(first=other.first, last=other.last)
    return best


def strips_through(rows: Sequence[Row], heights: float = NARROWEST) -> list[Strip]:
    """Return the strips between words that run through all rows, so many heights wide."""
    if not rows:
        return []
    narrowest = heights * median(word.height for row in rows for word in row)
    strips = _gaps(rows[0], narrowest)
    for row in rows[1:]:
        strips = _shared(strips, _gaps(row, narrowest), narrowest)
    return [strip for strip in strips if strip[0] > -EDGE and strip[1] < EDGE]


def _gaps(row: Row, narrowest: float) -> list[Strip]:
    """Return what is empty in a row, margins included, from the left on."""
    gaps, end = [], -EDGE
    for word in row:
        if word.left - end >= narrowest:
            gaps.append((end, word.left))
        end = max(end, word.right)
    return [*gaps, (end, EDGE)]


def _shared(strips: Sequence[Strip], gaps: Sequence[Strip], narrowest: float) -> list[Strip]:
    """Return where strips are empty, too."""
    both = ((max(a[0], b[0]), min(a[1], b[1])) for a in strips for b in gaps)
    return [strip for strip in both if strip[1] - strip[0] >= narrowest]


def _measured(rows: Sequence[Row], first: int, last: int, strip: Strip) -> Gutter:
    """Return a strip with the number of lines on that side of it which has fewer."""
    left, right = _sides(rows[first:last], strip)
    return Gutter(first, last, strip, min(len(left), len(right)))


def _sides(rows: Sequence[Row], strip: Strip) -> tuple[list[Row], list[Row]]:
    left, right = ([row[n] for row in cut(rows, [strip]) if row[n]] for n in (0, 1))
    return left, right


def _is_gutter(rows: Sequence[Row], gutter: Gutter, height: float) -> bool:
    """Tell a strip between columns or cells from one between words that happens to be there."""
    if gutter.strip[1] - gutter.strip[0] >= WIDE * height:
        return gutter.lines >= LEAST_WIDE
    left, right = _sides(rows[gutter.first : gutter.last], gutter.strip)
    edges = ([row[0].left for row in right], [row[-1].right for row in left])
    return gutter.lines >= LEAST and any(_are_aligned(places) for places in edges)


def _are_aligned(places: Sequence[float]) -> bool:
    middle = median(places)
    return sum(abs(place - middle) <= SLACK for place in places) >= ALIGNED * len(places)


def trimmed(rows: Sequence[Row], gutter: Gutter) -> tuple[int, int]:
    """Return the rows of a gutter without those that stand far above or below the others.

    Headers, the numbers of pages and headings across columns are such.
    """
    first, last = gutter.first, gutter.last
    far = FAR * leading(cut(rows[first:last], [gutter.strip]))
    while last - first > LEAST_WIDE and distance(rows[first], rows[first + 1]) > far:
        first += 1
    while last - first > LEAST_WIDE and distance(rows[last - 2], rows[last - 1]) > far:
        last -= 1
    return first, last
