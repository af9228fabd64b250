"""Figures of answers: bounds, what swapping two models does, and what cannot be better."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import figures
from evaluation.figures import Answered

LABELS = ("yes", "no", "it depends")


def answered(gold: str, likelihoods: tuple[float, ...]) -> Answered:
    label = LABELS[likelihoods.index(max(likelihoods))]
    return Answered(gold, label, label == gold, likelihoods)


LIKELIHOODS = st.tuples(*[st.floats(-50, 0) for _ in LABELS])
ANSWERS = st.lists(st.builds(answered, st.sampled_from(LABELS), LIKELIHOODS), min_size=1)
PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def as_answers(right: list[bool]) -> list[Answered]:
    return [Answered("yes", "yes" if one else "no", one) for one in right]


@given(ANSWERS)
def test_all_figures_keep_to_their_bounds(answers: list[Answered]) -> None:
    taken = figures.sitting(answers, LABELS)
    assert taken.balanced is not None
    for estimate in (taken.accuracy, taken.balanced):
        assert -1e-12 <= estimate.low <= estimate.high <= 1 + 1e-12
    for share in (taken.f1, taken.by_bytes, taken.calibration_error):
        assert share is not None and -1e-12 <= share <= 1 + 1e-12
    assert taken.brier is not None and -1e-12 <= taken.brier <= 2 + 1e-12
    assert sum(one.count for one in taken.reliability) == len(answers)
    assert sum(taken.given.values()) == len(answers)


@given(PAIRS)
def test_swapping_two_models_flips_the_gain_and_keeps_p(pairs: list[tuple[bool, bool]]) -> None:
    before, after = (as_answers([pair[n] for pair in pairs]) for n in (0, 1))
    one, other = figures.compared(before, after), figures.compared(after, before)
    assert one["gain"].value == -other["gain"].value
    assert one["gain"].low == pytest.approx(-other["gain"].high, abs=0.2)
    assert (one["won"], one["lost"]) == (other["lost"], other["won"])
    assert one["p"] == pytest.approx(other["p"])


@given(st.lists(st.sampled_from(LABELS), min_size=1))
def test_perfect_answers_are_perfect_by_every_measure(gold: list[str]) -> None:
    sure = [
        answered(one, tuple(0.0 if one == label else -90.0 for label in LABELS)) for one in gold
    ]
    taken = figures.sitting(sure, LABELS)
    assert taken.accuracy.value == taken.accuracy.low == 1
    assert taken.balanced is not None and taken.balanced.value == 1
    assert taken.brier == pytest.approx(0) and taken.calibration_error == pytest.approx(0)
    assert taken.f1 == pytest.approx(len(set(gold)) / len(LABELS))


@given(st.lists(LIKELIHOODS, min_size=1), st.floats(-5, 5))
def test_probabilities_sum_to_one_and_know_no_level(
    likelihoods: list[tuple[float, ...]], level: float
) -> None:
    shares = figures.probabilities(likelihoods)
    assert shares.sum(axis=1) == pytest.approx(1)
    moved = figures.probabilities([[one + level for one in row] for row in likelihoods])
    assert moved == pytest.approx(shares, abs=1e-9)


def test_the_bytes_of_a_label_can_decide() -> None:
    assert figures.by_bytes([(-1.0, -1.5)], ("no", "certainly")) == [1]
    assert figures.by_bytes([(-1.0, -1.5)], ("no", "ja")) == [0]
    # Two bytes a letter.
    assert figures.by_bytes([(-3.0, -4.0)], ("nein", "йо")) == [0]


@pytest.mark.parametrize(("won", "lost", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (9, 1, 0.021484375)])
def test_mcnemars_p_is_exact(won: int, lost: int, p: float) -> None:
    assert math.isclose(figures.mcnemar(won, lost), p)


def test_balanced_accuracy_does_not_reward_the_commonest_answer() -> None:
    gold = ["yes"] * 9 + ["no"]
    answers = [Answered(one, "yes", one == "yes") for one in gold]
    taken = figures.sitting(answers, ("yes", "no"))
    assert taken.accuracy.value == pytest.approx(0.9) == figures.chance(gold)
    assert taken.balanced is not None and taken.balanced.value == pytest.approx(0.5)


def test_free_answers_have_no_labels_to_balance() -> None:
    taken = figures.sitting(as_answers([True, False]), ())
    assert taken.balanced is taken.f1 is taken.brier is None and not taken.given
