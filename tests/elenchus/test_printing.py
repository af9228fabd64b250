"""Texts of documents and models are shown as they stand."""

import pytest

from elenchus.printing import in_bytes, in_line, plain


def test_text_in_a_report_is_neither_html_nor_markdown() -> None:
    shown = plain("![p](http://evil/t.png) <img src=x> | `code` \x1b[2J")
    assert "<" not in shown and "\x1b" not in shown
    assert shown.startswith("\\!\\[p\\](") and "\\|" in shown and "\\`code\\`" in shown


def test_a_long_text_is_shown_by_its_beginning_on_one_line() -> None:
    assert in_line(" a\n\tb\u2028c ", 9) == "a b c"
    assert in_line("a\n" * 50, 5) == "a a a…"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (941_056, "941.1 kB"),
        (999_960, "1.0 MB"),
        (4_300_000, "4.3 MB"),
        (1_234_000_000_000, "1,234.0 GB"),
    ],
)
def test_sizes_of_files_are_told_in_units_that_fit(count: int, shown: str) -> None:
    assert in_bytes(count) == shown
