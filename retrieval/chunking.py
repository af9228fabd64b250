"""Splits documents into passages with exact character spans and their heading path.

A passage never crosses a heading; a section too long for one passage is cut at paragraphs, then
lines, sentences, and words. Where a table is cut, the names of its columns join the heading path.
"""

import itertools
import re
from collections.abc import Iterator

from langchain_text_splitters import RecursiveCharacterTextSplitter

from elenchus.records import Document, Passage

_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_FENCED = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_TABLE_ROW = re.compile(r"^\|.*\|[ \t]*$")
CELLS = " | "  # stands between the names of a table's columns, in a heading path
_SEPARATORS = ["\n\n", "\n", ". ", "; ", ", ", " ", ""]


def split(document: Document, longest: int) -> list[Passage]:
    """The passages of a document, none longer than `longest` characters, in reading order.

    What stands twice under one heading, word for word, is one passage, where it stands first.
    """
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=longest,
        chunk_overlap=0,
        separators=_SEPARATORS,
        keep_separator="end",
        add_start_index=True,
        strip_whitespace=True,
    )
    passages: dict[str, Passage] = {}
    for heading, start, end in _sections(document.text):
        for piece in splitter.create_documents([document.text[start:end]]):
            text = piece.page_content
            first = start + piece.metadata["start_index"]
            passage = Passage(
                document_id=document.id,
                source=document.source,
                start=first,
                end=first + len(text),
                heading=(*heading, *_columns(document.text, start, first)),
                text=text,
            )
            passages.setdefault(passage.id, passage)
    return list(passages.values())


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Heading path, start and end of each stretch of text between two headings."""
    path: list[str] = []
    start = 0
    for mark in _headings(text):
        yield tuple(filter(None, path)), start, mark.start()
        depth = len(mark[1])
        path = [*path[: depth - 1], *[""] * (depth - 1 - len(path)), mark[2]]
        start = mark.end()
    yield tuple(filter(None, path)), start, len(text)


def _headings(text: str) -> Iterator[re.Match[str]]:
    fenced = [match.span() for match in _FENCED.finditer(text)]
    for mark in _HEADING.finditer(text):
        if not any(start <= mark.start() < end for start, end in fenced):
            yield mark


def _columns(text: str, start: int, first: int) -> tuple[str, ...]:
    """The names of a table's columns, for a passage that begins with a later row of it."""
    line, _, _ = text[first:].partition("\n") if text[first] == "|" else ("", "", "")
    if not _TABLE_ROW.match(line):
        return ()
    above = text[start:first].rstrip("\n").split("\n")
    rows = list(itertools.takewhile(_TABLE_ROW.match, reversed(above)))
    if len(rows) < 2:  # names and the rule below them
        return ()
    return (CELLS.join(cell.strip() for cell in rows[-1].strip().strip("|").split("|")),)
