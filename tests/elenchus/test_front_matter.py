"""Front matter: what is written is read, and whatever a card of others holds ends in one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.front_matter import front_matter, read_front_matter

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20) | st.just("---\na: b")


@given(st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS), min_size=1), TEXTS)
def test_what_is_written_is_read_again(values: dict[str, object], body: str) -> None:
    assert read_front_matter(front_matter(values) + body) == (values, body)


@pytest.mark.parametrize("card", ["", "# none", "---\n- a list\n---\n", "---\na", "---\n---\n# T"])
def test_a_card_without_any_stays_whole(card: str) -> None:
    assert read_front_matter(card) == ({}, card)


def test_it_may_be_all_of_a_card() -> None:
    assert read_front_matter("---\na: b\n---") == ({"a": "b"}, "")


@pytest.mark.parametrize("damaged", [": [", "date: 2024-02-31", "a: " + "[" * 5000])
def test_what_is_no_yaml_is_said(damaged: str) -> None:
    with pytest.raises(ValueError, match="no YAML"):
        read_front_matter(f"---\n{damaged}\n---\n# T\n")
