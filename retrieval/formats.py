"""Text from files of many formats: Markdown and text as they stand, the rest as Markdown.

A form feed divides the pages of a format that has them. What cannot be read is refused with the
reason.
"""

import codecs
import contextlib
import importlib
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from importlib import util
from pathlib import PurePath
from typing import Any

from elenchus.records import PAGE_BREAK

TEXT = (".md", ".markdown", ".txt", ".text", ".rst")
MARKED_UP = (".html", ".htm", ".xhtml")
# Archives, which may unpack to any size, each with the member that makes it one of its kind.
ZIPPED = {
    ".docx": "word/document.xml",
    ".pptx": "ppt/presentation.xml",
    ".xlsx": "xl/workbook.xml",
    ".epub": "META-INF/container.xml",
}
MOST_CELLS = 5_000_000  # of a sheet, empty ones included: those are written out
_CELL = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']""")
_SLIDE = re.compile(r"\s*<!-- Slide number: \d+ -->\s*")
_NEXT_PAGE = f"\n\n{PAGE_BREAK}\n"  # a heading may stand first on it
_HYPHENS = dict.fromkeys((0x02, 0xFFFE))  # pdfium's, where a line's end divides a word
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Unreadable(Exception):
    """A file that gives no text; the message is the reason, in a line."""


@dataclass(frozen=True)
class Refused:
    """Something of a corpus that could not be used: what it is, and why, in a line."""

    source: str
    reason: str


def extract(name: str, content: bytes, expanded: int, encoding: str | None = None) -> str:
    """Return the text of a file.

    Args:
        expanded: bytes that an archive may unpack to.
        encoding: of text files and HTML; UTF-8, or UTF-16 with a mark, where none is given.

    Raises:
        Unreadable: the file is empty, damaged, encrypted, too large, or of no known format.
    """
    suffix = PurePath(name).suffix.lower()
    if not content:
        raise Unreadable("the file is empty")
    if suffix in TEXT:
        text = _decoded(content, encoding)
    elif suffix == ".pdf":
        text = _pdf(content)
    elif suffix in (*ZIPPED, *MARKED_UP):
        if suffix in ZIPPED:
            _check_archive(content, suffix, expanded)
        elif encoding is not None:
            _decoded(content, encoding)  # the converter would guess where it does not fit
        text = _converted(content, suffix, encoding)
    else:
        raise Unreadable(f"no reader for {suffix or 'files without a suffix'}")
    if not text.strip():
        hint = " (scanned pages hold pictures of text)" if suffix == ".pdf" else ""
        raise Unreadable(f"there is no text in it{hint}")
    return text


def _decoded(content: bytes, encoding: str | None) -> str:
    known = encoding or next((e for mark, e in _BOMS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(known or "utf-8-sig")
    except LookupError as error:
        raise Unreadable(f"no encoding is named {encoding!r}") from error
    except UnicodeDecodeError as error:
        if b"\0" in content:
            raise Unreadable("it is no text, whatever its name says") from error
        raise Unreadable(
            f"it is not {known or 'UTF-8'} (byte {error.start}): save it as UTF-8, or name its "
            "encoding: {path: …, encoding: cp1252}"
        ) from error
    if "\0" in text:
        raise Unreadable("it is no text, whatever its name says")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _pdf(content: bytes) -> str:
    """Return the text of all pages, read in order, with a form feed between them."""
    pdfium = _package("pypdfium2")
    try:
        with contextlib.closing(pdfium.PdfDocument(content)) as document:
            pages = [_page(document, number) for number in range(len(document))]
    except pdfium.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        reason = "it is encrypted: save it without a password" if encrypted else str(error)
        raise Unreadable(f"PDF: {reason}") from error
    return _NEXT_PAGE.join(pages)


def _page(document: Any, number: int) -> str:
    page = document[number]
    text: str = page.get_textpage().get_text_bounded()
    page.close()
    text = text.translate(_HYPHENS)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace(PAGE_BREAK, "\n").strip()


def _check_archive(content: bytes, suffix: str, expanded: int) -> None:
    """Refuse an archive that unpacks to more; no more than it declares is ever unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > expanded:
                raise Unreadable(
                    f"it unpacks to {size / 1e6:,.0f} MB, and corpus.expanded_mb allows "
                    f"{expanded / 1e6:,.0f}"
                )
            if ZIPPED[suffix] not in archive.namelist():
                raise Unreadable(f"it is damaged: there is no {ZIPPED[suffix]} in it")
            if suffix == ".xlsx":
                _check_cells(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError) as error:
        raise Unreadable(f"it is damaged: {error}") from error


def _check_cells(archive: zipfile.ZipFile) -> None:
    """Refuse a small file whose two far corners make it a sheet of billions of cells."""
    for name in archive.namelist():
        if name.startswith("xl/worksheets/"):
            places = _CELL.findall(archive.read(name))
            width = max((_column(letters) for letters, _ in places), default=0)
            height = max((int(row) for _, row in places), default=0)
            if width * height > MOST_CELLS:
                raise Unreadable(f"a sheet of {height:,} rows and {width:,} columns is too large")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _converted(content: bytes, suffix: str, encoding: str | None) -> str:
    """Return a file of a format that markitdown knows as Markdown, with its tables."""
    library = _package("markitdown")
    # This format's converter alone: others would guess, and unpack archives within archives.
    kind = "Html" if suffix in MARKED_UP else suffix[1:].capitalize()
    only = library.MarkItDown(enable_builtins=False, enable_plugins=False)
    only.register_converter(getattr(library.converters, f"{kind}Converter")())
    info = library.StreamInfo(extension=suffix, charset=encoding)  # which archives do not ask
    try:
        result = only.convert_stream(io.BytesIO(content), stream_info=info)
    except library.MissingDependencyException as error:
        raise Unreadable(_remedy(suffix)) from error
    except library.MarkItDownException as error:
        last = str(error).strip().splitlines()[-1:] or ["it cannot be converted"]
        raise Unreadable(f"it is damaged: {last[0][:200]}") from error
    text = str(result.text_content).replace("\r\n", "\n").replace(PAGE_BREAK, "\n")
    if suffix == ".pptx":  # slides are pages; the first needs no mark before it
        text = _SLIDE.sub(_NEXT_PAGE, text).removeprefix(_NEXT_PAGE)
    return text


def _package(name: str) -> Any:
    if util.find_spec(name) is None:
        raise Unreadable(_remedy(name))
    return importlib.import_module(name)


def _remedy(what: str) -> str:
    return f"{what} needs more packages: pip install -e '.[documents]'"
