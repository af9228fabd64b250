"""A general corpus as shards: pieces of files that are read by themselves, in constant memory.

A shard is a range of bytes of lines of JSON, a range of row groups of Parquet, or a whole file of
another kind. Rows are numbered from 1 within their shard; `Scores.name` numbers them in their file.
"""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib import util
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from retrieval import corpora, rows, tables
from retrieval.formats import Refused
from retrieval.rows import Broken, Row
from retrieval.selection import addresses
from retrieval.selection.addresses import Remote

PIECE = 64_000_000  # bytes of a shard, about
BATCH = 400_000  # characters that are handed on at once: what the processor's cache holds
LONGEST_LINE = 200_000_000  # bytes
BLOCK = 1 << 20  # bytes read at once
PACKED = (".gz", ".zst")
LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"
SHOWN = 3  # examples that are kept for each reason to leave something out
DAMAGE = (*rows.DAMAGE, EOFError, zlib.error)  # with what unpacking raises


PACKAGES = {
    "sklearn": "scikit-learn", "pyarrow": "pyarrow", "orjson": "orjson", "datasketch": "datasketch",
}  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """A piece of a source: bytes or row groups from `start` to `end`.

    `name` is what its source is called; `first` says whether it begins its file.
    """

    name: str
    source: SourceConfig
    path: str | None = None  # in the file system of its source; None for a dataset of a hub
    folder: str = "."  # of the domain, which a dataset of a hub may lie in
    start: int = 0
    end: int = 0
    size: int = 0  # bytes to read, about; 0 where nobody knows
    first: bool = True
    changed: int = 0  # nanoseconds since 1970; 0 where nobody knows

    def open(self) -> IO[bytes]:
        """Open its file, which is no dataset of a hub, to read bytes.

        Raises:
            UserError: its file system cannot be reached.
        """
        if addresses.is_address(self.source):
            raw = addresses.File(str(self.source.path), str(self.path))
            return io.BufferedReader(raw, BLOCK)
        return Path(str(self.path)).open("rb", buffering=BLOCK)

    @property
    def packed(self) -> bool:
        """Whether the file is packed as a whole."""
        return str(self.path).lower().endswith(PACKED)

    @property
    def kind(self) -> str:
        """The suffix that says how it is read, without that of packing."""
        path = Path(self.path or "")
        return (path.with_suffix("") if self.packed else path).suffix.lower()

    @property
    def column(self) -> str:
        """The column that holds the text."""
        return self.source.text or tables.TEXT


@dataclass
class LeftOut:
    """What was left out: counts by reason, and the first few examples of each."""

    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @staticmethod
    def merged(parts: "Iterable[LeftOut]") -> "LeftOut":
        """Return the counts and examples of several together."""
        whole = LeftOut()
        for part in parts:
            whole.left_out.update(part.left_out)
            for reason, examples in part.examples.items():
                whole.examples[reason] = [*whole.examples.get(reason, ()), *examples][:SHOWN]
        return whole

    def leave_out(self, reason: str, example: str) -> None:
        """Count something that is left out."""
        self.left_out[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < SHOWN:
            examples.append(example)

    def summary(self) -> str:
        """Return the counts in a line, with an example each."""
        counts = self.left_out.items()
        return "; ".join(f"{n} {reason} ({self.examples[reason][0]})" for reason, n in counts)


@dataclass
class Counts(LeftOut):
    """What is counted in a shard: rows, documents, bytes of text, and rows left out."""

    read: int = 0  # bytes of the file
    rows: int = 0
    documents: int = 0
    bytes: int = 0
    seconds: float = 0.0  # of processor time that scoring took


class CorpusText(NamedTuple):
    """A text with its row, from 1 within its shard, and its part, from 1 where it was cut."""

    row: int
    part: int
    text: str


def missing_package() -> str:
    """Return what to say where a package that selecting needs is missing; "" where none is."""
    missing = [name for package, name in PACKAGES.items() if util.find_spec(package) is None]
    return f"selecting text needs {missing[0]}: pip install -e '.[select]'" if missing else ""


def find(
    sources: Iterable[SourceConfig], folder: Path, key: str
) -> tuple[list[Shard], list[Refused]]:
    """Return all shards of the sources in order, and the files that cannot be read.

    Raises:
        UserError: a source does not exist, or is of a kind that cannot be read here.
    """
    shards: list[Shard] = []
    refused: list[Refused] = []
    for source in map(addresses.localised, sources):
        if source.loader is not None:
            raise UserError(f"{key}: give paths or hf: here, not the loader {source.loader!r}")
        if source.hf is not None:
            shards.append(Shard(tables.named(source), source, None, str(folder)))
            continue
        for file in _files(source, folder, key):
            if isinstance(file, Refused):
                refused.append(file)
                continue
            try:
                shards += _pieces(_whole(file, source))
            except DAMAGE as error:
                refused.append(Refused(file.source, rows.damage(error)))
    return shards, refused


def texts(
    shard: Shard, longest: int, counts: Counts, wanted: Container[int] | None = None
) -> Iterator[list[CorpusText]]:
    """Yield the texts of a shard in batches; `counts` is told what is read and what is left out.

    A text of more than `longest` characters comes in parts. Where a file is damaged, what stands
    before the damage comes, and then the reason is counted.

    Args:
        wanted: numbers of the rows to read; all, where none are given.

    Raises:
        UserError: a hub broke off, or a file is gone.
    """
    batch: list[CorpusText] = []
    size = 0
    try:
        for row, text in _usable(shard, counts, wanted):
            counts.documents += 1
            for part, cut in enumerate(parts(text, longest), 1):
                batch.append(CorpusText(row, part, cut))
                size += len(cut)
                if size >= BATCH:
                    yield batch
                    batch, size = [], 0
    except DAMAGE as error:
        if shard.path is None or isinstance(error, FileNotFoundError):
            # It may be whole at the next try: then it must not count as read.
            raise UserError(
                f"{shard.name} broke off: {rows.damage(error)}; the same command goes on"
            ) from error
        counts.leave_out("damaged file", f"{shard.name}: {rows.damage(error)}")
    yield batch


def parts(text: str, longest: int) -> Iterator[str]:
    """Yield a text in parts of at most `longest` characters.

    It is cut where a paragraph, a line or a word ends.
    """
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
    """Return about `size` bytes of a shard; of the rest, the share `at` comes before them."""
    if shard.kind not in (*LINES, PARQUET) or shard.packed or shard.size <= size:
        return shard
    width = shard.end - shard.start
    length = max(1, int(width * size / shard.size))
    start = shard.start + int(at * (width - length))
    return replace(shard, start=start, end=start + length)


def _files(
    source: SourceConfig, folder: Path, key: str
) -> Iterator[corpora.File | Remote | Refused]:
    if addresses.is_address(source):
        return addresses.files(source, key)
    return corpora.files(source, folder, key)


def _whole(file: corpora.File | Remote, source: SourceConfig) -> Shard:
    """Return a whole file as a shard."""
    if isinstance(file, Remote):
        path, size, changed = file.path, file.size, file.changed
    else:
        path, status = str(file.path), file.path.stat()
        size, changed = status.st_size, status.st_mtime_ns
    return Shard(file.source, source, path, end=size, size=size, changed=changed)


def _pieces(shard: Shard) -> list[Shard]:
    """Return the pieces of a whole file; ValueError where it cannot be read."""
    if shard.kind == PARQUET:
        if shard.packed:
            raise ValueError("Parquet is packed within itself: unpack the file")
        return _row_groups(shard)
    if shard.kind not in _READERS:
        raise ValueError(f"no reader for {shard.kind or 'files without a suffix'}")
    if shard.packed or shard.kind not in LINES:
        return [shard]
    size = shard.size
    return [
        replace(shard, start=start, end=end, size=end - start, first=start == 0)
        for start, end in pairwise((*range(0, max(size, 1), PIECE), size))
    ]


def _row_groups(shard: Shard) -> list[Shard]:
    from pyarrow import parquet

    with shard.open() as raw, rows.arrow(), parquet.ParquetFile(raw) as file:
        rows.check_columns(file.schema_arrow.names, [shard.column])
        groups = range(file.metadata.num_row_groups)
        sizes = [file.metadata.row_group(n).total_byte_size for n in groups]
    shards, start, size = [], 0, 0
    for n in groups:
        size += sizes[n]
        if size >= PIECE or n == groups[-1]:
            shards.append(replace(shard, start=start, end=n + 1, size=size, first=start == 0))
            start, size = n + 1, 0
    return shards


def _usable(
    shard: Shard, counts: Counts, wanted: Container[int] | None
) -> Iterator[tuple[int, str]]:
    """Yield the text of every usable row of a shard with its number."""
    import orjson

    column, encoding, is_json = shard.column, shard.source.encoding, shard.kind in LINES
    for number, row in enumerate(_rows(shard, counts), 1):
        counts.rows = number
        if wanted is not None and number not in wanted:
            continue
        place = f"{shard.name}, row {number}"
        if is_json and isinstance(row, bytes):
            row = rows.parsed(row, encoding, orjson.loads)
        if isinstance(row, dict):
            row = row[column] if column in row else Broken("wrong columns", f"no {column!r}")
        if isinstance(row, Broken):
            counts.leave_out(row.reason, f"{place}: {row.detail}")
        elif row is not None and not isinstance(row, str):
            counts.leave_out("no text in the column", f"{place}: {type(row).__name__}")
        elif not row or row.isspace():
            counts.leave_out("empty", place)
        else:
            try:
                counts.bytes += len(row) if row.isascii() else len(row.encode())
            except UnicodeEncodeError as error:  # surrogates, which are no characters
                broken = rows.undecodable(encoding, f"character {error.start}")
                counts.leave_out(broken.reason, f"{place}: {broken.detail}")
            else:
                yield number, row


def _rows(shard: Shard, counts: Counts) -> Iterator[Any]:
    """Yield every row: a line of JSON, columns, a text alone, None, or what is wrong with it."""
    if shard.path is None:
        yield from (row for _, row in tables.hub_rows(shard.source, Path(shard.folder)))
    elif shard.kind == PARQUET:
        yield from _parquet(shard, counts)
    else:
        with shard.open() as raw:
            yield from _READERS[shard.kind](shard, raw, counts)


def _json_lines(shard: Shard, raw: IO[bytes], counts: Counts) -> Iterator[bytes | Broken]:
    """Yield the lines of JSON that begin in the shard."""
    file, place = _unpacked(shard, raw), shard.start
    if place:
        file.seek(place - 1)  # a line that begins right at the start is the shard's
        place += rows.skip_line(file) - 1
    lines, packed = rows.lines(file, LONGEST_LINE), shard.packed
    while (packed or place < shard.end) and (line := next(lines, None)):
        size, content = line
        place += size
        yield content
        counts.read = raw.tell() if packed else place - shard.start


def _plain(shard: Shard, raw: IO[bytes], counts: Counts) -> Iterator[str]:
    """Yield a file of text in blocks of about a million characters that end with a line."""
    file = _decoded(shard, raw, None)
    while block := file.read(BLOCK):
        block += file.readline(BLOCK)
        counts.read = raw.tell()
        yield block


def _separated(shard: Shard, raw: IO[bytes], counts: Counts) -> Iterator[Row | Broken]:
    file = _decoded(shard, raw, "")
    separator = shard.source.separator
    for row in rows.separated(file, shard.kind, [shard.column], LONGEST_LINE, separator):
        counts.read = raw.tell()
        yield row


_READERS: dict[str, Callable[..., Iterator[Any]]] = {
    ".jsonl": _json_lines, ".ndjson": _json_lines, ".txt": _plain, ".csv": _separated,
    ".tsv": _separated,
}  # fmt: skip


def _parquet(shard: Shard, counts: Counts) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    with shard.open() as raw, rows.arrow(), parquet.ParquetFile(raw) as file:
        for group in range(shard.start, shard.end):
            for batch in file.iter_batches(256, row_groups=[group], columns=[shard.column]):
                values = batch.column(0)
                try:
                    yield from values.to_pylist()
                except UnicodeDecodeError:
                    for value in values.cast(pyarrow.binary()).to_pylist():
                        yield None if value is None else value.decode(errors="surrogateescape")
            counts.read = (group + 1 - shard.start) * shard.size // (shard.end - shard.start)


def _unpacked(shard: Shard, raw: IO[bytes]) -> Any:
    """Return a file of bytes, unpacked as it is read."""
    if not shard.packed:
        return raw
    if str(shard.path).lower().endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), BLOCK)
    import pyarrow

    return io.BufferedReader(pyarrow.CompressedInputStream(raw, "zstd"), BLOCK)


def _decoded(shard: Shard, raw: IO[bytes], newline: str | None) -> IO[str]:
    """Return a file of text; what cannot be decoded comes as surrogates."""
    encoding = shard.source.encoding or "utf-8-sig"
    return io.TextIOWrapper(
        _unpacked(shard, raw), encoding=encoding, errors="surrogateescape", newline=newline
    )
