"""The parsers of what others wrote, and what each of them may make of it.

A parser takes bytes and returns, or raises the one error that it is documented to raise. What it
returns is used as the program uses it, since a value that cannot be kept is a failure, too.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents import examiner, expert, indicators, judge
from benchmarks.fuzzing import files, samples
from benchmarks.fuzzing.server import Asked
from elenchus.errors import UserError
from elenchus.loading import as_change, as_source
from elenchus.records import Document
from elenchus.sections import SourceConfig
from graphs import config, hand_exam
from models import replies, structured, usage
from models.markup import arguments
from models.protocol import refusal, reply_of
from models.reasoning import without_reasoning
from retrieval import chunking, formats, tables
from retrieval.formats import Unreadable, archives
from retrieval.selection import shards

EXPANDED = 20_000_000  # bytes that an archive may unpack to
PASSAGE = 600  # characters
SLOW = (".pptx", ".epub")  # a tenth of a second each
SCHEMAS: tuple[type[BaseModel], ...] = (
    examiner.Survey, judge.Grading, expert.Reply, indicators.Lost
)  # fmt: skip


class Unlawful(Exception):
    """A parser returned what it must not return."""


@dataclass(frozen=True)
class Parser:
    """A parser with what it takes.

    Attributes:
        read: gets the input and a folder of its own, and uses the value.
        refuses: the errors that it is documented to raise, each with a message of one line.
        packed: whether its samples are zips.
        suffix: of a file that is read in a process of its own (`retrieval.formats.apart`), where
            libraries may raise anything, never end, or take all the memory; "" for others.
        weight: how often it is taken, beside the others of its target.
    """

    read: Callable[[bytes, Path], object]
    refuses: tuple[type[Exception], ...]
    samples: Sequence[bytes]
    tokens: Sequence[bytes]
    packed: bool = False
    suffix: str = ""
    weight: float = 1.0


def target(name: str) -> Mapping[str, Parser]:
    """Return the parsers of a target by name; those whose packages are missing are left out."""
    parsers = TARGETS[name]()
    return {name: parser for name, parser in parsers.items() if any(parser.samples)}


def _reply() -> dict[str, Parser]:
    asked = Asked()
    texts, tokens, unusable = samples.replies(), samples.REPLY_TOKENS, (replies.Unusable,)
    bodies, answers, words = samples.bodies(), samples.answers(), samples.BODY_TOKENS
    return {
        "text": Parser(_text, unusable, texts, tokens, weight=3),
        "body": Parser(_body, (*asked.errors, *unusable), bodies, words, weight=2),
        "answer": Parser(asked.answer, asked.errors, answers, words, weight=0.5),
        "look": Parser(asked.look, (UserError,), answers, words, weight=0.02),
    }


def _text(data: bytes, folder: Path) -> None:
    """Read a reply as a call does: without its reasoning, as an object of a schema it names."""
    said = data.decode(errors="replace")
    named = (s for s in SCHEMAS if any(name in said for name in s.model_fields))
    schema = next(named, SCHEMAS[0])
    text = without_reasoning(said)
    usage.estimate(said)
    json.dumps(arguments(text, schema))
    if replies.was_repaired(text, schema) and not text:
        raise Unlawful("nothing was repaired")
    replies.parse(text, schema).value.model_dump_json().encode()


def _body(data: bytes, folder: Path) -> None:
    """Read the body of an answer, and of an error, and then what it says."""
    body = data.decode(errors="replace")
    error = refusal(400, body)
    str(error).encode(errors="surrogatepass")
    reply = reply_of(body)
    structured.finish_reason(reply)
    said = structured.text_of(reply).encode("utf-8", "replace").decode()
    counted = usage.counted(reply, "sent", said)
    if min(counted.read, counted.written) < 0:
        raise Unlawful(f"tokens: {counted}")
    _text(said.encode(), folder)


def _settings() -> dict[str, Parser]:
    changes, tokens, refuses = samples.changes(), samples.YAML_TOKENS, (UserError,)
    return {
        "file": Parser(_file, refuses, samples.settings(), tokens, weight=2),
        "change": Parser(_change, refuses, changes, tokens),
        "source": Parser(_source, refuses, changes, tokens),
    }


def _file(data: bytes, folder: Path) -> None:
    path = folder / "domain.yaml"
    path.write_bytes(data)
    config.load(path, "quick" if len(data) % 2 else None).model_dump_json().encode()


def _change(data: bytes, folder: Path) -> None:
    tree = as_change(data.decode(errors="surrogateescape"))
    valid = config.validate({"domain": "d", "title": "t"} | tree, "--set")
    valid.model_dump_json().encode()


def _source(data: bytes, folder: Path) -> None:
    as_source(data.decode(errors="surrogateescape")).model_dump_json().encode()


def _tables() -> dict[str, Parser]:
    parsers: dict[str, Parser] = {}
    for suffix, made in (
        (".csv", samples.separated(",") + samples.separated(";")),
        (".tsv", samples.separated("\t")),
        (".jsonl", samples.json_lines()),
        (".parquet", files.parquet()),
    ):
        for name, read in (("rows", _rows), ("corpus", _shards)):
            parsers[f"{name}{suffix}"] = Parser(
                partial(read, suffix), (UserError,), made, samples.TABLE_TOKENS
            )
    exam = samples.hand_exam()
    parsers["exam"] = Parser(_exam, (UserError,), exam, samples.TABLE_TOKENS)
    parsers["sheets"] = _converted(".xlsx", files.workbooks(), files.XML_TOKENS)
    return parsers


def _drawn(data: bytes, path: str) -> SourceConfig:
    """Return settings of a table, which the bytes choose."""
    kinds: list[dict[str, Any]] = [
        {}, {}, {"text": "title", "id": "id"}, {"title": "title"}, {"encoding": "cp1252"},
        {"encoding": "utf-16"}, {"separator": ":"}, {"rows": 2}, {"encoding": "utf-7"},
    ]  # fmt: skip
    return SourceConfig(path=path, **kinds[zlib.crc32(data) % len(kinds)])


def _rows(suffix: str, data: bytes, folder: Path) -> None:
    path = folder / f"table{suffix}"
    path.write_bytes(data)
    source = _drawn(data, path.name)
    for item in tables.documents(source, folder, path, path.name):
        if isinstance(item, Document):
            item.text.encode(errors="surrogatepass")  # which the index refuses with a reason
        else:
            _check_line(item.reason)
    for _, row in tables.placed_rows(source, [source.text or "text"], folder, "key"):
        if isinstance(row, str):
            _check_line(row)


def _shards(suffix: str, data: bytes, folder: Path) -> None:
    """Read a table as a piece of a general corpus; some are packed."""
    packed = {b"\x1f\x8b": ".gz", b"\x28\xb5": ".zst"}.get(data[:2], "")
    path = folder / f"corpus{suffix}{packed}"
    path.write_bytes(data)
    try:
        found, refused = shards.find([_drawn(data, path.name)], folder, "key")
        for item in refused:
            _check_line(item.reason)
        for shard in found:
            counts = shards.Counts()
            for batch in shards.texts(shard, PASSAGE, counts):
                for piece in batch:
                    piece.text.encode()
            _check_line(counts.summary() or "nothing")
    finally:
        path.unlink()


def _exam(data: bytes, folder: Path) -> None:
    path = folder / "exam.jsonl"
    path.write_bytes(data)
    hand_exam.hand_questions(path)


def _archives() -> dict[str, Parser]:
    """Return the check of each kind of archive, and what is done with those that pass it."""
    held = {
        ".docx": (files.docx(),), ".xlsx": files.workbooks(), ".epub": (files.epub(),),
        ".pptx": (files.slides(),),
    }  # fmt: skip
    parsers = {
        f"check{suffix}": Parser(
            partial(_check, suffix), (Unreadable,), made, files.XML_TOKENS, packed=True
        )
        for suffix, made in held.items()
    }
    for suffix, made in held.items():
        parsers[f"read{suffix}"] = _converted(suffix, made, files.XML_TOKENS)
    return parsers


def _check(suffix: str, data: bytes, folder: Path) -> None:
    archives.check(data, suffix, EXPANDED)


def _documents() -> dict[str, Parser]:
    markdown = Parser(partial(_document, ".md"), (Unreadable,), files.texts(), files.MARKUP_TOKENS)
    pdfs = (files.pdf(samples.RULE), files.pdf("Page 1", "Lines ..... 9", samples.RULE, "End"))
    return {
        "markdown": markdown,
        "html": _converted(".html", files.pages(), files.MARKUP_TOKENS, packed=False),
        "pdf": _converted(".pdf", pdfs, files.PDF_TOKENS, packed=False),
        "docx": _converted(".docx", (files.docx(),), files.XML_TOKENS),
        "pptx": _converted(".pptx", (files.slides(),), files.XML_TOKENS),
        "epub": _converted(".epub", (files.epub(),), files.XML_TOKENS),
    }


def _converted(
    suffix: str, made: Sequence[bytes], tokens: Sequence[bytes], packed: bool = True
) -> Parser:
    weight = 0.1 if suffix in SLOW else 1.0
    read = partial(_document, suffix)
    return Parser(read, (Unreadable,), made, tokens, packed, suffix, weight)


def _document(suffix: str, data: bytes, folder: Path) -> None:
    """Read a file as an ingest does, and split it."""
    kinds = (None, None, None, "cp1252", "utf-16")
    encoding = kinds[zlib.crc32(data) % len(kinds)]
    read = formats.read(f"a{suffix}", data, EXPANDED, encoding)
    for part in read.left_out:
        _check_line(part.reason)
    document = Document(source="a", title=chunking.title(read.text) or "a", text=read.text)
    for passage in chunking.split(document, PASSAGE):
        if document.text[passage.start : passage.end] != passage.text:
            raise Unlawful("a passage does not stand where it says")


def _check_line(reason: str) -> None:
    if not reason.strip() or "\n" in reason:
        raise Unlawful(f"no reason in a line: {reason!r}")


TARGETS: Mapping[str, Callable[[], dict[str, Parser]]] = {
    "reply": _reply,
    "settings": _settings,
    "tables": _tables,
    "archives": _archives,
    "documents": _documents,
}
