"""Splits a passage into sentences, with the exact character span of each.

It is not misled by abbreviations, decimal numbers, section numbers, soft line breaks, Markdown
emphasis, numbered lists with a lead-in ("The master must: (a) …; (b) …") and table rows. The `text`
of a sentence is cleaned for reading; its span is exact for quoting.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from offline.reader.lexicon import word_set

_MARKER = re.compile(
    r"[ \t]*(?:[-*+•–—]|\d{1,3}[.)]|\(\d{1,3}\)|\([a-zA-Z]\)|\([ivxlcIVXLC]{1,6}\)|[a-z][.)])[ \t]+"
)
_NUMBERED = re.compile(r"[ \t]*\d{1,3}(?:\.\d{1,3})+\.?[ \t]+[A-Z“\"]")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_LEGAL_HEADING = re.compile(
    r"(?:Section|Sec\.|SECTION|Article|ARTICLE|Part|PART|Chapter|CHAPTER|Rule|§)[ "
    r"\t]*\d[\w.]*[.:]?(?:[ \t]+\S.{0,80})?$"
)
_LINK = re.compile(r"\[([^\]\n]{1,200})\]\([^)\s]{0,300}\)")
_EMPHASIS = re.compile(r"(?<!\w)[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?!\w)")
_RULER = re.compile(r"[ \t]*(?:[-=*_|:+ \t]{3,})$")
_END = re.compile(r"[.!?]+[)\"'”’*_\]]*(?=\s|$)|\t")
_LAST_WORD = re.compile(r"[\w.]+$")
_ABBREVIATIONS = word_set(
    "e.g i.e nos art arts sec secs para paras cl reg regs mr mrs ms dr st approx max min vs cf "
    "inc ltd co corp fig ch pt vol p pp ca resp viz al jr sr prof gen col hon rev dept est incl "
    "excl temp tel u.s u.k ft"
)
_SOMETIMES_LAST = word_set("etc a.m p.m")
_BEFORE_NUMBERS = word_set("no nos art arts sec secs para paras cl fig ch pt vol p pp")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence: `passage.text[start:end]`, cleaned as `text`.

    Attributes:
        lead: for a list item, the sentence that introduces the list.
        heading: the last heading inside the passage that it stands under; empty if none.
        paragraph: number of the paragraph or list item within the passage.
    """

    start: int
    end: int
    text: str
    heading: str
    paragraph: int
    lead: "Sentence | None" = None


@dataclass(slots=True)
class _Chunk:
    start: int
    end: int
    marker: str
    heading: str


@dataclass(slots=True)
class _Lead:
    """A sentence that introduces a list, and the style of the markers of its items."""

    sentence: Sentence
    items: str | None = None


def split_sentences(text: str) -> list[Sentence]:
    """Return all sentences of a passage in order, without headings and rulers."""
    sentences: list[Sentence] = []
    leads: list[_Lead] = []
    heading = ""
    for number, chunk in enumerate(_chunks(text)):
        if chunk.heading != heading:
            heading, leads = chunk.heading, []
        leads = _leads_of(leads, _style(chunk.marker)) if chunk.marker else []
        lead = leads[-1].sentence if leads else None
        chunk_sentences = [
            Sentence(start, end, clean(text[start:end]), heading, number, lead)
            for start, end in _spans(text, chunk.start, chunk.end)
        ]
        sentences += chunk_sentences
        if chunk_sentences and chunk_sentences[-1].text.endswith((":", "-", "—", "–")):
            leads = [*leads, _Lead(chunk_sentences[-1])]
    return [sentence for sentence in sentences if sentence.text]


def _leads_of(leads: list[_Lead], style: str) -> list[_Lead]:
    """Return the leads that an item stands under: its marker tells which list it goes on with."""
    for depth in range(len(leads), 0, -1):
        if leads[depth - 1].items in (None, style):
            leads[depth - 1].items = style
            return leads[:depth]
    return []


def _style(marker: str) -> str:
    """Return what the markers of one list have in common: "(1)", "a.", "-"."""
    bare = marker.strip()
    if not bare:
        return ""
    shape = re.sub(r"\d+", "1", bare)
    if re.fullmatch(r"\([ivx]+\)", shape):
        return "(i)"
    return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", shape))


def clean(text: str) -> str:
    """Return the text on one line, without Markdown emphasis, code marks and links' targets."""
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "*" in text or "_" in text or "`" in text:
        text = _EMPHASIS.sub("", text)
    return " ".join(text.split())


def _chunks(text: str) -> Iterator[_Chunk]:
    """Return paragraphs, list items and table rows, with the heading each stands under."""
    heading, current = "", None
    for line_start, line_end in _lines(text):
        line = text[line_start:line_end]
        title = _title(line)
        marker = _MARKER.match(line)
        breaks = title is not None or not line.strip() or _RULER.match(line) is not None
        if current is not None and not breaks and not marker and _continues(text, current, line):
            current.end = line_end
            continue
        if current is not None:
            yield current
        heading, current = title if title is not None else heading, None
        if not breaks:
            begin = line_start + (marker.end() if marker else 0)
            current = _Chunk(begin, line_end, marker.group().strip() if marker else "", heading)
    if current is not None:
        yield current


def _title(line: str) -> str | None:
    """Return the text of a heading, "# Moorings" or "Section 4. Moorings"; None for other lines."""
    marked = _HEADING.match(line)
    if marked is not None:
        return marked.group(1)
    legal = _LEGAL_HEADING.match(line) is not None and not line.rstrip().endswith((".", ";"))
    return line.strip() if legal else None


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _continues(text: str, current: _Chunk, line: str) -> bool:
    """Tell whether a line goes on with the paragraph before it, as after a soft line break."""
    before = text[current.start : current.end].rstrip()
    if before.endswith((":", "-", "—", "|")) or line.lstrip().startswith((">", "|")):
        return False
    if _NUMBERED.match(line):
        return False
    first = line.lstrip()[:1]
    if first.isupper() and (before.endswith((",", ";")) or (current.marker and len(before) < 90)):
        return False
    return first.islower() or not first.isupper() or len(before) - before.rfind("\n") > 50


def _spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Return the spans of the sentences of a paragraph, without white space around them."""
    begin = start
    for mark in _END.finditer(text, start, end):
        if mark.end() < end and not _ends(text, begin, mark, end):
            continue
        yield from _trimmed(text, begin, mark.end())
        begin = mark.end()
    yield from _trimmed(text, begin, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _ends(text: str, begin: int, mark: re.Match[str], end: int) -> bool:
    """Tell whether a mark ends a sentence: the stop of an abbreviation does not."""
    rest = text[mark.end() : min(end, mark.end() + 40)].lstrip()
    if not rest or mark.group() == "\t":
        return True
    if mark.group()[0] != ".":
        return not rest[0].islower()
    word = _LAST_WORD.search(text[max(begin, mark.start() - 20) : mark.start()])
    before = word.group().lower() if word else ""
    if before in _SOMETIMES_LAST:
        return rest[0].isupper()
    if before in _BEFORE_NUMBERS and rest[0].isdigit():
        return False
    if before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha()):
        return False
    return not rest[0].islower()
