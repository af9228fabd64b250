"""Diversity: counts by hand, and what repeating, reordering and sampling change."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.diversity import distinct, self_bleu

TEXTS = st.lists(
    st.lists(st.sampled_from(["card", "top", "up", "lost", "my", "?"]), min_size=1, max_size=8)
    .map(" ".join), min_size=2, max_size=8,
)  # fmt: skip


def test_distinct_counts_by_hand() -> None:
    texts = ["My card, my card.", "Lost"]  # my card , my card . | lost
    assert distinct(texts, 1) == 5 / 7
    assert distinct(texts, 2) == 4 / 5


def test_what_has_no_words_has_no_measure() -> None:
    assert distinct([], 1) is None
    assert distinct(["", "one"], 2) is None
    assert self_bleu([]) is None
    assert self_bleu(["only one", " "]) is None


@given(TEXTS, st.integers(1, 2))
def test_repeating_lowers_distinct(texts: list[str], n: int) -> None:
    once, twice = distinct(texts, n), distinct(texts * 2, n)
    if once is None:
        assert twice is None
    else:
        assert twice == pytest.approx(once / 2)
        assert 0 < once <= 1


@given(TEXTS)
def test_copies_are_worth_one(texts: list[str]) -> None:
    assert self_bleu([*texts, *texts]) == pytest.approx(1)


@given(TEXTS, st.randoms())
def test_order_does_not_matter(texts: list[str], random) -> None:
    value = self_bleu(texts)
    random.shuffle(texts)
    assert self_bleu(texts) == pytest.approx(value)
    assert 0 <= value <= 1 + 1e-9


def test_texts_without_a_common_word_are_worth_nothing() -> None:
    assert self_bleu(["one two three", "four five", "six"]) == 0


def test_self_bleu_by_hand() -> None:
    """Clipped counts, the length of the nearest reference, and a tenth for no match."""
    texts = ["a a b", "a b c d e"]
    first = math.exp(math.log(2 / 3 * 1 / 2 * 0.1 / 1) / 3 + 0)  # a b of a a b; a b of aa, ab
    first *= math.exp(1 - 5 / 3)
    second = math.exp(math.log(2 / 5 * 1 / 4 * 0.1 / 3 * 0.1 / 2) / 4)
    assert self_bleu(texts) == pytest.approx((first + second) / 2)


def test_a_sample_is_seeded() -> None:
    texts = [f"message {n % 7} about card {n % 11} and {n}" for n in range(60)]
    assert self_bleu(texts, sample=20, seed=1) == self_bleu(texts, sample=20, seed=1)
    assert self_bleu(texts, sample=20, seed=1) != self_bleu(texts, sample=20, seed=2)
    assert self_bleu(texts, sample=60) == self_bleu(texts)
