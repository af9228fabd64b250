"""A general corpus as shards: pieces of files that are read by themselves, in constant memory.

A shard is a range of bytes of lines of JSON, a range of row groups of Parquet, or a whole file of
another kind. A row's number counts within its shard; `Shard.of_file` is where the file's begins.
"""

import codecs
import csv
import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import util
from pathlib import Path
from typing import IO, Any, NamedTuple

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from retrieval import corpora, tables
from retrieval.formats import Refused

PIECE = 64_000_000  # bytes of a shard, about
BATCH = 400_000  # characters that are handed on at once: what the processor's cache holds
LONGEST_LINE = 200_000_000  # bytes
BLOCK = 1 << 20  # bytes read at once
PACKED = (".gz", ".zst")
LINES, TEXT, SEPARATED, PARQUET = (".jsonl", ".ndjson"), (".txt",), (".csv", ".tsv"), (".parquet",)
SHOWN = 3  # examples of rows left out that are kept, for each reason
NEEDED = "pip install -e '.[select]'"
# What reading a damaged file raises: of packing, of encodings, of csv and of pyarrow.
DAMAGE = (OSError, EOFError, zlib.error, csv.Error, ValueError, LookupError, TypeError)


@dataclass(frozen=True)
class Shard:
    """A piece of a source: bytes or row groups from `start` to `end`.

    `name` is what its source is called; `first` says whether it begins its file.
    """

    name: str
    source: SourceConfig
    path: str | None = None
    folder: str = "."  # of the domain, which a dataset of a hub may lie in
    start: int = 0
    end: int = 0
    size: int = 0  # bytes to read, about; 0 where nobody knows
    first: bool = True
    wanted: frozenset[int] | None = None  # rows to read; all, where none is given

    @property
    def kind(self) -> str:
        """The suffix that says how it is read, without that of packing."""
        path = Path(self.path or "")
        return (path.with_suffix("") if _packed(self) else path).suffix.lower()


@dataclass
class Counts:
    """What a shard held: rows, bytes of text, and rows left out, by reason with examples."""

    read: int = 0  # bytes of the file
    rows: int = 0
    documents: int = 0
    bytes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, example: str) -> None:
        """Count a row that cannot be used; the first few of a reason are named."""
        self.left_out[reason] += 1
        named = self.examples.setdefault(reason, [])
        if len(named) < SHOWN:
            named.append(example)


class Broken(NamedTuple):
    """A row that cannot be read: the reason, which is counted, and what exactly is wrong."""

    reason: str
    detail: str


class Text(NamedTuple):
    """A text with its row, from 1 within its shard, and its part, from 1 where it was cut."""

    row: int
    part: int
    text: str


def found(
    sources: Sequence[SourceConfig], folder: Path, key: str
) -> tuple[list[Shard], list[Refused]]:
    """All shards of the sources in order, and the files that cannot be read.

    Raises:
        UserError: a source does not exist, or is of a kind that cannot be read here.
    """
    shards: list[Shard] = []
    refused: list[Refused] = []
    for source in sources:
        if source.loader is not None:
            raise UserError(f"{key}: give paths or hf: here, not the loader {source.loader!r}")
        if source.hf is not None:
            shards.append(Shard(f"hf:{source.hf}/{source.split}", source, None, str(folder)))
            continue
        for item in corpora.files(source, folder, key):
            try:
                shards += [] if isinstance(item, Refused) else _pieces(item, source)
            except DAMAGE as error:
                item = Refused(item.source, _reason(error))
            if isinstance(item, Refused):
                refused.append(item)
    return shards, refused


def texts(shard: Shard, longest: int, counts: Counts) -> Iterator[list[Text]]:
    """The texts of a shard in batches; `counts` is told what is read and what is left out.

    A text of more than `longest` characters comes in parts. Where a file is damaged, what stands
    before the damage comes, and then the reason is counted.

    Raises:
        UserError: a hub broke off, or a file is gone.
    """
    batch: list[Text] = []
    size = 0
    try:
        for row, text in _rows(shard, counts):
            counts.documents += 1
            for part, cut in enumerate(parts(text, longest), 1):
                batch.append(Text(row, part, cut))
                size += len(cut)
                if size >= BATCH:
                    yield batch
                    batch, size = [], 0
    except DAMAGE as error:
        if shard.path is None or isinstance(error, FileNotFoundError):
            # It may be whole at the next try: then it must not count as read.
            raise UserError(
                f"{shard.name} broke off: {_reason(error)}; the same command goes on"
            ) from error
        counts.leave_out("damaged file", f"{shard.name}: {_reason(error)}")
    yield batch


def parts(text: str, longest: int) -> Iterator[str]:
    """A text in parts of at most `longest` characters, cut where a paragraph, line or word ends."""
    start = 0
    while len(text) - start > longest:
        least, most = start + longest // 2, start + longest
        ends = (text.rfind(mark, least, most) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((end for end in ends if end > least), most)
        yield text[start:end]
        start = end
    rest = text[start:]
    if not start or rest.strip():
        yield rest


def piece(shard: Shard, size: int, at: float) -> Shard:
    """About `size` bytes of a shard, from the share `at` of what may be left out before it."""
    if shard.kind not in (*LINES, *PARQUET) or _packed(shard) or shard.size <= size:
        return shard
    width = shard.end - shard.start
    kept = max(1, int(width * size / shard.size))
    start = shard.start + int(at * (width - kept))
    return replace(shard, start=start, end=start + kept)


def _pieces(file: corpora.File, source: SourceConfig) -> list[Shard]:
    size = file.path.stat().st_size
    shard = Shard(file.source, source, str(file.path), end=size, size=size)
    if shard.kind not in (*LINES, *TEXT, *SEPARATED, *PARQUET):
        raise ValueError(f"no reader for {shard.kind or 'files without a suffix'}")
    if _packed(shard) and shard.kind in PARQUET:
        raise ValueError("Parquet is packed within itself: unpack the file")
    if file.path.suffix.lower() == ".zst" or shard.kind in PARQUET:
        _needs("pyarrow")
    if shard.kind in PARQUET:
        return _row_groups(shard)
    if shard.kind in LINES and not _packed(shard):
        starts = range(0, max(size, 1), PIECE)
        return [_range(shard, start, min(start + PIECE, size), PIECE) for start in starts]
    return [shard]


def _range(shard: Shard, start: int, end: int, size: int) -> Shard:
    return replace(shard, start=start, end=end, size=min(size, end - start), first=start == 0)


def _row_groups(shard: Shard) -> list[Shard]:
    from pyarrow import parquet

    with parquet.ParquetFile(shard.path) as file:
        meta, column = file.metadata, shard.source.text or tables.TEXT
        if column not in file.schema_arrow.names:
            known = ", ".join(file.schema_arrow.names)
            raise ValueError(f"no column {column!r} among {known}: {tables.NAME}")
        sizes = [meta.row_group(n).total_byte_size for n in range(meta.num_row_groups)]
    found, start, whole = [], 0, 0
    for n, size in enumerate(sizes):
        whole += size
        if whole >= PIECE or n == len(sizes) - 1:
            part = replace(shard, start=start, end=n + 1, size=whole, first=start == 0)
            found.append(part)
            start, whole = n + 1, 0
    return found


def _rows(shard: Shard, counts: Counts) -> Iterator[tuple[int, str]]:
    """Every usable row of a shard with its number."""
    column = shard.source.text or tables.TEXT
    for number, row in _all_rows(shard, counts):
        counts.rows = number
        if shard.wanted is not None and number not in shard.wanted:
            continue
        place = f"{shard.name}, row {number}"
        if isinstance(row, dict):
            row = row[column] if column in row else Broken("wrong columns", f"no {column!r}")
        if isinstance(row, Broken):
            counts.leave_out(row.reason, f"{place}: {row.detail}")
        elif row is not None and not isinstance(row, str):
            counts.leave_out("no text in the column", f"{place}: {type(row).__name__}")
        elif not row or row.isspace():
            counts.leave_out("empty", place)
        else:
            counts.bytes += len(row) if row.isascii() else len(row.encode("utf-8", "replace"))
            yield number, row


def _all_rows(shard: Shard, counts: Counts) -> Iterator[tuple[int, Any]]:
    """Every row: a mapping of columns, its text alone, or what is wrong with it."""
    if shard.path is None:
        yield from tables.hub_rows(shard.source, Path(shard.folder))
    elif shard.kind in PARQUET:
        yield from enumerate(_parquet(shard, counts), 1)
    else:
        read = {LINES: _lines, TEXT: _plain, SEPARATED: _separated}
        kinds = next(kinds for kinds in read if shard.kind in kinds)
        with Path(shard.path).open("rb", buffering=BLOCK) as raw:
            yield from enumerate(read[kinds](shard, raw, counts), 1)


def _lines(shard: Shard, raw: IO[bytes], counts: Counts) -> Iterator[Any]:
    """The lines of JSON that begin in the shard."""
    file, packed, encoding = _unpacked(shard, raw), _packed(shard), shard.source.encoding
    at, number = shard.start, 0
    if at:
        file.seek(at - 1)  # a line that begins right at the start is the shard's own
        at += _skipped(file) - 1
    while (packed or at < shard.end) and (line := file.readline(LONGEST_LINE)):
        at += len(line)
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            number += 1
            at += _skipped(file)
            yield Broken("too long a line", f"over {LONGEST_LINE / 1e6:.0f} MB")
        else:
            number += 1
            unread = shard.wanted is not None and number not in shard.wanted
            yield None if unread else _parsed(line, encoding)
        counts.read = raw.tell() if packed else at - shard.start


def _parsed(line: bytes, encoding: str | None) -> Any:
    """A row of a line of JSON; None for one with nothing in it."""
    import orjson

    try:
        row = orjson.loads(line if encoding is None else line.decode(encoding))
    except UnicodeDecodeError as error:
        return Broken("wrong encoding", f"not {encoding} (byte {error.start})")
    except orjson.JSONDecodeError as error:
        if line.isspace():
            return None
        if line.startswith(codecs.BOM_UTF8):
            return _parsed(line.removeprefix(codecs.BOM_UTF8), encoding)
        return _unparsed(line, encoding, str(error))
    return row if row is None or isinstance(row, dict) else Broken("broken JSON", "no JSON object")


def _unparsed(line: bytes, encoding: str | None, said: str) -> Broken:
    try:
        line.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        return Broken("wrong encoding", f"not UTF-8 (byte {error.start})")
    return Broken("broken JSON", said)


def _skipped(file: IO[bytes]) -> int:
    """Read on to the next line, in bounded memory; how many bytes that was."""
    count = 0
    while rest := file.readline(BLOCK):
        count += len(rest)
        if rest.endswith(b"\n"):
            break
    return count


def _plain(shard: Shard, raw: IO[bytes], counts: Counts) -> Iterator[Any]:
    """A file of text in blocks of about a million characters that end with a line."""
    file = _decoded(shard, raw, None)
    while block := file.read(BLOCK):
        block += file.readline(BLOCK)
        counts.read = raw.tell()
        yield _checked(block, shard)


def _separated(shard: Shard, raw: IO[bytes], counts: Counts) -> Iterator[Any]:
    csv.field_size_limit(min(sys.maxsize, LONGEST_LINE))
    file, column = _decoded(shard, raw, ""), shard.source.text or tables.TEXT
    reader = csv.DictReader(file, dialect="excel-tab" if shard.kind == ".tsv" else "excel")
    if column not in (known := reader.fieldnames or ()):
        raise ValueError(f"no column {column!r} among {', '.join(known)}: {tables.NAME}")
    for row in reader:
        counts.read = raw.tell()
        if None in row or None in row.values():
            yield Broken("broken row", "not as many cells as the first line")
        else:
            yield _checked(row[column], shard)


def _checked(text: str, shard: Shard) -> Any:
    """A text, unless bytes of it could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return Broken(
            "wrong encoding", f"not {shard.source.encoding or 'UTF-8'} (character {error.start})"
        )
    return text


def _parquet(shard: Shard, counts: Counts) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    column = shard.source.text or tables.TEXT
    with parquet.ParquetFile(shard.path) as file:
        for group in range(shard.start, shard.end):
            batches = file.iter_batches(batch_size=256, row_groups=[group], columns=[column])
            for batch in batches:
                values = batch.column(0)
                try:
                    yield from values.to_pylist()
                except UnicodeDecodeError:
                    yield from map(_utf8, values.cast(pyarrow.binary()).to_pylist())
            counts.read = (group + 1 - shard.start) * shard.size // (shard.end - shard.start)


def _utf8(value: bytes | None) -> Any:
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError as error:
        return Broken("wrong encoding", f"not UTF-8 (byte {error.start})")


def _unpacked(shard: Shard, raw: IO[bytes]) -> Any:
    """A file of bytes, unpacked as it is read."""
    suffix = Path(str(shard.path)).suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), BLOCK)
    if suffix == ".zst":
        import pyarrow

        return io.BufferedReader(pyarrow.CompressedInputStream(raw, "zstd"), BLOCK)
    return raw


def _decoded(shard: Shard, raw: IO[bytes], newline: str | None) -> IO[str]:
    """A file of text; what cannot be decoded comes as surrogates, which are no characters."""
    encoding = shard.source.encoding or "utf-8-sig"
    return io.TextIOWrapper(
        _unpacked(shard, raw), encoding=encoding, errors="surrogateescape", newline=newline
    )


def _packed(shard: Shard) -> bool:
    return str(shard.path).lower().endswith(PACKED)


def _needs(package: str) -> None:
    if util.find_spec(package) is None:
        raise UserError(f"the general corpus needs {package}: {NEEDED}")


def _reason(error: Exception) -> str:
    """What is wrong with a file, in a line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__
