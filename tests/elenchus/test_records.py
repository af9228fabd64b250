"""Verdicts: what the grades of a student's answers come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.records import SCORES, Grade, verdict

GRADES = st.lists(st.sampled_from(list(SCORES)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("grades", "gap", "spread"),
    [
        (["correct", "correct"], 0.0, 0.0),
        (["incorrect", "abstained"], 1.0, 0.0),
        (["correct", "incorrect"], 0.5, 0.25),
        (["partial", "partial"], 0.75, 0.0),
    ],
)
def test_gap_and_spread(grades: list[Grade], gap: float, spread: float) -> None:
    given_ = verdict(grades)
    assert (given_.gap, given_.spread) == (gap, spread)


@given(GRADES)
def test_who_is_right_by_turns_spreads_most(grades: list[Grade]) -> None:
    given_ = verdict(grades)
    assert 0 <= given_.gap <= 1
    assert 0 <= given_.spread <= 0.25
    assert (given_.spread == 0) == (len({SCORES[grade] for grade in grades}) == 1)


def test_a_result_may_be_right_where_its_reason_is_not() -> None:
    assert verdict(["correct", "partial"]).results == (True, False)
    told = verdict(["incorrect", "partial"], "The limit.", "m-1", (True, True), ("a", "b"))
    assert told.results == (True, True)
    assert (told.missed, told.call_id, told.critiques) == ("The limit.", "m-1", ("a", "b"))
    assert told.gap == 0.875
