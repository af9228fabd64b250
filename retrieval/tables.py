"""Documents from the rows of tables: CSV, TSV, JSON lines, Parquet, and datasets of a hub.

Rows are read one after another, so a table may be larger than memory.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import util
from itertools import islice
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.records import Document
from elenchus.sections import SourceConfig
from retrieval.formats import Refused

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LONGEST_LINE = 50_000_000  # bytes
NAME = "name it: {path: …, text: COLUMN}"
TEXT = "text"  # the column taken where none is named
Row = dict[str, Any]


def rows(path: Path, name: str, source: SourceConfig) -> Iterator[Document | Refused]:
    """A document for each row of a file; a row that cannot be used is refused with its number."""
    numbered = islice(numbered_rows(path, _columns(source), source.encoding), source.rows)
    yield from _whole(_documents(numbered, name, source), name)


def numbered_rows(
    path: Path, columns: Sequence[str], encoding: str | None
) -> Iterator[tuple[int, Row | str]]:
    """Every row of a file with its number, from 1, or what is wrong with it.

    Raises:
        ValueError, OSError, LookupError, csv.Error: the table as a whole cannot be read on.
    """
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv"):
        return _separated(path, columns, encoding)
    return _parquet(path, columns) if kind == ".parquet" else _lines(path, encoding)


def named(source: SourceConfig) -> str:
    """How a table is called in places and messages: train.csv, hf:name/split."""
    return f"hf:{source.hf}/{source.split}" if source.hf else Path(str(source.path)).name


def placed_rows(
    source: SourceConfig, columns: Sequence[str], folder: Path, key: str
) -> Iterator[tuple[str, Row | str]]:
    """Every row of the table that a setting names, with its place (train.csv#12), or what is wrong.

    Args:
        key: the setting, for messages.

    Raises:
        UserError: the source is no table, or cannot be read on.
    """
    try:
        for number, row in _numbered(source, columns, folder, key):
            yield f"{named(source)}#{number}", row
    # What csv, codecs, pyarrow (ValueError and OSError) and its conversions to Python raise.
    except (OSError, csv.Error, ValueError, LookupError, OverflowError, TypeError) as error:
        said = str(error).removesuffix(f": {NAME}")  # which the setting itself says better
        raise UserError(f"{key}: cannot read {named(source)}: {said}") from error


def _numbered(
    source: SourceConfig, columns: Sequence[str], folder: Path, key: str
) -> Iterator[tuple[int, Row | str]]:
    if source.hf is not None:
        yield from hub_rows(source, folder)
    elif source.path is None:
        raise UserError(f"{key}: a table is named by path or hf, not by loader")
    elif Path(source.path).suffix.lower() not in SUFFIXES:
        raise UserError(f"{key}: {source.path} is no table; one of {', '.join(SUFFIXES)}")
    else:
        numbered = numbered_rows(folder / source.path, columns, source.encoding)
        yield from islice(numbered, source.rows)


def hub(source: SourceConfig, folder: Path) -> Iterator[Document | Refused]:
    """A document for each row of a dataset of the hub, or of one in a folder, as it streams in.

    Raises:
        UserError: the dataset cannot be had.
    """
    name = named(source)
    yield from _whole(_documents(hub_rows(source, folder), name, source), name)


def hub_rows(source: SourceConfig, folder: Path) -> Iterator[tuple[int, Row]]:
    """Every row of such a dataset with its number, from 1.

    Raises:
        UserError: the dataset cannot be had.
    """
    if util.find_spec("datasets") is None:
        raise UserError("a source with hf needs datasets: pip install -e '.[hub]'")
    import datasets

    here = folder / str(source.hf)
    place = str(here) if here.is_dir() else str(source.hf)
    try:
        loaded = datasets.load_dataset(place, source.name, split=source.split, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"hf: cannot load {source.hf}: {error}") from error
    return islice(enumerate(loaded, 1), source.rows)


def _whole(found: Iterator[Document | Refused], name: str) -> Iterator[Document | Refused]:
    """All that a table gives, and why it gave no more where it is damaged, or nothing at all."""
    empty = True
    try:
        for item in found:
            empty = False
            yield item
    # What csv, codecs, pyarrow (ValueError and OSError) and its conversions to Python raise.
    except (OSError, csv.Error, ValueError, LookupError, OverflowError, TypeError) as error:
        yield Refused(name, _reason(error))
        return
    if empty:
        yield Refused(name, "there is no row in it")


def _documents(
    numbered: Iterable[tuple[int, Row | str]], name: str, source: SourceConfig
) -> Iterator[Document | Refused]:
    column = source.text or TEXT
    for number, row in numbered:
        place = f"{name}#{number}"
        if isinstance(row, str):
            yield Refused(place, row)
            continue
        if missing := [c for c in _columns(source) if c not in row]:
            yield Refused(
                place, f"no column {missing[0]!r} among {', '.join(map(str, row))}: {NAME}"
            )
            continue
        text = "" if row[column] is None else str(row[column])
        if source.id is not None:
            place = f"{name}#{row[source.id]}"
        if not text.strip():
            yield Refused(place, f"nothing in the column {column!r}")
            continue
        title = str(row[source.title]) if source.title and row[source.title] else place
        yield Document(source=place, title=title, text=text.replace("\r\n", "\n"))


def _columns(source: SourceConfig) -> list[str]:
    return [c for c in (source.text or TEXT, source.title, source.id) if c is not None]


def _separated(
    path: Path, columns: Sequence[str], encoding: str | None
) -> Iterator[tuple[int, Row | str]]:
    csv.field_size_limit(min(sys.maxsize, LONGEST_LINE))
    with path.open(encoding=encoding or "utf-8-sig", newline="") as file:
        dialect: Any = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
        reader = csv.DictReader(file, dialect=dialect)
        _check_columns(reader.fieldnames or (), columns)
        for number, row in enumerate(reader, 1):
            whole = None not in row and None not in row.values()
            yield number, row if whole else "it has not as many cells as the first line"


def _check_columns(known: Sequence[str], columns: Sequence[str]) -> None:
    """One line for a table whose columns are named otherwise, and not one for each row."""
    for column in columns:
        if known and column not in known:
            raise ValueError(f"no column {column!r} among {', '.join(known)}: {NAME}")


def _lines(path: Path, encoding: str | None) -> Iterator[tuple[int, Row | str]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                yield number, f"a line of over {LONGEST_LINE / 1e6:.0f} MB"
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
            elif line.strip():
                yield number, _parsed(line, encoding)


def _parsed(line: bytes, encoding: str | None) -> Row | str:
    try:
        row = json.loads(line.decode(encoding or "utf-8-sig"))
    except LookupError:
        return f"no encoding is named {encoding!r}"
    except UnicodeDecodeError as error:
        return f"it is not {encoding or 'UTF-8'} (byte {error.start} of the line)"
    except (ValueError, RecursionError) as error:  # of numbers with thousands of digits, too
        return f"it is not JSON: {error}"
    return row if isinstance(row, dict) else "it is no JSON object"


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row | str]]:
    if util.find_spec("pyarrow") is None:
        raise ValueError("Parquet needs pyarrow: pip install -e '.[documents]'")
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        _check_columns(file.schema_arrow.names, columns)
        number = 0
        for batch in file.iter_batches(batch_size=256, columns=list(columns)):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _reason(error: Exception) -> str:
    """What was wrong with a table, in a line."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8: save it so, or name its encoding: {path: …, encoding: cp1252}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = " ".join(str(error).split())
    return said if said.endswith((NAME, "'.[documents]'")) else f"it is damaged: {said}"
