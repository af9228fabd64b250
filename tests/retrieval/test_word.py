"""The numbers that Word shows before paragraphs, and does not keep."""

import io
import zipfile
from xml.sax.saxutils import escape

import pytest

from retrieval.formats import read
from retrieval.formats.word import _formed
from tests.retrieval.test_formats import MB, WORD, docx


def level(depth: int, form: str, text: str, style: str = "", more: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return (
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>{named}{more}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


LEVELS = (
    level(0, "decimal", "%1", "Heading1") + level(1, "decimal", "%1.%2", "Heading2"),
    level(0, "lowerLetter", "(%1)") + level(1, "upperRoman", "%1-%2.", more="<w:isLgl/>"),
    level(0, "bullet", "*"),
)
NUMBERING = "".join(
    f'<w:abstractNum w:abstractNumId="{n}">{levels}</w:abstractNum>'
    for n, levels in enumerate(LEVELS)
) + "".join(
    f'<w:num w:numId="{n + 1}"><w:abstractNumId w:val="{n}"/></w:num>' for n in range(len(LEVELS))
)
STYLES = "".join(
    f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "").capitalize()}">'
    f'<w:name w:val="{name}"/>{more}</w:style>'
    for name, more in (
        ("heading 1", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'),
        ("heading 2", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'),
        ("heading 7", ""),
        ("clause", '<w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr>'),
        ("sub clause", '<w:basedOn w:val="Clause"/>'),
    )
)


def paragraph(text: str, style: str = "", number: tuple[int, int] | None = None) -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    numbered = ""
    if number:
        numbered = f'<w:numPr><w:ilvl w:val="{number[1]}"/><w:numId w:val="{number[0]}"/></w:numPr>'
    words = f"<w:r><w:t>{escape(text)}</w:t></w:r>"
    return f"<w:p><w:pPr>{named}{numbered}</w:pPr>{words}</w:p>"


def numbered(*paragraphs: str) -> bytes:
    held = io.BytesIO(docx("x"))
    with zipfile.ZipFile(held) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    space = f'xmlns:w="{WORD}"'
    body = "".join(paragraphs)
    members |= {
        "word/document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>".encode(),
        "word/numbering.xml": f"<w:numbering {space}>{NUMBERING}</w:numbering>".encode(),
        "word/styles.xml": f"<w:styles {space}>{STYLES}</w:styles>".encode(),
        "word/_rels/document.xml.rels": RELATIONS.encode(),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return made.getvalue()


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    + "".join(
        f'<Relationship Id="r{part}" Type="{OFFICE}/{part}" Target="{part}.xml"/>'
        for part in ("numbering", "styles")
    )
    + "</Relationships>"
)


def text(*paragraphs: str) -> list[str]:
    return read("a.docx", numbered(*paragraphs), MB).text.split("\n\n")


def test_headings_have_their_numbers() -> None:
    assert text(
        paragraph("Mooring", "Heading1"),
        paragraph("Lines", "Heading2"),
        paragraph("Tugs", "Heading2"),
        paragraph("Testing", "Heading1"),
        paragraph("Load", "Heading2"),
        paragraph("Deep", "Heading7"),
        paragraph("As section 2.1 says."),
    ) == [
        "# 1 Mooring",
        "## 1.1 Lines",
        "## 1.2 Tugs",
        "# 2 Testing",
        "## 2.1 Load",
        "###### Deep",
        "As section 2.1 says.",
    ]


def test_clauses_have_the_numbers_of_their_list_and_bullets_none() -> None:
    assert text(
        paragraph("one", "Clause"),
        paragraph("below", number=(2, 1)),
        paragraph("two", "Subclause"),
        paragraph("two, first", number=(2, 1)),
        paragraph("out of the list", "Clause", number=(0, 0)),
        paragraph("three", "Clause"),
    ) == ["(a) one", "1-1. below", "(b) two", "2-1. two, first", "out of the list", "(c) three"]
    assert text(paragraph("a bullet", number=(3, 0))) == ["* a bullet"]


def test_a_list_that_nobody_made_numbers_nothing() -> None:
    assert text(paragraph("plain", number=(9, 0)), paragraph("deep", number=(2, 7))) == [
        "plain",
        "deep",
    ]


def test_numbers_that_are_none_are_those_that_word_takes() -> None:
    """A list with faults costs its numbers, and never the document."""
    broken = [
        (f'w:ilvl="{depth}"><w:start w:val="{start}"', said)
        for depth, start, said in (
            ("", "1", "(a) one"), ("x", "1", "(a) one"), ("0", "", "(a) one"),
            ("0", "x", "(a) one"),
            ("0", "3", "(c) one"), ("0", "9" * 5000, "(a) one"), ("0", "2000000000", "(a) one"),
        )
    ]  # fmt: skip
    whole = numbered(paragraph("one", "Clause"))
    for spelt, said in broken:
        levels = LEVELS[1].replace('w:ilvl="0"><w:start w:val="1"', spelt)
        changed = NUMBERING.replace(LEVELS[1], levels).encode()
        content = changed_member(whole, "word/numbering.xml", NUMBERING.encode(), changed)
        assert read("a.docx", content, MB).text == said


def changed_member(content: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """Return an archive with something else in one of its members."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as copy:
        for member in archive.namelist():
            held = archive.read(member)
            copy.writestr(member, held.replace(old, new) if member == name else held)
    return made.getvalue()


@pytest.mark.parametrize(
    ("number", "form", "written"),
    [
        (28, "lowerLetter", "bb"),
        (1, "upperLetter", "A"),
        (1994, "upperRoman", "MCMXCIV"),
        (4, "lowerRoman", "iv"),
        (7, "decimalZero", "07"),
        (3, "ordinalText", "3"),
    ],
)
def test_numbers_are_written_as_the_list_writes_them(number: int, form: str, written: str) -> None:
    assert _formed(number, form) == written
