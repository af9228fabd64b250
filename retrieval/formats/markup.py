"""HTML as Markdown: what a reader reads, without the parts of a page that lead elsewhere."""

from typing import Any

from retrieval.formats.failures import package

# Ways through a site, and what is never shown.
_LEFT_OUT = (
    "nav, script, style, template, noscript, dialog, button, select, input, textarea, iframe, svg, "
    "[role=navigation], [role=search], [role=banner], [role=contentinfo], [hidden], "
    '[aria-hidden="true"]'
)
_INSIDE = ("article", "main", "section", "blockquote")  # whose header and footer are its own
_CELLS = ("td", "th")
_UNSEEN = ("display:none", "visibility:hidden")


def markdown(content: bytes | str, encoding: str | None = None) -> str:
    """Return a page as Markdown: the words of links and pictures, and tables with a header."""
    library, soups = package("markitdown"), package("bs4")
    given = {"from_encoding": encoding} if encoding and isinstance(content, bytes) else {}
    page = soups.BeautifulSoup(content, "html.parser", **given)
    for part in page.select(_LEFT_OUT):
        part.decompose()
    for part in page.find_all(["header", "footer"]):
        if part.find_parent(_INSIDE) is None and not part.find("h1"):
            part.decompose()
    for part in page.find_all(style=True):
        if not part.decomposed and _is_unseen(str(part.get("style"))):
            part.decompose()
    for link in page.find_all("a"):
        link.unwrap()  # an address is no word of a sentence
    for picture in page.find_all("img"):
        picture.replace_with(picture.get("alt") or "")
    _settle_tables(page)
    converter = library.converters.HtmlConverter()
    return str(converter.convert_string(str(page), strict=True).markdown)


def _is_unseen(style: str) -> bool:
    return any(way in style.replace(" ", "").lower() for way in _UNSEEN)


def _settle_tables(page: Any) -> None:
    """Make the first row of each table its header, and bars in its cells words.

    Every cell is looked at once: tables may stand in tables, thousands deep.
    """
    headed = {id(cell.find_parent("table")) for cell in page.find_all("th")}
    for row in page.find_all("tr"):
        table = id(row.find_parent("table"))
        if table not in headed:
            headed.add(table)
            for cell in row.find_all("td", recursive=False):
                cell.name = "th"
    holding = {id(table.find_parent(_CELLS)) for table in page.find_all("table")}
    for text in page.find_all(string=lambda text: "|" in text):
        cell = text.find_parent(_CELLS)
        if cell is not None and id(cell) not in holding:
            text.replace_with(text.replace("|", "\\|"))
