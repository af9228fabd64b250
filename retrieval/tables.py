"""Documents from the rows of tables: CSV, TSV, JSON lines, Parquet, SQuAD, datasets of a hub.

Rows are read one after another, so a table may be larger than memory.
"""

import codecs
import json
from collections.abc import Iterator, Sequence
from importlib import util
from itertools import islice
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.records import Document
from elenchus.sections import SourceConfig
from retrieval import rows, squad
from retrieval.formats import Refused
from retrieval.rows import DAMAGE, NAME, Broken, Row

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LONGEST_LINE = 50_000_000  # bytes
TEXT = "text"  # the column taken where none is named
Numbered = Iterator[tuple[int, Row | Broken]]  # rows from 1


def documents(
    source: SourceConfig, folder: Path, path: Path | None, name: str
) -> Iterator[Document | Refused]:
    """Yield a document for each row of a table; a row without one is refused with its number.

    Where a table is damaged, what stands before the damage comes, and then the reason.

    Args:
        path: the file; None for a dataset of a hub, or of one in `folder`.
        name: what the table is called.

    Raises:
        UserError: the dataset cannot be had.
    """
    row = None
    try:
        for number, row in _rows(source, _columns(source), folder, path):
            yield _document(row, number, name, source)
    except DAMAGE as error:
        yield Refused(name, _damage(error))
        return
    if row is None:
        yield Refused(name, "there is no row in it")


def is_table(path: Path, source: SourceConfig) -> bool:
    """Tell whether a file is a table; JSON is one where the source names a column of its text."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (suffix == squad.SUFFIX and source.text is not None)


def named(source: SourceConfig) -> str:
    """Return what a table is called in places and messages: train.csv, hf:name/split."""
    return f"hf:{source.hf}/{source.split}" if source.hf else Path(str(source.path)).name


def placed_rows(
    source: SourceConfig, columns: Sequence[str], folder: Path, key: str
) -> Iterator[tuple[str, Row | str]]:
    """Yield every row of a table, or what is wrong with it, with its place (train.csv#12).

    Args:
        key: the setting that names the table, for messages.

    Raises:
        UserError: the source is no table, or cannot be read on.
    """
    if source.loader is not None:
        raise UserError(f"{key}: a table is named by path or hf, not by loader")
    path = None if source.path is None else folder / source.path
    if path is not None and path.suffix.lower() not in (known := (*SUFFIXES, squad.SUFFIX)):
        raise UserError(f"{key}: {source.path} is no table; one of {', '.join(known)}")
    try:
        for number, row in _rows(source, columns, folder, path):
            yield f"{named(source)}#{number}", row.detail if isinstance(row, Broken) else row
    except DAMAGE as error:
        said = rows.damage(error).removesuffix(f": {NAME}")  # which the setting itself says better
        raise UserError(f"{key}: cannot read {named(source)}: {said}") from error


def hub_rows(source: SourceConfig, folder: Path) -> Iterator[tuple[int, Row]]:
    """Return the rows of a dataset of the hub, or of one in a folder, with numbers from 1.

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


def _rows(
    source: SourceConfig, columns: Sequence[str], folder: Path, path: Path | None
) -> Numbered:
    """Return the rows of a table, up to the number that its source allows."""
    if path is None:
        return hub_rows(source, folder)
    readers = {".parquet": _parquet, ".csv": _separated, ".tsv": _separated, squad.SUFFIX: _squad}
    read = readers.get(path.suffix.lower(), _json_lines)
    return islice(read(path, columns, source), source.rows)


def _json_lines(path: Path, columns: Sequence[str], source: SourceConfig) -> Numbered:
    with path.open("rb") as file:
        for number, (_, line) in enumerate(rows.lines(file, LONGEST_LINE), 1):
            row = line if isinstance(line, Broken) else rows.parsed(line, source.encoding, _loads)
            if row is not None:
                yield number, row


def _loads(line: bytes | str) -> Any:
    text = line if isinstance(line, str) else line.decode()
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")


def _separated(path: Path, columns: Sequence[str], source: SourceConfig) -> Numbered:
    kind = path.suffix.lower()
    with path.open("rb") as file:
        marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    usual = "utf-16" if marked else "utf-8-sig"
    with path.open(encoding=source.encoding or usual, newline="") as file:
        read = rows.separated(file, kind, columns, LONGEST_LINE, source.separator, source.columns)
        yield from enumerate(read, 1)


def _parquet(path: Path, columns: Sequence[str], source: SourceConfig) -> Numbered:
    if util.find_spec("pyarrow") is None:
        raise ValueError("Parquet needs pyarrow: pip install -e '.[documents]'")
    from pyarrow import parquet

    with rows.arrow(), parquet.ParquetFile(path) as file:
        rows.check_columns(file.schema_arrow.names, columns)
        batches = file.iter_batches(batch_size=256, columns=list(columns))
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)


def _squad(path: Path, columns: Sequence[str], source: SourceConfig) -> Numbered:
    yield from enumerate(squad.rows(path, columns), 1)


def _document(
    row: Row | Broken, number: int, name: str, source: SourceConfig
) -> Document | Refused:
    place = f"{name}#{number}"
    if isinstance(row, Broken):
        return Refused(place, row.detail)
    if missing := [column for column in _columns(source) if column not in row]:
        return Refused(place, rows.no_column(missing[0], row))
    column = ""
    said: dict[str, str] = {}
    try:
        for column in _columns(source):
            said[column] = rows.as_text(row[column])
    except ValueError as error:
        return Refused(place, f"the column {column!r} holds {error}")
    if source.id is not None:
        place = f"{name}#{said[source.id]}"
    text = said[column := source.text or TEXT]
    if not text.strip():
        return Refused(place, f"nothing in the column {column!r}")
    title = (said[source.title] if source.title else "") or place
    return Document(source=place, title=title, text=text.replace("\r\n", "\n"))


def _columns(source: SourceConfig) -> list[str]:
    return [column for column in (source.text or TEXT, source.title, source.id) if column]


def _damage(error: Exception) -> str:
    """Return what is wrong with a table, in a line."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8: save it so, or name its encoding: {path: …, encoding: cp1252}"
    said = rows.damage(error)
    whole = bool(isinstance(error, OSError) and error.strerror) or said.endswith(
        (NAME, "'.[documents]'")
    )
    return said if whole else f"it is damaged: {said}"
