"""Rows of JSON lines, CSV and TSV, one after another, whatever is wrong with some of them.

Documents (`tables.py`) and general corpora (`selection/shards.py`) are read with them.
"""

import codecs
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple

NAME = "name it: {path: …, text: COLUMN}"
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
            return parsed(line.removeprefix(codecs.BOM_UTF8), encoding, loads)
        try:
            line.decode(encoding or "utf-8")
        except UnicodeDecodeError as wrong:
            return undecodable(encoding, f"byte {wrong.start} of the line")
        return Broken("broken JSON", f"it is not JSON: {error}")
    return row if isinstance(row, dict) else Broken("broken JSON", "it is no JSON object")


def separated(
    file: IO[str], suffix: str, columns: Sequence[str], longest: int
) -> Iterator[Row | Broken]:
    """Yield every row of CSV or TSV; ValueError where a column is missing."""
    csv.field_size_limit(min(sys.maxsize, longest))
    reader = csv.DictReader(file, dialect="excel-tab" if suffix == ".tsv" else "excel")
    check_columns(reader.fieldnames or (), columns)
    for row in reader:
        if None in row or None in row.values():
            yield Broken("broken row", "it has not as many cells as the first line")
        else:
            yield row


def check_columns(known: Sequence[str], columns: Sequence[str]) -> None:
    """Raise one ValueError for a table whose columns are named otherwise, not one for each row."""
    for column in columns:
        if known and column not in known:
            raise ValueError(f"no column {column!r} among {', '.join(known)}: {NAME}")


def undecodable(encoding: str | None, place: str) -> Broken:
    """Return what to say of a row with bytes that its encoding does not know, and where."""
    return Broken("wrong encoding", f"it is not {encoding or 'UTF-8'} ({place})")


def damage(error: Exception) -> str:
    """Return what is wrong with a file, in a line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__
