"""The lines of a page in reading order: columns one after another, tables row by row.

A strip without words that runs through several lines divides columns, or the cells of a table.
Columns are about as wide as one another and full of running text: a line ends where the next word
has no room. Whatever is not is a table, whose rows are read cell by cell. No library that was tried
does both: the layout analysis of pdfminer.six reads tables by their columns, and those that keep
rows (pdftext, liteparse, pdf_oxide) read columns across.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise

from retrieval.formats.geometry import (
    GAP,
    Row,
    Strip,
    cut,
    distance,
    evenness,
    filled_columns,
    in_order,
    leading,
    left_edge,
    letters_a_line,
    right_edge,
    rows_of,
    text_of,
)
from retrieval.formats.glyphs import Rule, Sheet, Word, is_below, is_right_to_left
from retrieval.formats.grids import EVEN, is_ragged, is_ruled, read_table
from retrieval.formats.strips import LEAST, SLACK, find_gutter, strips_through, trimmed

MOST_COLUMNS, MOST_STRIPS = 4, 8  # what has more is a table
CLOSE = 1.1  # distance of lines, in usual ones, within a paragraph
TEXT = 10  # letters in a line of running text, at least
FULL, CERTAIN = 0.6, 0.75  # share of lines that had no room for the next word
SMALL, SURELY_SMALL = 0.25, 0.4  # share of lines that go on with a small letter


def lines(sheet: Sheet) -> list[str]:
    """Return the lines of a page in reading order; a row of a table is a line."""
    below = [is_below(word, above) for above, word in pairwise(sheet.words)]
    if sum(below) > len(sheet.words) / 2:
        return _upright(sheet.words, below)
    return _read(rows_of(sheet.words), sheet.rules)


def _upright(words: Sequence[Word], below: Sequence[bool]) -> list[str]:
    """Return lines that run down the page, as pdfium has their letters."""
    found = [words[0].text]
    for word, goes_on in zip(words[1:], below, strict=True):
        if goes_on:
            found[-1] += word.text
        else:
            found.append(word.text)
    return found


def _read(rows: Sequence[Row], rules: Sequence[Rule]) -> list[str]:
    gutter = find_gutter(rows)
    if gutter is None:
        return [text_of(row) for row in rows]
    first, last = trimmed(rows, gutter)
    return [
        *_read(rows[:first], rules),
        *_divided(rows[first:last], rules),
        *_read(rows[last:], rules),
    ]


def _divided(rows: Sequence[Row], rules: Sequence[Rule]) -> list[str]:
    """Return the lines of rows that strips divide: columns, tables, and tables between columns."""
    strips = strips_through(rows)
    if is_ruled(rows, strips, rules) or is_ragged(cut(rows, strips)):
        return read_table(rows, strips, rules)
    chosen = _columns(rows, strips)
    blocks = _blocks(rows, GAP * leading(cut(rows, strips)))
    kinds = [_is_text(block, chosen or _columns(block, strips)) for block in blocks]
    is_text = next((kind for kind in kinds if kind is not None), bool(chosen))
    lines: list[str] = []
    together: list[Row] = []
    for kind, block in zip(kinds, blocks, strict=True):
        if kind is not None and kind != is_text:
            lines += _one_kind(together, is_text, chosen, rules)
            is_text, together = kind, []
        together += block
    return lines + _one_kind(together, is_text, chosen, rules)


def _one_kind(
    rows: list[Row], is_text: bool, chosen: Sequence[Strip], rules: Sequence[Rule]
) -> list[str]:
    """Return the lines of columns, or of a table."""
    strips = strips_through(rows)
    if not is_text or not strips:
        return read_table(rows, strips, rules)
    grid = in_order(cut(rows, chosen or _columns(rows, strips) or strips))
    columns = [[row[n] for row in grid if row[n]] for n in range(len(grid[0]))]
    return [line for column in columns for line in _read(column, rules)]


def _blocks(rows: Sequence[Row], far: float) -> list[list[Row]]:
    """Divide rows where their distance is greater."""
    blocks = [[rows[0]]]
    for row, following in pairwise(rows):
        if distance(row, following) > far:
            blocks.append([])
        blocks[-1].append(following)
    return blocks


def _columns(rows: Sequence[Row], strips: Sequence[Strip]) -> list[Strip]:
    """Return the strips that divide rows into columns of text; none where they are a table.

    Others may run through one of the columns: beside the numbers of a list, say.
    """
    best: tuple[float, list[Strip]] = (0.0, [])
    if len(strips) > MOST_STRIPS:
        return []
    for count in range(1, min(MOST_COLUMNS, len(strips) + 1)):
        for some in combinations(strips, count):
            columns = filled_columns(cut(rows, some))
            even = evenness(columns)
            share = FULL if even >= EVEN else CERTAIN
            if all(_runs(column, share) for column in columns) or (
                even >= EVEN and any(_runs(column, CERTAIN) for column in columns)
            ):
                best = max(best, (even, list(some)))
    return best[1]


def _is_text(rows: Sequence[Row], between: Sequence[Strip]) -> bool | None:
    """Tell columns of text from a table; None where there is too little of it."""
    grid = cut(rows, between or strips_through(rows))
    both = [row for row in grid if all(row)]
    columns = filled_columns(grid)
    if len(both) < 2 or len(columns) < 2:
        return None
    if any(_runs(column, FULL) for column in columns):
        return True
    return False if any(letters_a_line(column) < TEXT for column in columns) else None


def _runs(column: Sequence[Row], full: float) -> bool:
    """Tell whether lines are of running text: each ends where the next word had no room.

    Args:
        full: share of the lines of which that is true, at least.
    """
    usual = leading([[row] for row in column])
    pairs = [(a, b) for a, b in pairwise(column) if distance(a, b) <= CLOSE * usual]
    if len(pairs) < LEAST - 1 or letters_a_line(column) < TEXT:
        return False
    edges = (left_edge(column), right_edge(column))
    had_room = sum(_had_room(a, b, edges) for a, b in pairs)
    small = sum(b[0].text[0].islower() for _, b in pairs)
    cased = any(word.text != word.text.upper() for row in column for word in row)
    least = SURELY_SMALL if full >= CERTAIN else SMALL
    return had_room <= (1 - full) * len(pairs) and (not cased or small >= least * len(pairs))


def _had_room(row: Row, following: Row, edges: tuple[float, float]) -> bool:
    """Tell whether the first word of the following line would have had room on this one."""
    left, right = edges
    backwards = is_right_to_left(text_of(following))
    first = following[-1 if backwards else 0]
    room = row[0].left - left if backwards else right - row[-1].right
    return room > first.right - first.left + first.height / 5 + SLACK
