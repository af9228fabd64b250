"""Text from files of many formats: Markdown and text as they stand, the rest as Markdown.

A form feed divides the pages of a format that has them. What cannot be read is refused with the
reason. Formats that need a converter are read in a process of their own (`apart.py`), which ends
after its time: a small file may keep a converter busy for ever.
"""

import codecs
import io
import re
import unicodedata
from pathlib import PurePath
from typing import NamedTuple

from elenchus.records import PAGE_BREAK
from retrieval.formats import archives, markup, pages, sheets, word
from retrieval.formats.failures import Refused, Unreadable, package

__all__ = ["CONVERTED", "Refused", "Text", "Unreadable", "read"]

TEXT = (".md", ".markdown", ".txt", ".text", ".rst")
MARKED_UP = (".html", ".htm", ".xhtml")
NEEDED = {".pptx": "pptx"}  # the package that a converter of markitdown wants
CONVERTED = (".pdf", *MARKED_UP, *archives.ZIPPED)
_SLIDE = re.compile(r"\s*<!-- Slide number: \d+ -->\s*")
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Where a word may be divided, which no reader sees: soft hyphens, spaces without width, and marks.
_UNSEEN = dict.fromkeys((0x00AD, 0x200B, 0x2060, 0xFEFF))


class Text(NamedTuple):
    """What a file says; `left_out` are its parts that cannot be read, as "page 3", and why."""

    text: str
    left_out: tuple[Refused, ...] = ()


def read(name: str, content: bytes, expanded: int, encoding: str | None = None) -> Text:
    """Return the text of a file, composed (NFC), without characters that nobody sees.

    Args:
        expanded: bytes that an archive may unpack to.
        encoding: of text files and HTML; UTF-8, or UTF-16 with a mark, where none is given.

    Raises:
        Unreadable: the file is empty, damaged, encrypted, too large, or of no known format.
    """
    suffix = PurePath(name).suffix.lower()
    if not content:
        raise Unreadable("the file is empty")
    left_out: list[Refused] = []
    if suffix in TEXT:
        text = _decoded(content, encoding)
    elif suffix == ".pdf":
        text, left_out = pages.text(content)
    elif suffix in (*archives.ZIPPED, *MARKED_UP):
        text = _converted(content, suffix, expanded, encoding)
    else:
        advice = ": it is text, so give it a name in .txt" if _is_text(content) else ""
        raise Unreadable(f"no reader for {suffix or 'files without a suffix'}{advice}")
    text = unicodedata.normalize("NFC", text.translate(_UNSEEN))
    if not text.strip():
        hint = " (scanned pages hold pictures of text)" if suffix == ".pdf" else ""
        raise Unreadable(f"there is no text in it{hint}")
    return Text(text, tuple(left_out))


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


def _is_text(content: bytes) -> bool:
    try:
        return bool(_decoded(content, None))
    except Unreadable:
        return False


def _converted(content: bytes, suffix: str, expanded: int, encoding: str | None) -> str:
    """Return a file of a format that marks headings and tables, as Markdown."""
    if suffix in MARKED_UP:
        if encoding is not None:
            _decoded(content, encoding)  # the converter would guess where it does not fit
        text = markup.markdown(content, encoding)
    else:
        archives.check(content, suffix, expanded)
        if suffix == ".xlsx":
            text = sheets.markdown(content)
        elif suffix == ".docx":
            text = markup.markdown(word.html(content))
        else:
            text = _by_markitdown(content, suffix)
    text = text.replace("\r\n", "\n").replace(PAGE_BREAK, "\n")
    if suffix == ".pptx":  # slides are pages; the first needs no mark before it
        text = _SLIDE.sub(pages.NEXT_PAGE, text).removeprefix(pages.NEXT_PAGE)
    return text


def _by_markitdown(content: bytes, suffix: str) -> str:
    library = package("markitdown")
    package(NEEDED.get(suffix, "markitdown"))
    # This format's converter alone: others would guess, and unpack archives within archives.
    only = library.MarkItDown(enable_builtins=False, enable_plugins=False)
    only.register_converter(getattr(library.converters, f"{suffix[1:].capitalize()}Converter")())
    info = library.StreamInfo(extension=suffix)
    return str(only.convert_stream(io.BytesIO(content), stream_info=info).text_content)
