"""Word documents as HTML, in which the numbers of clauses and headings are words.

Word keeps how paragraphs are numbered, and not the numbers: without them, "section 2.1" names
nothing.
"""

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from retrieval.formats import archives
from retrieval.formats.failures import package

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DOCUMENT, _NUMBERING, _STYLES = (f"word/{n}.xml" for n in ("document", "numbering", "styles"))
# Markdown has six depths; a document's title is the first.
_HEADINGS = "\n".join(
    ("p[style-name='Title'] => h1:fresh",
     *(f"p[style-name='Heading {n}'] => h6:fresh" for n in (7, 8, 9)))
)  # fmt: skip
HIGHEST = 32_767  # number that Word lets a list begin with
_BULLET, _PLACE = "bullet", re.compile(r"%(\d)")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
          (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


class Level(NamedTuple):
    """A depth of a list: where it begins, how its numbers are written, and what is around them.

    A `legal` one has figures for the numbers of all depths.
    """

    start: int
    form: str
    text: str
    legal: bool


class Numbered(NamedTuple):
    """The list that a paragraph is in, and how deep."""

    list: str
    depth: int


def html(content: bytes) -> str:
    """Return a document as HTML; what was deleted in it is left out, what was inserted is not."""
    mammoth = package("mammoth")
    package("markitdown")
    from markitdown.converter_utils.docx.pre_process import pre_process_docx

    with_formulas = pre_process_docx(io.BytesIO(_numbered(content)))
    return str(mammoth.convert_to_html(with_formulas, style_map=_HEADINGS).value)


def _numbered(content: bytes) -> bytes:
    """Write the number of each numbered paragraph before its words, and take it out of its list."""
    trees = package("defusedxml.ElementTree")
    members = archives.members(content)
    if _NUMBERING not in members:
        return content
    document, numbering = (trees.fromstring(members[n]) for n in (_DOCUMENT, _NUMBERING))
    styles = trees.fromstring(members[_STYLES]) if _STYLES in members else None
    lists = _Lists(numbering, styles)
    for paragraph in list(document.iter(f"{_WORD}p")):
        if number := lists.next(paragraph):
            _write(paragraph, number)
    lists.forget_styles()
    for name, tree in ((_DOCUMENT, document), (_NUMBERING, numbering)):
        members[name] = trees.tostring(tree)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return held.getvalue()


def _write(paragraph: Any, number: str) -> None:
    properties = paragraph.find(f"{_WORD}pPr")
    place = 0 if properties is None else list(paragraph).index(properties) + 1
    run = paragraph.makeelement(f"{_WORD}r", {})
    text = run.makeelement(f"{_WORD}t", {"{http://www.w3.org/XML/1998/namespace}space": "preserve"})
    text.text = f"{number} "
    run.append(text)
    paragraph.insert(place, run)
    if properties is not None and (given := properties.find(f"{_WORD}numPr")) is not None:
        properties.remove(given)


class _Lists:
    """The lists of a document, and how far each of them has come."""

    def __init__(self, numbering: Any, styles: Any) -> None:
        self._numbering = numbering
        self._levels: dict[str, dict[int, Level]] = {}
        self._of_style: dict[str, Numbered] = {}  # by the levels that name a style
        for one in numbering.iter(f"{_WORD}abstractNum"):
            name = one.get(f"{_WORD}abstractNumId")
            self._levels[name] = dict(_level(level) for level in one.iter(f"{_WORD}lvl"))
            for level in one.iter(f"{_WORD}lvl"):
                if style := _value(level, "pStyle"):
                    self._of_style[style] = Numbered(name, _whole(level.get(f"{_WORD}ilvl")))
        self._lists = {
            one.get(f"{_WORD}numId"): _value(one, "abstractNumId")
            for one in numbering.iter(f"{_WORD}num")
        }
        self._styles = {s.get(f"{_WORD}styleId"): s for s in styles.iter(f"{_WORD}style")} if (
            styles is not None) else {}  # fmt: skip
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)

    def next(self, paragraph: Any) -> str:
        """Return the number that Word shows before a paragraph; "" for a bullet, or none."""
        if not (place := self._place(paragraph)) or place.depth not in self._levels[place.list]:
            return ""
        levels, counts = self._levels[place.list], self._counts[place.list]
        for depth in [deeper for deeper in counts if deeper > place.depth]:
            del counts[depth]
        level = levels[place.depth]
        counts[place.depth] = counts.get(place.depth, level.start - 1) + 1
        if level.form in (_BULLET, "none"):
            return ""

        def number(found: re.Match[str]) -> str:
            depth = int(found[1]) - 1
            of = levels.get(depth, level)
            form = "decimal" if level.legal else of.form
            return _formed(counts.setdefault(depth, of.start), form)

        return _PLACE.sub(number, level.text)

    def forget_styles(self) -> None:
        """Leave bullets alone to be lists: the others' numbers are words by now."""
        for level in self._numbering.iter(f"{_WORD}lvl"):
            style = level.find(f"{_WORD}pStyle")
            if style is not None and _value(level, "numFmt") != _BULLET:
                level.remove(style)

    def _place(self, paragraph: Any) -> Numbered | None:
        properties = paragraph.find(f"{_WORD}pPr")
        if properties is None:
            return None
        style = _value(properties, "pStyle")
        for given in (properties, *self._inherited(style)):
            found = given.find(f"{_WORD}numPr")
            if found is not None:
                name = self._lists.get(_value(found, "numId"))  # 0 takes it out of its list
                by_style = self._of_style.get(style, Numbered(name or "", 0))
                depth = _whole(_value(found, "ilvl"), by_style.depth)
                return Numbered(name, depth) if name in self._levels else None
        return self._of_style.get(style)

    def _inherited(self, style: str) -> Iterator[Any]:
        """Yield the paragraph properties of a style, then of those that it is based on."""
        met: set[str] = set()
        while style in self._styles and style not in met:
            met.add(style)
            if (properties := self._styles[style].find(f"{_WORD}pPr")) is not None:
                yield properties
            style = _value(self._styles[style], "basedOn")


def _level(level: Any) -> tuple[int, Level]:
    start, legal = _whole(_value(level, "start"), 1), level.find(f"{_WORD}isLgl") is not None
    made = Level(start, _value(level, "numFmt"), _value(level, "lvlText"), legal)
    return _whole(level.get(f"{_WORD}ilvl")), made


def _whole(text: str | None, otherwise: int = 0) -> int:
    """Return the number that an attribute holds, as far as Word counts; else another one."""
    try:
        number = int(text or "")
    except ValueError:
        return otherwise
    return number if abs(number) <= HIGHEST else otherwise


def _value(element: Any, name: str) -> str:
    found = element.find(f"{_WORD}{name}")
    return "" if found is None else str(found.get(f"{_WORD}val") or "")


def _formed(number: int, form: str) -> str:
    """Return a number as a list writes it; in figures, where the list has a form of its own."""
    if form in ("lowerLetter", "upperLetter"):  # a to z, then aa to zz
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters.upper() if form == "upperLetter" else letters
    if form in ("lowerRoman", "upperRoman"):
        roman = ""
        for value, letters in _ROMAN:
            roman, number = roman + letters * (number // value), number % value
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)
