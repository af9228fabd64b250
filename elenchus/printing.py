"""Texts of documents and models, and names of files, made safe for terminals and reports."""

import html
import re

# Control characters move the cursor, ring the bell, set the title: all but line ends and tabs are
# replaced. So are halves of surrogate pairs, which no UTF-8 has. Page breaks are left out.
_SHOWN: dict[int, str | None] = {
    n: "\N{REPLACEMENT CHARACTER}"
    for n in (*range(32), *range(127, 160), *range(0xD800, 0xE000))
    if chr(n) not in "\n\t"
}
_SHOWN[ord("\f")] = None


def printable(text: str) -> str:
    """Return a text that a terminal shows and never obeys."""
    return text.translate(_SHOWN)


def in_line(text: str, longest: int) -> str:
    """Return a text on one line; of a long one the beginning, and an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def in_bytes(count: int) -> str:
    """Return the size of a file as people read it: 812 bytes, 9.9 kB, 4.3 MB, 1.1 GB."""
    size, units = float(count), ["kB", "MB", "GB"]
    if count < 1000:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    size /= 1000
    while round(size, 1) >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:,.1f} {units[0]}"


def plain(text: str) -> str:
    """Return a text that a Markdown file shows as it stands: neither HTML nor Markdown."""
    return re.sub(r"([\\`*_\[\]|#!~])", r"\\\1", html.escape(printable(text), quote=False))
