"""Lines of words across a page, and where they stand, in points; y goes upwards."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from retrieval.formats.glyphs import Word, has_right_to_left, is_right_to_left

Row = list[Word]  # words on one line, from left to right
Grid = Sequence[Sequence[Row]]  # rows of cells; where nothing stands, a cell is empty
Strip = tuple[float, float]  # from where to where it is empty
EDGE = float("inf")
GAP = 1.5  # distance of lines, in usual ones, between blocks


def rows_of(words: Sequence[Word]) -> list[Row]:
    """Return the lines across a page, from the top down, whatever columns they belong to.

    Words are compared with the highest one of a line: else those of columns whose lines are a
    little lower each would draw in the next line.
    """
    rows: list[Row] = []
    for word in sorted(words, key=lambda one: -one.middle):
        if rows and _are_level(rows[-1][0], word):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def _are_level(one: Word, other: Word) -> bool:
    """Tell whether words are on one line; a raised figure is, not the line of a large letter."""
    height = min(one.height, other.height)
    shared = min(one.top, other.top) - max(one.bottom, other.bottom)
    return shared > height / 2 and abs(one.middle - other.middle) < 0.7 * height


def text_of(row: Row) -> str:
    """Return the words of a line in the order in which they are read."""
    words = " ".join(word.text for word in row)
    if not has_right_to_left(words):
        return words
    runs: dict[int, list[Word]] = {}
    for word in row:
        runs.setdefault(word.run, []).append(word)
    order = sorted(runs.values(), key=lambda run: run[0].left, reverse=is_right_to_left(words))
    return " ".join(word.text for run in order for word in sorted(run, key=lambda w: w.place))


def cut(rows: Sequence[Row], strips: Sequence[Strip]) -> list[list[Row]]:
    """Return the cells of each row between strips; where nothing stands, a cell is empty."""
    ends = [*(right for _, right in strips), EDGE]
    return [
        [
            [word for word in row if start <= word.left < end]
            for start, end in zip((-EDGE, *ends), ends, strict=False)
        ]
        for row in rows
    ]


def filled_columns(grid: Grid) -> list[list[Row]]:
    """Return the columns of a grid in which there is anything, without their empty cells."""
    columns = ([row[n] for row in grid if row[n]] for n in range(len(grid[0])))
    return [column for column in columns if column]


def in_order(grid: Grid) -> list[Sequence[Row]]:
    """Return cells in the order in which they are read: of Arabic, the rightmost first."""
    text = " ".join(text_of(cell) for cells in grid for cell in cells)
    return [cells[::-1] for cells in grid] if is_right_to_left(text) else list(grid)


def distance(row: Row, next_: Row) -> float:
    return median(word.bottom for word in row) - median(word.bottom for word in next_)


def leading(grid: Grid) -> float:
    """Return the usual distance between lines, in the column where it is least."""
    columns = [[row[n] for row in grid if row[n]] for n in range(len(grid[0]))]
    distances = [[distance(a, b) for a, b in pairwise(column)] for column in columns]
    return min((median(some) for some in distances if some), default=EDGE)


def evenness(columns: Grid) -> float:
    """Return the width of the narrowest column, in widths of the widest."""
    widths = [right_edge(column) - left_edge(column) for column in columns]
    return min(widths) / max(widths)


def letters_a_line(column: Sequence[Row]) -> float:
    """Return how many letters a line has, on average."""
    return sum(len(word.text) for row in column for word in row) / len(column)


def top_of(row: Row) -> float:
    return max(word.top for word in row)


def bottom_of(row: Row) -> float:
    return min(word.bottom for word in row)


def middle_of(row: Row) -> float:
    return (top_of(row) + bottom_of(row)) / 2


def left_edge(rows: Sequence[Row]) -> float:
    return min(row[0].left for row in rows)


def right_edge(rows: Sequence[Row]) -> float:
    return max(word.right for row in rows for word in row)
