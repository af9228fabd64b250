"""Balance: no answer of a form that can be guessed is so common that giving it always pays."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.records import GUESSABLE, Form, Gold
from training.balance import balanced, commonest, plain

FORMS = st.sampled_from(["yes-no", "choice", "number", "phrase", ""])
RESULTS = st.sampled_from(["yes", "Yes.", "no", " NO", "b", "perhaps"])
ITEMS = st.lists(st.tuples(FORMS, RESULTS), max_size=40)
SHARES = st.sampled_from([0.5, 0.6, 0.75, 1.0])
FEW = 5  # of a form; of fewer, one would always be too common


def answer(numbered: tuple[int, tuple[Form, str]]) -> tuple[Form, str]:
    return numbered[1]


def counts(items: list[tuple[int, tuple[Form, str]]], form: Form) -> Counter[str]:
    return Counter(plain(result) for _, (of, result) in items if of == form)


@given(ITEMS, SHARES)
def test_no_result_has_more_than_its_share(items: list[tuple[Form, str]], most: float) -> None:
    left = balanced(list(enumerate(items)), most, answer)
    for form in GUESSABLE:
        kept = counts(left, form)
        if kept.total() >= FEW:
            assert Fraction(max(kept.values()), kept.total()) <= Fraction(str(most))


@given(ITEMS, SHARES)
def test_no_more_is_left_out_than_must_be(items: list[tuple[Form, str]], most: float) -> None:
    """What is kept keeps its order; of what is too common the last go, until it is not."""
    numbered = list(enumerate(items))
    left = balanced(numbered, most, answer)
    out = [item for item in numbered if item not in left]
    assert left == [item for item in numbered if item not in out]
    assert all(form in GUESSABLE for _, (form, _) in out)
    for form in GUESSABLE:
        before, kept = counts(numbered, form), counts(left, form)
        gone = before - kept
        if not gone:
            continue
        assert before.total() >= FEW
        assert max(kept.values()) + 1 > most * (kept.total() + 1)  # one more would be too many
        for result in gone:
            of_it = [item for item in numbered if item[1][0] == form
                     and plain(item[1][1]) == result]  # fmt: skip
            assert [item for item in of_it if item in left] == of_it[: kept[result]]


@pytest.mark.parametrize(
    ("results", "left"),
    [
        (["yes"] * 6 + ["no"] * 4, 10),  # just at its share
        (["yes"] * 7 + ["no"] * 3, 7),  # 4 and 3
        (["yes", "Yes.", "YES", "yes", "no"], 4),
        (["yes"] * 4, 4),
        (["yes"] * 9, 4),
    ],
)
def test_how_many_are_left(results: list[str], left: int) -> None:
    items: list[tuple[int, tuple[Form, str]]] = [
        (n, ("yes-no", result)) for n, result in enumerate(results)
    ]
    assert len(balanced(items, 0.6, answer)) == left


def test_the_share_of_the_commonest_result() -> None:
    golds = [Gold(text=f"So: {r}", result=r) for r in ("No.", "no", "NO ", "yes")]
    assert commonest(golds) == 0.75
    assert commonest([]) is None
