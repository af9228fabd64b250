"""PDF by the page, in reading order, without what stands on every page and tables of contents."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from elenchus.records import PAGE_BREAK
from retrieval.formats import glyphs, layout
from retrieval.formats.failures import Refused, Unreadable, package
from retrieval.formats.hyphens import whole

NEXT_PAGE = f"\n\n{PAGE_BREAK}\n"  # a heading may stand first on it
_LEADER = re.compile(r"(?:\.\s?|…){4,}\s*[\divxlc]+\s*$", re.IGNORECASE)  # to a page's number
# A number alone, or "Page 3 of 9": no other line loses its numbers, which may be what it is about.
_FOLIO = re.compile(
    r"[\W_]*(?:(?:page|p|seite|s|página|pagina|pág|strana|sida|side|стр)\b[\W_]*)?"
    r"(?:\d+|[ivxlc]+)(?:[\W_]*(?:of|von|de|di|sur|из|af|av)?[\W_]*\d+)?[\W_]*",
    re.IGNORECASE,
)
EDGE = 3  # lines at the top and the bottom of a page that may stand on every page
_HYPHENATED = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")
LEAST, SHARE = 3, 0.6  # pages, and the share of them, on which the same line is none of the text


def text(content: bytes) -> tuple[str, list[Refused]]:
    """Return the text of all pages, read in order, with a form feed between them.

    The second value names each page that cannot be read, and is empty here, with the reason.

    Raises:
        Unreadable: the file is damaged or encrypted, or no page can be read.
    """
    pdfium = package("pypdfium2")
    wrong: list[Refused] = []
    try:
        with contextlib.closing(pdfium.PdfDocument(content)) as document:
            pages = [_page(pdfium, document, number, wrong) for number in range(len(document))]
    except pdfium.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        reason = "it is encrypted: save it without a password" if encrypted else str(error)
        raise Unreadable(f"PDF: {reason}") from error
    if pages and len(wrong) == len(pages):
        raise Unreadable(f"PDF: {wrong[0].reason}")
    read = _whole(_without_edges(_as_read(pages)))
    return NEXT_PAGE.join(map("\n".join, read)), wrong


def _page(pdfium: Any, document: Any, number: int, wrong: list[Refused]) -> list[str]:
    """Return the lines of a page; none where it is damaged, which is then said in `wrong`."""
    try:
        with contextlib.closing(document[number]) as page:
            found = [line for sheet in glyphs.sheets(page) for line in layout.lines(sheet)]
    except pdfium.PdfiumError as error:
        wrong.append(Refused(f"page {number + 1}", f"PDF: {error}"))
        return []
    return [line for line in found if not _LEADER.search(line)]


def _as_read(pages: Sequence[list[str]]) -> Sequence[list[str]]:
    """Return pages with Arabic or Hebrew in the order of reading, where it was drawn mirrored."""
    if glyphs.is_backwards(" ".join(line for page in pages for line in page)):
        return [[glyphs.forwards(line) for line in page] for page in pages]
    return pages


def _whole(pages: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield pages without the hyphens at ends of lines, but for those of words that have one."""
    kept = list(pages)
    known = {word.lower() for page in kept for line in page for word in _HYPHENATED.findall(line)}
    for page in kept:
        yield whole(page, known)


def _without_edges(pages: Sequence[list[str]]) -> Iterator[list[str]]:
    """Yield pages without the lines at their edges that most of them have."""
    met = Counter(place for page in pages for place in {*_top(page), *_bottom(page)})
    often = {
        place
        for place, count in met.items()
        if count >= LEAST and count >= SHARE * sum(map(bool, pages))
    }
    for page in pages:
        first, last = 0, len(page)
        while first < last and first < EDGE and (True, _shape(page[first])) in often:
            first += 1
        while last > first and len(page) - last < EDGE and (False, _shape(page[last - 1])) in often:
            last -= 1
        yield page[first:last]


def _top(page: Sequence[str]) -> Iterator[tuple[bool, str]]:
    return ((True, _shape(line)) for line in page[:EDGE])


def _bottom(page: Sequence[str]) -> Iterator[tuple[bool, str]]:
    return ((False, _shape(line)) for line in page[-EDGE:])


def _shape(line: str) -> str:
    """Return what tells a line from others: all numbers of pages are alike."""
    return "#" if _FOLIO.fullmatch(line) else " ".join(line.split())
