"""Tables: told by lines drawn across, or by cells that begin side by side; read by rows."""

from collections.abc import Iterator, Sequence

from retrieval.formats.geometry import (
    GAP,
    Grid,
    Row,
    Strip,
    bottom_of,
    cut,
    distance,
    evenness,
    filled_columns,
    in_order,
    leading,
    letters_a_line,
    middle_of,
    text_of,
    top_of,
)
from retrieval.formats.glyphs import Rule
from retrieval.formats.hyphens import whole
from retrieval.formats.strips import LEAST, NARROWEST, strips_through

RULES = 3  # lines across a strip that make it one of a table: above, below its header, and below
LEAST_ROWS = 2  # that begin side by side, where columns are as wide as one another
EVEN = 0.7  # the narrowest of a page's columns, in widths of the widest
LABEL = 5  # letters of a clause's number, at most


def is_ruled(rows: Sequence[Row], strips: Sequence[Strip], rules: Sequence[Rule]) -> bool:
    """Tell whether rules run across strips, as around a table and below its header."""
    top, bottom = top_of(rows[0]), bottom_of(rows[-1])
    reach = 2 * (top - bottom_of(rows[0]))
    across = [
        rule.y
        for rule in rules
        if bottom - reach < rule.y < top + reach
        and any(rule.left < left and right < rule.right for left, right in strips)
    ]
    return len(across) >= RULES


def is_ragged(grid: Grid) -> bool:
    """Tell whether cells of several lines begin side by side, after others of unequal height."""
    far = GAP * leading(grid)
    after = [
        (cells, below)
        for cells, below in _distances(grid)
        if max(below.values(), default=0.0) > far
    ]
    ragged = sum(
        max(below.values()) - min(below.values()) > far / (2 * GAP)
        and _begin_together(cells, below, far)
        for cells, below in after
        if len(below) == sum(map(bool, cells)) > 1
    )
    least = LEAST_ROWS if evenness(filled_columns(grid)) >= EVEN else 1
    return ragged >= least and 2 * ragged >= len(after)


def _begin_together(cells: Sequence[Row], below: dict[int, float], far: float) -> bool:
    """Tell whether no cell of a line goes on with what is above it; beside a label, it may."""
    filled = {n: cell for n, cell in enumerate(cells) if cell}
    first = next(iter(filled))
    is_label = below[first] > far and letters_a_line([filled[first]]) <= LABEL
    return is_label or all(below[n] > far or not _goes_on(cell) for n, cell in filled.items())


def _distances(
    grid: Grid,
) -> Iterator[tuple[Sequence[Row], dict[int, float]]]:
    """Yield each row that has cells above it, and how far each of its cells is below the last."""
    last: dict[int, Row] = {}
    for cells in grid:
        filled = {n: cell for n, cell in enumerate(cells) if cell}
        distances = {n: distance(last[n], cell) for n, cell in filled.items() if n in last}
        if last:
            yield cells, distances
        last |= filled


def _goes_on(cell: Row) -> bool:
    return cell[0].text[0].islower()


def read_table(rows: Sequence[Row], strips: Sequence[Strip], rules: Sequence[Rule]) -> list[str]:
    """Return the rows of a table, cell by cell, a line each."""
    parted = [rule.y for rule in rules] if is_ruled(rows, strips, rules) else []
    if parted and len(rows) >= LEAST:
        # Cells may be close together, where lines are drawn between them.
        strips = strips_through(rows, NARROWEST / 2)
    grid = in_order(cut(rows, strips))
    ragged, far = is_ragged(grid), GAP * leading(grid)
    below: list[dict[int, float]] = [{}, *(distances for _, distances in _distances(grid))]
    together: list[list[Sequence[Row]]] = []
    for n, (cells, row) in enumerate(zip(grid, rows, strict=True)):
        above = rows[n - 1]
        if n == 0 or (
            _is_parted(above, row, parted)
            if parted
            else distance(above, row) > far or _begins(cells, below[n], far, ragged)
        ):
            together.append([])
        together[-1].append(cells)
    return [_joined(lines) for lines in together]


def _is_parted(above: Row, row: Row, parted: Sequence[float]) -> bool:
    return any(middle_of(row) < y < middle_of(above) for y in parted)


def _begins(cells: Sequence[Row], below: dict[int, float], far: float, ragged: bool) -> bool:
    """Tell whether a line begins a row of a table, or goes on with the cells above it.

    Args:
        below: how far each of the cells is below the last one in its column.
    """
    filled = [cell for cell in cells if cell]
    if ragged:
        first = next(n for n, cell in enumerate(cells) if cell)
        is_label = below.get(first, 0.0) > far or letters_a_line([cells[first]]) <= LABEL
        leads = first == 0 or (first < len(cells) - 1 and is_label)
        return leads and not _goes_on(cells[first])
    if len(filled) == 1:
        return bool(cells[0])
    return not all(map(_goes_on, filled))


def _joined(lines: Grid) -> str:
    """Return the cells of a row, one after another."""
    cells = ([text_of(line[n]) for line in lines if line[n]] for n in range(len(lines[0])))
    return " ".join(" ".join(whole(cell)) for cell in cells if cell)
