"""Shares and gains: intervals hold the truth as often as they say."""

import numpy as np

from elenchus.outcomes import ExamItem, Score
from elenchus.records import Gold, Grade, Message
from training.evaluation import accuracy, gain, graded, share


def exam(right: list[bool], round_: int, points: int = 0) -> tuple[list[ExamItem], list[Score]]:
    """Return an exam with its scores; `points` is how many points it asks about, 0 for none."""
    items, scores = [], []
    for n, is_right in enumerate(right):
        item = ExamItem(
            exam="held-out",
            kind="recall",
            prompt=(Message(role="user", content=f"q{n}"),),
            gold=Gold(text="a", result="a"),
            point_id=f"o-{n % points}" if points else None,
        )
        items.append(item)
        scores.append(
            Score(
                item_id=item.id,
                exam="held-out",
                round=round_,
                answer="",
                call_id="m",
                grade="correct" if is_right else "incorrect",
                result=is_right,
            )
        )
    return items, scores


def test_shares_and_gains() -> None:
    items, before = exam([True, False, False, False], 0)
    _, after = exam([True, True, True, False], 1)
    assert accuracy(items, before).value == share(items, before) == 0.25
    difference = gain(items, before, after)
    assert difference.value == 0.5
    assert difference.low <= 0.5 <= difference.high


def test_a_right_result_counts_without_its_reason_where_results_are_looked_at() -> None:
    items, scores = exam([True, False, False, False], 0)
    half: list[Grade] = ["correct", "partial", "incorrect", "abstained"]
    scores = [
        score.model_copy(update={"grade": grade, "result": n < 3})
        for n, (score, grade) in enumerate(zip(scores, half, strict=True))
    ]
    assert accuracy(items, scores).value == share(items, scores) == 0.25
    assert accuracy(items, scores, result=True).value == 0.75
    later = [score.model_copy(update={"grade": "correct"}) for score in scores]
    assert gain(items, scores, later).value == 0.75  # results are the same, reasons are not


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        estimate = accuracy(*exam(list(rng.random(120) < 0.6), 0))
        covered += estimate.low <= 0.6 <= estimate.high
    assert covered >= 88


def test_questions_on_one_point_count_as_one() -> None:
    """Forty points asked ten times each are worth forty questions, not four hundred."""
    rng = np.random.default_rng(1)
    by_point = rng.random(40) < 0.5
    right = [bool(by_point[n % 40]) for n in range(400)]
    clustered = accuracy(*exam(right, 0, points=40))
    loose = accuracy(*exam(right, 0))
    assert clustered.high - clustered.low > 2 * (loose.high - loose.low)


def test_no_exam_is_no_number() -> None:
    assert np.isnan(accuracy([], []).value)


def test_an_item_without_a_score_is_left_out() -> None:
    items, before = exam([True, True, False], 0)
    after = [before[0], before[2]]
    assert graded(items, before, after) == [items[0], items[2]]
    assert share(graded(items, after), after) == 0.5
