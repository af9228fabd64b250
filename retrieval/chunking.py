"""Splits documents into passages with exact character spans and their heading path.

A passage never crosses a heading; a section too long for one passage is cut at paragraphs, then
lines, sentences, and words. Where a table is cut, the names of its columns join the heading path.
A heading that nothing stands under, as where clauses are styled so, is a passage itself.
"""

import bisect
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from langchain_text_splitters import RecursiveCharacterTextSplitter

from elenchus.records import Document, Passage

_HEADING = re.compile(
    r"^(#{1,6})[ \t]+(\S.*)$"
    # A line of its own that is underlined; of a list, a quote or a table it is none.
    r"|(?:(?<=\n\n)|\A)[ ]{0,3}(?![-*+>|#=`~])(\S.*)\n[ ]{0,3}(=+|-+)[ \t]*$",
    re.MULTILINE,
)
_ITEM = re.compile(r"\d+[.)][ \t]")  # of a list, or the number of a section
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TITLE = re.compile(r"^title:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~)(.*)$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^\|.*\|[ \t]*$", re.MULTILINE)
CELLS = " | "  # stands between the names of a table's columns, in a heading path
_BAR = re.compile(r"(?<!\\)\|")  # none that is a word of a cell
# Ends of paragraphs, lines, sentences (of Chinese and Japanese, Hindi, Arabic), clauses and words.
_SEPARATORS = [
    "\n\n", "\n", "。", "！", "？", "। ", "؟ ", ". ", "! ", "? ",
    "；", "; ", "؛ ", "，", "、", "، ", ", ", " ", "",
]  # fmt: skip


class Heading(NamedTuple):
    """A heading of Markdown: where it stands, how deep it is, and where its words begin."""

    start: int
    end: int
    depth: int
    title: str
    place: int


class _Section(NamedTuple):
    """A stretch of text with its heading path; `bare` where it is the words of a heading."""

    heading: tuple[str, ...]
    start: int
    end: int
    bare: bool = False


def split(document: Document, longest: int) -> list[Passage]:
    """Split a document into passages of at most `longest` characters, in reading order.

    What stands twice under one heading, word for word, is one passage, where it stands first. A
    document of a title and no more has none.
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
    tables = _tables(document.text)
    for heading, start, end, _ in _sections(document.text):
        for piece in splitter.create_documents([document.text[start:end]]):
            text = piece.page_content
            first = start + piece.metadata["start_index"]
            passage = Passage(
                document_id=document.id,
                source=document.source,
                start=first,
                end=first + len(text),
                heading=(*heading, *_columns(document.text, tables, first)),
                text=text,
            )
            passages.setdefault(passage.id, passage)
    return list(passages.values())


def title(text: str) -> str:
    """Return the title of a document: that of its front matter, or a heading that it begins with.

    "" where it has neither.
    """
    front = _FRONT_MATTER.match(text)
    if front and (named := _TITLE.search(front[0])):
        return named[1].strip("\"'")
    start = front.end() if front else 0
    first = next(headings(text), None)
    return first.title if first and not text[start : first.start].strip() else ""


def _sections(text: str) -> list[_Section]:
    """Return the text between headings, and headings with nothing under them, in order."""
    sections = [s for s in _stretches(text) if text[s.start : s.end].strip()]
    return [] if len(sections) == 1 and sections[0].bare else sections


def _stretches(text: str) -> Iterator[_Section]:
    marks = list(headings(text))
    path: list[str] = []
    yield _Section((), 0, marks[0].start if marks else len(text))
    for mark, following in zip_longest(marks, marks[1:]):
        path = [*path[: mark.depth - 1], *[""] * (mark.depth - 1 - len(path)), mark.title]
        heading, end = tuple(filter(None, path)), following.start if following else len(text)
        deeper = following is not None and following.depth > mark.depth
        if deeper or text[mark.end : end].strip():
            yield _Section(heading, mark.end, end)
        else:  # a heading's words are all there is; its path has them too, for the number in them
            yield _Section(heading, mark.place, mark.place + len(mark.title), bare=True)


def headings(text: str) -> Iterator[Heading]:
    """Yield the headings of a text, those of code and of its front matter left out."""
    front = _FRONT_MATTER.match(text)
    fenced = [(0, front.end())] if front else []
    fenced += [span for span in _fenced(text) if not front or span[0] >= front.end()]
    starts = [start for start, _ in fenced]
    for mark in _HEADING.finditer(text):
        before = bisect.bisect_right(starts, mark.start()) - 1
        if before >= 0 and mark.start() < fenced[before][1]:
            continue
        if mark[1]:
            whole = mark[2].rstrip(" \t")  # without the marks that may close it
            title = whole.rstrip("#").rstrip(" \t") or whole
            yield Heading(mark.start(), mark.end(), len(mark[1]), title, mark.start(2))
        elif not _ITEM.match(mark[3]) or _as_long(mark[3].rstrip(), mark[4]):
            depth = 1 if mark[4][0] == "=" else 2
            yield Heading(mark.start(), mark.end(), depth, mark[3].rstrip(), mark.start(3))


def _as_long(title: str, line: str) -> bool:
    """Tell whether a line underlines a title, and does not divide a list from what follows."""
    return abs(len(title) - len(line)) <= 2


def _fenced(text: str) -> Iterator[tuple[int, int]]:
    """Yield where code begins and ends; a fence that is never closed begins none."""
    fences = list(_FENCE.finditer(text))
    closing = {
        kind: [f.end() for f in fences if f[1] == kind and not f[2].strip(" \t")]
        for kind in ("```", "~~~")
    }
    end = 0
    for fence in fences:
        if fence.start() < end:
            continue
        ends = closing[fence[1]]
        place = bisect.bisect_right(ends, fence.end())
        if place < len(ends):
            end = ends[place]
            yield fence.start(), end


def _tables(text: str) -> list[tuple[int, int]]:
    """Return where tables begin and end: rows one after another."""
    tables: list[tuple[int, int]] = []
    for row in _TABLE_ROW.finditer(text):
        if tables and row.start() == tables[-1][1] + 1:
            tables[-1] = (tables[-1][0], row.end())
        else:
            tables.append(row.span())
    return tables


def _columns(text: str, tables: list[tuple[int, int]], first: int) -> tuple[str, ...]:
    """Return the names of a table's columns, for a passage that begins with a later row of it."""
    place = bisect.bisect_right(tables, (first, len(text))) - 1
    if place < 0 or not tables[place][0] < first < tables[place][1]:
        return ()
    start, end = tables[place]
    names_end = text.find("\n", start, end)
    if not start < names_end < first - 1:  # one row alone, or the rule below the names
        return ()
    _, *names, _ = _BAR.split(text[start:names_end].strip())
    return (CELLS.join(name.strip().replace("\\|", "|") for name in names),)
