"""Text from real files of every format, and the reasons why some give none."""

import contextlib
import datetime
import io
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fpdf
import openpyxl
import pptx
import pytest

from elenchus.records import Document
from retrieval.chunking import split
from retrieval.formats import Unreadable, markup, read
from retrieval.formats.apart import GB, Reader

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
    text = read(name, READABLE[name](), MB).text
    assert RULE in text
    assert "no()" not in text


def test_passages_know_their_pages() -> None:
    for name, content in (
        ("a.pdf", pdf("On the first page.", "On the second page.", "On the third page.")),
        ("a.pptx", pptx_of(*((f"Slide {n}", f"On the {n} page.") for n in ("first", "second")))),
    ):
        document = Document(source=name, title=name, text=read(name, content, MB).text)
        assert document.page(document.text.index("first page")) == 1
        assert document.page(document.text.index("second page")) == 2
        assert all(p.text in document.text for p in split(document, 200))
    plain = Document(source="a.md", title="a", text="No pages.")
    assert plain.page(3) is None


def test_words_that_a_line_divides_are_whole() -> None:
    text = read("a.pdf", pdf("A moor-\ning line must be dou-\nbled in 2025-\n2026."), MB).text
    assert text == "A mooring line must be doubled in 2025-\n2026."


def test_tables_stay_readable() -> None:
    rows = [(f"Breach {n}", f"{100 + n} crowns") for n in range(60)]
    text = read("a.xlsx", xlsx(("What", "Fine"), *rows), MB).text
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
    "picture": ("a.png", lambda: b"\x89PNG", "no reader for .png$"),
    "bare": ("README", lambda: b"text", "without a suffix: it is text, so give it a name in .txt"),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(2 * MB, seconds=60, memory=4 * GB) as started:
        yield started


@pytest.mark.parametrize("case", BROKEN)
def test_what_gives_no_text_says_why(reader: Reader, case: str) -> None:
    name, content, reason = BROKEN[case]
    with pytest.raises(Unreadable, match=reason) as told:
        reader.read(name, content())
    assert "\n" not in str(told.value)


def test_other_encodings_are_named_not_guessed() -> None:
    content = "Grüße vom Hafen".encode("cp1252")
    with pytest.raises(Unreadable, match=r"not UTF-8 \(byte 2\).*encoding: cp1252"):
        read("a.txt", content, MB)
    assert read("a.txt", content, MB, "cp1252").text == "Grüße vom Hafen"
    with pytest.raises(Unreadable, match="no encoding is named 'klingon'"):
        read("a.txt", content, MB, "klingon")


def test_html_is_read_in_the_encoding_that_is_named() -> None:
    content = "<p>Причал: 5 €.</p>".encode("cp1251")
    assert read("a.html", content, MB, "cp1251").text == "Причал: 5 €."
    for encoding, says in (("utf-8", "it is not utf-8"), ("klingon", "no encoding is named")):
        with pytest.raises(Unreadable, match=says):
            read("a.html", content, MB, encoding)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("retrieval.formats.failures.util.find_spec", lambda name: None)
    with pytest.raises(Unreadable, match=r"pip install -e '.\[documents\]'"):
        read("a.pdf", pdf(RULE), MB)


def workbook(*rows: tuple[object, ...], formats: dict[str, str] | None = None) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    for place, number_format in (formats or {}).items():
        made.active[place].number_format = number_format
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


def test_cells_are_as_they_were_typed() -> None:
    rows = (
        ("Class", "Days", "Code", "Fee"),
        ("barge", 14, "NA", 123456789.12),
        ("tug", None, "None", 0.1),
        ("yacht", 30.0, "N/A", 1e-7),
        ("a|b", True, "00:14", 7),
    )
    lines = read("a.xlsx", workbook(*rows), MB).text.splitlines()
    assert lines[4:] == [
        "| barge | 14 | NA | 123456789.12 |",
        "| tug |  | None | 0.1 |",
        "| yacht | 30 | N/A | 1e-07 |",
        "| a\\|b | TRUE | 00:14 | 7 |",
    ]


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (0.05, "0%", "5%"),
        (0.125, "0%", "12.5%"),  # shown as 13 %, and typed as 12.5
        (3.5, '0.00" EUR"', "3.50 EUR"),
        (1234.5, "[$€-407] #,##0.00", "€1234.50"),
        (7, "General", "7"),
        (2.675, "0.00", "2.675"),
        (datetime.datetime(2026, 1, 2), "dd/mm/yyyy", "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4), "dd/mm/yyyy hh:mm", "2026-01-02 03:04:00"),
        ("=1+2", "General", "=1+2"),  # nobody has computed it
    ],
)
def test_numbers_have_what_their_format_shows(
    value: object, number_format: str, shown: str
) -> None:
    content = workbook(("What", "Value"), ("x", value), formats={"B2": number_format})
    assert f"| x | {shown} |" in read("a.xlsx", content, MB).text


def test_the_header_of_a_sheet_is_found_below_its_title() -> None:
    rows = (("Berths of the inner basin",), (), ("Berth", None, "Depth (m)"), ("West 1", None, 7))
    text = read("a.xlsx", workbook(*rows), MB).text
    assert text.endswith(
        "Berths of the inner basin\n\n| Berth | Depth (m) |\n| --- | --- |\n| West 1 | 7 |"
    )


def test_a_page_is_read_without_its_ways_elsewhere() -> None:
    page = """<html><head><title>x</title></head><body><nav><a href="/a">Home</a></nav>
    <header><a href="/l">Login</a></header><main><h1>Pilot&shy;age</h1>
    <p>The har&shy;bour&shy;master must, as <a href="/s">section 2</a> says, be told of any
    pol&#8203;lution.</p><div style="display: none">hidden</div>
    <table><tr><td>Vessel</td><td>Lines</td></tr><tr><td>tug | pusher</td><td>4</td></tr></table>
    </main><noscript>Enable it</noscript><footer>Cookies</footer></body></html>"""
    text = read("a.html", page.encode(), MB).text
    assert text.split("\n\n") == [
        "# Pilotage",
        "The harbourmaster must, as section 2 says, be told of any\npollution.",
        "| Vessel | Lines |\n| --- | --- |\n| tug \\| pusher | 4 |",
    ]


def test_a_table_in_a_table_has_a_header_of_its_own() -> None:
    page = markup.markdown(
        b"<table><tr><td>a|b</td><td><table><tr><th>c|d</th></tr><tr><td>e</td></tr></table></td>"
        b"</tr></table>"
    )
    assert "a\\|b" in page and "c\\|d" in page and page.count("---") >= 2


def test_tables_in_tables_take_no_long_time() -> None:
    """Each of them was looked through anew: 20 kB of HTML took minutes."""
    begun = time.process_time()
    with contextlib.suppress(RecursionError):  # of the converter, in a process of its own
        read("a.html", b"<td>a|b<table><tr>" * 1500, MB)
    assert time.process_time() - begun < 10


def test_decomposed_letters_are_composed() -> None:
    assert read("a.md", unicodedata.normalize("NFD", "Gebühr: é").encode(), MB).text == "Gebühr: é"


def test_what_stands_on_every_page_is_none_of_the_text() -> None:
    pages = [f"Port Authority - Rev 7\nRule {n}. Log {n} is kept {n} years.\nPage {n} of 4"
             for n in range(1, 5)]  # fmt: skip
    text = read("a.pdf", pdf(*pages), MB).text
    assert "Port Authority" not in text and "Page" not in text
    assert all(f"Rule {n}. Log {n} is kept {n} years." in text for n in range(1, 5))


def test_tables_of_contents_are_none_of_the_text() -> None:
    text = read(
        "a.pdf", pdf("1 Lines ........ 3\n2 Tugs . . . . . . iv\nA tug waits.", "B."), MB
    ).text
    assert text.startswith("A tug waits.")


def test_a_damaged_page_costs_itself_alone() -> None:
    content = pdf("One page.", "Another page.", "A third.")
    kids = content.index(b"/Kids [")
    end = content.index(b"]", kids)
    second = content[kids + 7 : end].split(b"R")[1].strip()
    broken = content[:kids] + content[kids:end].replace(second, b"99 0") + content[end:]
    text, left_out = read("a.pdf", broken, MB)
    assert "One page." in text and "A third." in text and "Another" not in text
    assert [(part.source, part.reason) for part in left_out] == [
        ("page 2", "PDF: Failed to load page.")
    ]


@pytest.mark.parametrize("at", [b"PK\x03\x04", b"PK\x01\x02"])
def test_an_archive_that_is_damaged_within_is_refused(at: bytes) -> None:
    """Its directory may be whole where its members are not."""
    content = docx("one", RULE)
    place = content.index(at)
    for damaged in (content[:place] + b"PK\x00" + content[place + 3 :], content[40:]):
        with pytest.raises(Unreadable, match=r"it is damaged: [^\n]+"):
            read("a.docx", damaged, MB)


def test_what_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<div>" * 150_000 + "x" + "</div>" * 150_000
    with Reader(MB, seconds=5, memory=4 * GB) as impatient:
        with pytest.raises(Unreadable, match="it takes over 5 s to read"):
            impatient.read("a.html", deep.encode())
        assert impatient.read("b.html", b"<p>A tug waits.</p>").text == "A tug waits."


def test_what_wants_all_memory_is_refused() -> None:
    page = b"<p>" + b"a tug waits " * 20_000_000 + b"</p>"
    with (
        Reader(MB, seconds=60, memory=1 * GB) as small,
        pytest.raises(Unreadable, match=r"it takes over 1 GB to read: divide it"),
    ):
        small.read("a.html", page)
