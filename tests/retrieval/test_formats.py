"""Text from real files of every format, and the reasons why some give none."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import fpdf
import openpyxl
import pptx
import pytest

from elenchus.records import Document
from retrieval.chunking import split
from retrieval.formats import Unreadable, extract

MB = 1_000_000
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def pdf(*pages: str, password: str = "") -> bytes:
    made = fpdf.FPDF()
    made.set_font("helvetica")
    if password:
        made.set_encryption(owner_password="owner", user_password=password)
    for page in pages:
        made.add_page()
        made.multi_cell(0, text=page)
    return bytes(made.output())


def archive(**files: str | bytes) -> bytes:
    """A zip of the files, whose names have slashes and dots for _ and __."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name.replace("__", ".").replace("_", "/"), text)
    return held.getvalue()


def docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName='
            '"/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'wordprocessingml.document.main+xml"/></Types>',
        )
        made.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" Type="{OFFICE}" '
            'Target="word/document.xml"/></Relationships>',
        )
        made.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        )
    return held.getvalue()


def pptx_of(*slides: tuple[str, str]) -> bytes:
    made = pptx.Presentation()
    for title, text in slides:
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, text
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


def xlsx(*rows: tuple[str, ...]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


def epub(text: str) -> bytes:
    return archive(
        **{
            "META-INF_container__xml": '<container><rootfiles><rootfile full-path="book.opf"/>'
            "</rootfiles></container>",
            "book__opf": "<package><metadata><title>Byelaws</title></metadata><manifest>"
            '<item id="one" href="one.xhtml"/></manifest><spine><itemref idref="one"/></spine>'
            "</package>",
            "one__xhtml": f"<html><body><h1>Moorings</h1><p>{text}</p></body></html>",
        }
    )


RULE = "A line must be doubled in winter."
READABLE: dict[str, Callable[[], bytes]] = {
    "a.md": lambda: RULE.encode(),
    "a.TXT": lambda: RULE.encode("utf-16"),
    "a.html": lambda: f"<html><h1>Lines</h1><script>no()</script><p>{RULE}</p></html>".encode(),
    "a.pdf": lambda: pdf(RULE),
    "a.docx": lambda: docx("Lines", RULE),
    "a.pptx": lambda: pptx_of(("Lines", RULE)),
    "a.xlsx": lambda: xlsx(("Rule", "Text"), ("1", RULE)),
    "a.epub": lambda: epub(RULE),
}


@pytest.mark.parametrize("name", READABLE)
def test_every_format_gives_its_text(name: str) -> None:
    text = extract(name, READABLE[name](), MB)
    assert RULE in text
    assert "no()" not in text


def test_passages_know_their_pages() -> None:
    for name, content in (
        ("a.pdf", pdf("On the first page.", "On the second page.", "On the third page.")),
        ("a.pptx", pptx_of(*((f"Slide {n}", f"On the {n} page.") for n in ("first", "second")))),
    ):
        document = Document(source=name, title=name, text=extract(name, content, MB))
        assert document.page(document.text.index("first page")) == 1
        assert document.page(document.text.index("second page")) == 2
        assert all(p.text in document.text for p in split(document, 200))
    plain = Document(source="a.md", title="a", text="No pages.")
    assert plain.page(3) is None


def test_words_that_a_line_divides_are_whole() -> None:
    text = extract("a.pdf", pdf("A moor-\ning line must be dou-\nbled in 2025-\n2026."), MB)
    assert text == "A mooring line must be doubled in 2025-\n2026."


def test_tables_stay_readable() -> None:
    rows = [(f"Breach {n}", f"{100 + n} crowns") for n in range(60)]
    text = extract("a.xlsx", xlsx(("What", "Fine"), *rows), MB)
    assert "| Breach 7 | 107 crowns |" in text
    document = Document(source="a.xlsx", title="a", text=text)
    first, *others = split(document, 400)
    assert "| What | Fine |" in first.text
    assert others
    for passage in others:
        assert passage.heading[-1] == "What | Fine"
        assert all(row.startswith("| ") and row.endswith(" |") for row in passage.text.split("\n"))


def bomb() -> bytes:
    return archive(word_document__xml="0" * 3 * MB)


def sparse() -> bytes:
    """Two cells, in opposite corners of a sheet."""
    made = openpyxl.Workbook()
    made.active["A1"], made.active["XFD1048576"] = "one", "two"
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


def quoted() -> bytes:
    """The same, as some other program writes it."""
    cells = "".join(f"<c r='{place}'><v>1</v></c>" for place in ("A1", "XFD1048576"))
    sheet = f"<worksheet><sheetData>{cells}</sheetData></worksheet>"
    return archive(xl_workbook__xml="<workbook/>", xl_worksheets_sheet1__xml=sheet)


BROKEN: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("a.md", lambda: b"", "empty"),
    "blank": ("a.md", lambda: b" \n \n", "no text"),
    "binary": ("a.txt", lambda: bytes(range(256)) * 4, "it is no text"),
    "encrypted": ("a.pdf", lambda: pdf(RULE, password="secret"), "encrypted"),
    "cut": ("a.pdf", lambda: pdf(RULE)[:300], "PDF:"),
    "scanned": ("a.pdf", lambda: pdf(""), "scanned"),
    "corrupt": ("a.docx", lambda: b"PK\x03\x04 and then nothing", "damaged"),
    "half": ("a.docx", lambda: archive(word_document__xml="<w:document>"), "damaged"),
    "bomb": ("a.docx", bomb, "unpacks to 3 MB"),
    "nested bomb": ("a.docx", lambda: archive(a__zip=archive(b__txt="0" * MB)), "no word/document"),
    "sparse": ("a.xlsx", sparse, "1,048,576 rows and 16,384 columns is too large"),
    "sparse, in other quotes": ("a.xlsx", quoted, "1,048,576 rows and 16,384 columns is too large"),
    "picture": ("a.png", lambda: b"\x89PNG", "no reader for .png"),
    "bare": ("README", lambda: b"text", "without a suffix"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_gives_no_text_says_why(case: str) -> None:
    name, content, reason = BROKEN[case]
    with pytest.raises(Unreadable, match=reason) as told:
        extract(name, content(), 2 * MB)
    assert "\n" not in str(told.value)


def test_other_encodings_are_named_not_guessed() -> None:
    content = "Grüße vom Hafen".encode("cp1252")
    with pytest.raises(Unreadable, match=r"not UTF-8 \(byte 2\).*encoding: cp1252"):
        extract("a.txt", content, MB)
    assert extract("a.txt", content, MB, "cp1252") == "Grüße vom Hafen"
    with pytest.raises(Unreadable, match="no encoding is named 'klingon'"):
        extract("a.txt", content, MB, "klingon")


def test_html_is_read_in_the_encoding_that_is_named() -> None:
    content = "<p>Причал: 5 €.</p>".encode("cp1251")
    assert extract("a.html", content, MB, "cp1251") == "Причал: 5 €."
    for encoding, says in (("utf-8", "it is not utf-8"), ("klingon", "no encoding is named")):
        with pytest.raises(Unreadable, match=says):
            extract("a.html", content, MB, encoding)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("retrieval.formats.util.find_spec", lambda name: None)
    with pytest.raises(Unreadable, match=r"pip install -e '.\[documents\]'"):
        extract("a.pdf", pdf(RULE), MB)
