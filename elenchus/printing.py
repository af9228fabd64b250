"""Texts of documents, models and file names on a terminal and in reports."""

import html
import re

# Controls move the cursor, ring the bell, set the title: all but line ends and tabs are replaced.
# Page breaks just go.
_SHOWN: dict[int, str | None] = {
    n: "\N{REPLACEMENT CHARACTER}" for n in (*range(32), *range(127, 160)) if chr(n) not in "\n\t"
}
_SHOWN[ord("\f")] = None


def printable(text: str) -> str:
    """A text that a terminal shows and never obeys."""
    return text.translate(_SHOWN)


def plain(text: str) -> str:
    """A text as text in a Markdown file: neither HTML nor Markdown."""
    return re.sub(r"([\\`*_\[\]|#!~])", r"\\\1", html.escape(printable(text), quote=False))
