"""Valid files of every format of documents, small, and what each format is written with."""

import io
from functools import cache
from importlib import util
from typing import Any

from benchmarks.fuzzing.mutations import zipped
from benchmarks.fuzzing.samples import RULE, tokens
from retrieval.formats.failures import package

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@cache
def parquet() -> tuple[bytes, ...]:
    """Return Parquet files; none where pyarrow is missing."""
    if util.find_spec("pyarrow") is None:
        return ()
    import pyarrow
    from pyarrow import parquet as files

    made = []
    columns: list[dict[str, list[Any]]] = [
        {"id": [1, 2], "text": [RULE, None], "title": ["a", "é"]},
        {"text": [{"en": "x"}, None]}, {"text": [["a"], []]}, {"text": [1.5, float("nan")]},
    ]  # fmt: skip
    for number, each in enumerate(columns):
        held = io.BytesIO()
        files.write_table(pyarrow.table(each), held, compression="snappy" if number else "none")
        made.append(held.getvalue())
    return tuple(made)


@cache
def workbooks() -> tuple[bytes, ...]:
    """Return workbooks; none where openpyxl is missing."""
    if util.find_spec("openpyxl") is None:
        return ()
    import datetime

    made = package("openpyxl").Workbook()
    sheet = made.active
    for row in (
        ("Charges",), (), ("Rule", "Fine", "From"), ("1", 50, datetime.date(2024, 2, 3)),
        ("2", "=B4*2", None), (None, 0.125, True), (RULE, datetime.time(9, 30), "a|b"),
    ):  # fmt: skip
        sheet.append(row)
    sheet["B4"].number_format, sheet["B6"].number_format = '#,##0.00 "crowns"', "0.0%"
    sheet.merge_cells("A7:A8")
    made.create_sheet("Other")["C3"] = 5
    held = io.BytesIO()
    made.save(held)
    return (held.getvalue(),)


XML_TOKENS = tokens(
    "<w:p>", "</w:p>", "<w:r>", "<w:t>", "</w:t>", "</w:r>", '<w:ilvl w:val="', '<w:numId w:val="',
    '<w:pStyle w:val="', 'w:val="', 'w:val=""', 'w:abstractNumId="', "<w:tbl>", "<w:tr>", "<w:tc>",
    "<w:lvl ", "<w:numPr>", '"/>', "/>", ">", "<", "</", "<!--", "-->", "<![CDATA[", "]]>",
    "<!DOCTYPE x [", '<!ENTITY a "aaaa">', "&a;", "&#0;", "&#xD800;", "xmlns:w=", "<c ", 'r="A1"',
    't="s"', 't="d"', "<v>", "</v>", "<f>", "<row ", '<mergeCell ref="A1:XFD1048576"/>', 's="9"',
    "<sheet ", 'r:id="', 'Target="', "../", 'full-path="', "<itemref ", 'idref="', "<?xml ", "%1",
    'encoding="utf-16"', "upperRoman", "bullet", "<m:oMath>", "<w:gridSpan ", "<w:vMerge/>",
)  # fmt: skip


def docx() -> bytes:
    """Return a Word document with styles, a list, a table and a formula."""
    body = (
        '<w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>Lines</w:t></w:r></w:p>'
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>'
        f"<w:r><w:t>{RULE}</w:t></w:r></w:p>"
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr>'
        "<w:r><w:t>Ropes too.</w:t></w:r><w:del><w:r><w:delText>No.</w:delText></w:r></w:del></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Fine</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
        '<w:p><m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">'
        "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
        "</m:oMath></w:p>"
    )
    levels = "".join(
        f'<w:lvl w:ilvl="{n}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for n, (form, text) in enumerate((("decimal", "%1."), ("lowerRoman", "%1.%2")))
    )
    number = (
        f'<w:numbering xmlns:w="{_WORD}"><w:abstractNum w:abstractNumId="0">{levels}'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )
    styles = (
        f'<w:styles xmlns:w="{_WORD}"><w:style w:type="paragraph" w:styleId="H"><w:name '
        'w:val="Heading 1"/><w:basedOn w:val="N"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr>'
        '</w:pPr></w:style><w:style w:type="paragraph" w:styleId="N"><w:name w:val="Normal"/>'
        "</w:style></w:styles>"
    )
    document = f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    kinds = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="application/vnd.openxmlformats-'
        f'officedocument.wordprocessingml.{kind}+xml"/>'
        for name, kind in (
            ("document", "document.main"), ("numbering", "numbering"), ("styles", "styles")
        )
    )  # fmt: skip
    types = f'<Types xmlns="{_PACKAGE}/content-types">{kinds}</Types>'
    parts = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{name}" Target="{name}.xml"/>'
        for name in ("numbering", "styles")
    )
    whole = f'<Relationship Id="r" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>'
    return zipped(
        [
            (name, text.encode())
            for name, text in (
                ("[Content_Types].xml", types),
                ("_rels/.rels", _relationships(whole)),
                ("word/_rels/document.xml.rels", _relationships(parts)),
                ("word/document.xml", document),
                ("word/numbering.xml", number),
                ("word/styles.xml", styles),
            )
        ]
    )


def _relationships(inside: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inside}</Relationships>'


def epub() -> bytes:
    """Return a book of two chapters."""
    container = '<container><rootfiles><rootfile full-path="book.opf"/></rootfiles></container>'
    book = (
        "<package><metadata><title>Byelaws</title></metadata><manifest>"
        '<item id="one" href="one.xhtml"/><item id="two" href="two.xhtml"/></manifest><spine>'
        '<itemref idref="one"/><itemref idref="two"/></spine></package>'
    )
    chapter = f"<html><body><h1>Moorings</h1><p>{RULE}</p></body></html>"
    named = {
        "META-INF/container.xml": container, "book.opf": book, "one.xhtml": chapter,
        "two.xhtml": chapter.replace("Moorings", "Fines"),
    }  # fmt: skip
    return zipped([(name, text.encode()) for name, text in named.items()])


@cache
def slides() -> bytes:
    """Return a presentation; b"" where python-pptx is missing."""
    if util.find_spec("pptx") is None:
        return b""
    made = package("pptx").Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Lines", RULE
    held = io.BytesIO()
    made.save(held)
    return held.getvalue()


MARKUP_TOKENS = tokens(
    "<p>", "</p>", "<table>", "<tr>", "<td>", "<th>", "</table>", "<ul><li>", "<a href='", "</a>",
    "<img alt=", "<nav>", "<header>", "<footer>", "<article>", "<h1>", "<h7>", "<script>",
    "<style>", "<pre><code>", "<blockquote>", "style='display:none'", "hidden", "aria-hidden=true",
    "<!--", "-->", "<![CDATA[", "<!DOCTYPE", "<?php", "&lt;", "&#0;", "&#xD800;", "&#99999999;",
    "colspan=9", "<input type=checkbox>", "<br>", "<b>", "<i>", "<video src=", "<svg>",
    "charset=utf-16", "# ", "```\n", "| a |\n|---|\n", "\x0c", "<td colspan='9999999'>",
    "<td rowspan=''>", "<td><table>",
)  # fmt: skip


def pages() -> tuple[bytes, ...]:
    """Return web pages."""
    page = (
        "<!DOCTYPE html><html><head><meta charset=utf-8><title>t</title><style>p {}</style></head>"
        "<body><header><a href=x>Home</a></header><nav>no</nav><article><header>By me</header>"
        f"<h1>Lines</h1><p style='display: none'>no</p><p>{RULE} <img alt=pier src=x> <a href='y'>"
        "see</a></p><table><tr><td>Rule</td><td>Fi|ne</td></tr><tr><td>1</td><td><ul><li>5</ul>"
        "</td></tr></table><pre><code>x = 1</code></pre><!-- no --></article></body></html>"
    )
    return (page.encode(), page.encode("utf-16"), page.replace("utf-8", "cp1252").encode("cp1252"))


def texts() -> tuple[bytes, ...]:
    """Return files of Markdown."""
    page = f"# Part 1\n\n## 1.1 Lines\n\n{RULE}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\x0c\n- é\n"
    return (page.encode(), page.encode("utf-16"), page.replace("\n", "\r\n").encode("utf-8-sig"))


PDF_TOKENS = tokens(
    "obj\n", "endobj\n", "stream\n", "endstream\n", "xref\n", "trailer\n", "startxref\n", "%%EOF",
    "<<", ">>", "/Type /Page", "/Pages", "/Kids [", "/Count ", "/Parent ", " 0 R", "/Length ",
    "/Filter /FlateDecode", "/FlateDecode", "/Encrypt ", "/Contents ", "/Font ", "/F1 12 Tf", " Tj",
    " TJ", " Td", "BT ", " ET", "(", ")", "<FEFF", "/Names ", "/ToUnicode ", "/Rotate 45", "q ",
    "/MediaBox [", " Tm", " Tr", "/Root ", "/Prev ", "/XRefStm ", "/ObjStm", "-1 ", "/Size ", "% ",
)  # fmt: skip


def pdf(*of_pages: str) -> bytes:
    """Return a PDF that is not packed, with a text on each page."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(of_pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(of_pages)} >>".encode(), font,
    ]  # fmt: skip
    for number, text in enumerate(of_pages):
        content = f"BT /F1 12 Tf 50 700 Td ({text}) Tj 0 -20 Td ({number + 1}) Tj ET".encode()
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 800] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    made, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n"
        b"%%%%EOF" % (len(objects) + 1, table, len(objects) + 1, len(made))
    )
