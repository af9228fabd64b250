"""Exams: what has no grade is left out, and intervals hold the truth as often as they say."""

import asyncio

import numpy as np
from scripted import Scripted

from agents.graders import Grader
from agents.student import Student
from elenchus.ledger import Ledger
from elenchus.records import ExamItem, Failure, Message, Score
from elenchus.sections import ModelConfig
from graphs.config import DomainConfig
from models.backend import Model, make_model
from models.calls import Caller
from training.evaluation import accuracy, gain, graded, share, sit


def exam(right: list[bool], round_: int, points: int = 0) -> tuple[list[ExamItem], list[Score]]:
    items, scores = [], []
    for n, is_right in enumerate(right):
        item = ExamItem(
            exam="held-out", kind="recall", prompt=(Message(role="user", content=f"q{n}"),), gold="a",
            point_id=f"o-{n % points}" if points else None,
        )  # fmt: skip
        items.append(item)
        scores.append(
            Score(item_id=item.id, exam="held-out", round=round_, answer="", call_id="m",
                  grade="correct" if is_right else "incorrect")
        )  # fmt: skip
    return items, scores


def test_shares_and_gains() -> None:
    items, before = exam([True, False, False, False], 0)
    _, after = exam([True, True, True, False], 1)
    assert accuracy(items, before).value == share(items, before) == 0.25
    found = gain(items, before, after)
    assert found.value == 0.5
    assert found.low <= 0.5 <= found.high


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        items, scores = exam(list(rng.random(120) < 0.6), 0)
        found = accuracy(items, scores)
        held += found.low <= 0.6 <= found.high
    assert held >= 88


def test_questions_on_one_point_count_as_one() -> None:
    """Forty points asked ten times each are worth forty questions, not four hundred."""
    rng = np.random.default_rng(1)
    by_point = rng.random(40) < 0.5
    items, scores = exam([bool(by_point[n % 40]) for n in range(400)], 0, points=40)
    clustered = accuracy(items, scores)
    loose_items, loose_scores = exam([bool(by_point[n % 40]) for n in range(400)], 0)
    loose = accuracy(loose_items, loose_scores)
    assert clustered.high - clustered.low > 2 * (loose.high - loose.low)


def test_no_exam_is_no_number() -> None:
    assert np.isnan(accuracy([], []).value)


def test_an_answer_without_a_usable_grade_is_left_out_and_recorded(ledger: Ledger) -> None:
    items, before = exam([True, True, False], 0)
    config = DomainConfig(domain="d", title="t")
    good = '{"grades": ["correct"], "missed": "", "critique": ""}'
    judge = Scripted(lines=[good, *["what?"] * 3, good], asked=[])
    grader = Grader(Caller(Model(judge, "judge", seeded=False), ModelConfig(), ledger), config)
    student = Student(Caller(make_model(config.student), config.student, ledger), config)
    sat = [asyncio.run(sit(student, grader, [item], 1, lambda *_: None)) for item in items]
    (first,), (failure,), (last,) = sat
    assert isinstance(first, Score) and isinstance(last, Score)
    after = [first, last]
    assert graded(items, before, after) == [items[0], items[2]]
    assert share(graded(items, after), after) == 1.0
    assert ledger.all(Failure) == [failure]
    assert isinstance(failure, Failure) and failure.raw == "what?"
