"""Answers beside the right one: words, numbers within bounds, and what follows a result's mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.own_tests import Scoring
from elenchus.questions import AnswerForm
from elenchus.records import Message
from evaluation.comparing import compared
from evaluation.records import TestItem

FORM = AnswerForm("{explanation} So: {result}.")


def item(answer: str, score: Scoring = "exact", **more: object) -> TestItem:
    return TestItem(
        test="t", place="t#1", prompt=(Message(role="user", content="?"),), asked="?",
        answer=answer, score=score, **more,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("Yes", "yes.", True),
        ("Yes", "It is named. So: yes.", True),
        ("Yes", "Yes, it is", False),
        ("Yes", "", False),
    ],
)
def test_exact_takes_the_result_where_there_is_one(gold: str, answer: str, right: bool) -> None:
    labels = ("No", "Yes")
    assert compared(item(gold, labels=labels), answer, FORM) == (right, gold if right else "")


def test_another_label_is_told_as_such() -> None:
    assert compared(item("Yes", labels=("No", "Yes")), "no", FORM) == (False, "No")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("$1,090 are due.", True),
        ("It is 2 times 545, so 1,090", True),
        ("1,111", False),
        ("", False),
    ],
)
def test_a_number_is_right_within_its_bounds(answer: str, right: bool) -> None:
    assert compared(item("$1,000", "number", relative=0.1), answer, FORM)[0] is right


@given(st.floats(-1e9, 1e9), st.floats(0, 0.5), st.floats(0, 100))
def test_the_right_number_is_right_whatever_the_bounds(
    number: float, relative: float, absolute: float
) -> None:
    gold = item(f"{number:.2f}", "number", relative=relative, absolute=absolute)
    assert compared(gold, f"It is {number:.2f}", FORM)[0]
    assert compared(gold, f"So: {number:.2f}.", FORM)[0]


def test_contains_wants_one_of_several_as_whole_words() -> None:
    gold = item("tax|levy", "contains")
    assert compared(gold, "The buyer pays the levy.", FORM)[0]
    assert not compared(gold, "The buyer pays the levying officer.", FORM)[0]
