"""Texts of documents and models are shown as they stand."""

from elenchus.printing import plain


def test_text_in_a_report_is_neither_html_nor_markdown() -> None:
    shown = plain("![p](http://evil/t.png) <img src=x> | `code` \x1b[2J")
    assert "<" not in shown and "\x1b" not in shown
    assert shown.startswith("\\!\\[p\\](") and "\\|" in shown and "\\`code\\`" in shown
