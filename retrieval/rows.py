"""Rows of JSON lines, CSV and TSV, one after another, whatever is wrong with some of them.

Documents (`tables.py`) and general corpora (`selection/shards.py`) are read with them.
"""

import codecs
import contextlib
import csv
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, NamedTuple

from elenchus.printing import in_line

NAME = "name it: {path: …, text: COLUMN}"
SEPARATORS = (",", ";", "\t", "|")
SHOWN = 200  # characters of the names of columns
BLOCK = 1 << 20  # bytes read at once of what is passed over
# What csv, codecs, pyarrow (ValueError and OSError) and its conversions to Python raise.
DAMAGE = (OSError, csv.Error, ValueError, LookupError, OverflowError, TypeError)
Row = dict[str, Any]


class Broken(NamedTuple):
    """A row that cannot be read: a reason that can be counted, and what exactly is wrong."""

    reason: str
    detail: str


def lines(file: IO[bytes], longest: int) -> Iterator[tuple[int, bytes | Broken]]:
    """Yield every line with the bytes that were read for it; one of over `longest` is broken."""
    while line := file.readline(longest):
        if len(line) < longest or line.endswith(b"\n"):
            yield len(line), line
        else:
            broken = Broken("too long a line", f"a line of over {longest / 1e6:.0f} MB")
            yield len(line) + skip_line(file), broken


def skip_line(file: IO[bytes]) -> int:
    """Read on to the next line, in bounded memory; return how many bytes that was."""
    count = 0
    while rest := file.readline(BLOCK):
        count += len(rest)
        if rest.endswith(b"\n"):
            break
    return count


def parsed(
    line: bytes, encoding: str | None, loads: Callable[[bytes | str], Any]
) -> Row | Broken | None:
    """Parse a line of JSON with `loads`; return None for a blank one.

    Args:
        encoding: of the line; where it is None, `loads` takes bytes, which are UTF-8.
    """
    try:
        row = loads(line if encoding is None else line.decode(encoding))
    except (ValueError, RecursionError) as error:  # of numbers with thousands of digits, too
        if not line.strip():
            return None
        if line.startswith(codecs.BOM_UTF8):
            return parsed(line.lstrip(codecs.BOM_UTF8), encoding, loads)  # of all there are
        try:
            line.decode(encoding or "utf-8")
        except UnicodeDecodeError as wrong:
            return undecodable(encoding, f"byte {wrong.start} of the line")
        return Broken("broken JSON", f"it is not JSON: {error}")
    return row if isinstance(row, dict) else Broken("broken JSON", "it is no JSON object")


def separated(
    file: IO[str],
    suffix: str,
    columns: Sequence[str],
    longest: int,
    separator: str | None = None,
    names: Sequence[str] = (),
) -> Iterator[Row | Broken]:
    """Yield every row of CSV or TSV; ValueError where a column is missing.

    Args:
        names: of the columns; where there are none, the first line has them.
        separator: of cells; where it is None, a tab in TSV, else what makes columns of the first
            line: a comma, or a semicolon, a tab or a bar.
    """
    csv.field_size_limit(min(sys.maxsize, longest))
    first = file.readline(longest).removeprefix("\ufeff")
    if separator is None:
        separator = "\t" if suffix == ".tsv" else _separator(first, names or columns)
    cells = _tabbed if separator == "\t" else _quoted
    table = cells(itertools.chain([first], file), separator)
    header = list(names) if names else next(table, [])
    if isinstance(header, Broken):
        raise ValueError(header.detail)
    check_columns(header, columns)
    expected = f"{len(names)} cells" if names else "as many cells as the first line"
    for row in table:
        if isinstance(row, Broken):
            yield row
        elif len(row) == len(header):
            yield dict(zip(header, row, strict=True))
        elif row:
            yield Broken("broken row", f"it has not {expected}")


def _separator(first: str, columns: Sequence[str]) -> str:
    """Return what stands between the names in the first line, by the names that are looked for."""

    def named(separator: str) -> tuple[int, int]:
        names = next(csv.reader([first], delimiter=separator), [])
        return len(set(columns) & set(names)), len(names)

    return max(SEPARATORS, key=named)


def _quoted(lines: Iterable[str], separator: str) -> Iterator[list[str] | Broken]:
    """Yield the cells of rows that may run over several lines, in quotes."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        begun = reader.line_num + 1
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"line {begun}: {error}"
            if reader.line_num > begun and "end of data" in str(error):
                where = f"a quote that line {begun} opens is never closed: all after it is lost"
            yield Broken("broken row", where)


def _tabbed(lines: Iterable[str], separator: str) -> Iterator[list[str] | Broken]:
    """Yield the cells of each line; quotes are taken off where they are round whole cells."""
    for line in lines:
        whole = line.rstrip("\r\n")
        try:
            yield next(csv.reader([whole], delimiter=separator, strict=True), [])
        except csv.Error:  # a mark of inches, or of a word
            yield whole.split(separator)


def as_text(value: Any) -> str:
    """Return what a cell says; "" for none, and for what is no number.

    Raises:
        ValueError: it holds no text, but a list or an object.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list | tuple | set | bytes) or hasattr(value, "tolist"):
        kind = "an object" if isinstance(value, dict) else "a list"
        raise ValueError(f"{'bytes' if isinstance(value, bytes) else kind}, no text")
    return str(value)


def check_columns(known: Sequence[str], columns: Sequence[str]) -> None:
    """Raise one ValueError for a table whose columns are named otherwise, not one for each row."""
    for column in columns:
        if known and column not in known:
            raise ValueError(no_column(column, known))


def no_column(column: str, known: Iterable[object]) -> str:
    """Return what to say of a column that is not there, with the beginning of those that are."""
    return f"no column {column!r} among {in_line(', '.join(map(str, known)), SHOWN)}: {NAME}"


def undecodable(encoding: str | None, place: str) -> Broken:
    """Return what to say of a row with bytes that its encoding does not know, and where."""
    return Broken("wrong encoding", f"it is not {encoding or 'UTF-8'} ({place})")


@contextlib.contextmanager
def arrow() -> Iterator[None]:
    """Raise a ValueError for what pyarrow finds wrong; its errors are of many classes.

    It stands around what reads a file; a file that is gone is told as such.
    """
    import pyarrow

    try:
        yield
    except pyarrow.ArrowException as error:
        raise ValueError(damage(error)) from error


def damage(error: Exception) -> str:
    """Return what is wrong with a file, in a line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__
