"""Quotes are found however they were typed, and paraphrases are not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quotes import quoted

TEXT = (
    "The “harbour-master” – not the pilot’s – **must** be told of any *oil*  spill…\n"
    "See [section 2](https://example.org/a_b) of the byelaws: fi\ufb01ve days, 5\u00a0km², "
    "caf\u00e9, har\u00adbour."
)


@pytest.mark.parametrize(
    ("quote", "exact"),
    [
        ('The "harbour-master" - not', "The “harbour-master” – not"),
        ("the pilot's", "the pilot’s"),
        ("must be told of any oil spill...", "must** be told of any *oil*  spill…"),
        ("See section 2 of the byelaws", "See [section 2](https://example.org/a_b) of the byelaws"),
        ("fifive days, 5 km2", "fi\ufb01ve days, 5\u00a0km²"),
        (unicodedata.normalize("NFD", "café, harbour."), "caf\u00e9, har\u00adbour."),
        ("**must** be told", "**must** be told"),
    ],
)
def test_what_was_typed_otherwise_is_found_as_it_stands(quote: str, exact: str) -> None:
    found = quoted(quote, TEXT)
    assert found == exact and found in TEXT


@pytest.mark.parametrize(
    "quote",
    ["must be informed of any oil spill", "not the pilot", "The harbour-master", "six days", "",
     "…", "**", " ", "Must be told", "any oil spill. See"],
)  # fmt: skip
def test_a_paraphrase_is_found_nowhere(quote: str) -> None:
    assert quoted(quote, TEXT.replace("not the pilot", "not  a pilot")) is None


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_what_stands_in_a_text_is_found_in_it(before: str, quote: str, after: str) -> None:
    text = before + quote + after
    if any(map(str.isalnum, quote)):
        found = quoted(quote, text)
        assert found is not None
        assert found == quote or found in text


@given(st.text(max_size=80), st.text(max_size=20))
def test_what_is_found_is_a_part_of_the_text(text: str, quote: str) -> None:
    found = quoted(quote, text)
    assert found is None or found == quote or found in text
