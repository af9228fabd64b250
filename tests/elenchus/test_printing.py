"""Texts of documents and models are shown as they stand."""

from elenchus.printing import in_line, plain


def test_text_in_a_report_is_neither_html_nor_markdown() -> None:
    shown = plain("![p](http://evil/t.png) <img src=x> | `code` \x1b[2J")
    assert "<" not in shown and "\x1b" not in shown
    assert shown.startswith("\\!\\[p\\](") and "\\|" in shown and "\\`code\\`" in shown


def test_a_long_text_is_shown_by_its_beginning_on_one_line() -> None:
    assert in_line(" a\n\tb\u2028c ", 9) == "a b c"
    assert in_line("a\n" * 50, 5) == "a a a…"
