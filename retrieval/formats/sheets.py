"""Workbooks as Markdown: cells as they are shown, empty ones empty, each table with its header."""

import datetime
import io
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from retrieval.formats.failures import package

_DIGITS = re.compile(r"[#0?][#0?,]*(?:\.(0+))?")  # of a number's format
_UNIT = re.compile(r'"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|([$€£¥])')  # what it shows beside them
Cells = list[str]


def markdown(content: bytes) -> str:
    """Return the sheets of a workbook, a heading and its tables each.

    What a formula came to stands for it; where nobody computed it, the formula does.
    """
    openpyxl = package("openpyxl")
    computed, typed = (
        openpyxl.load_workbook(io.BytesIO(content), data_only=values) for values in (True, False)
    )
    sheets = []
    for sheet in computed.worksheets:
        rows = [[_shown(cell) for cell in row] for row in sheet.iter_rows()]
        for row, formulas in zip(rows, typed[sheet.title].iter_rows(), strict=True):
            for place, cell in enumerate(formulas):
                if cell.data_type == "f" and not row[place]:
                    row[place] = str(getattr(cell.value, "text", cell.value))
        sheets.append("\n\n".join((f"## {sheet.title}", *_blocks(rows))))
    return "\n\n".join(sheets)


def _blocks(rows: Sequence[Cells]) -> Iterator[str]:
    """Yield what stands between empty rows: lines of one cell before a table, and the table."""
    for filled, block in groupby(rows, any):
        if not filled:
            continue
        table = list(block)
        while table and sum(map(bool, table[0])) == 1 and not _is_column(table):
            yield next(filter(None, table.pop(0)))
        if table:
            yield _table(table)


def _is_column(table: Sequence[Cells]) -> bool:
    """Tell whether all rows of a table have the same cell alone: it has one column."""
    places = {tuple(map(bool, row)) for row in table}
    return len(table) > 1 and len(places) == 1


def _table(rows: Sequence[Cells]) -> str:
    """Return a table whose first row names the columns; columns that are empty are left out."""
    used = [place for place in range(len(rows[0])) if any(row[place] for row in rows)]
    header, *others = ("| " + " | ".join(row[place] for place in used) + " |" for row in rows)
    return "\n".join((header, "|" + " --- |" * len(used), *others))


def _shown(cell: Any) -> str:
    """Return a cell as its sheet shows it, on one line; a bar in it divides no cells."""
    return " ".join(_text(cell.value, cell.number_format).split()).replace("|", "\\|")


def _text(value: Any, number_format: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            return _number(value, number_format)
        case datetime.datetime() if value.time() == datetime.time.min:
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ")
        case _:
            return str(value)


def _number(value: float, number_format: str) -> str:
    """Return a number with the decimals, the percent sign and the unit that its format shows.

    It has never fewer decimals than were typed: a figure is quoted, not looked at.
    """
    positive = number_format.partition(";")[0]
    digits = _DIGITS.search(_UNIT.sub(lambda unit: " " * len(unit[0]), positive))
    if not digits or "E+" in positive:
        return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
    percent = "%" if "%" in positive else ""
    shown = value * 100 if percent else value
    typed = f"{shown:.10f}".rstrip("0").partition(".")[2]
    number = f"{shown:.{max(len(digits[1] or ''), len(typed))}f}{percent}"
    before, after = (
        "".join("".join(filter(None, unit.groups())) for unit in _UNIT.finditer(part))
        for part in (positive[: digits.start()], positive[digits.end() :])
    )
    return f"{before}{number}{after}"
