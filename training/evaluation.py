"""Exams before and after: sitting them, and intervals that say how sure the difference is."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from agents.calls import CallFailed
from agents.grader import Grader
from agents.student import Student
from elenchus.config import TaskConfig
from elenchus.matching import matches
from elenchus.records import Answer, ExamItem, Failure, Grade, Score

RIGHT: frozenset[Grade] = frozenset({"correct", "partial"})
RESAMPLES = 2000
CHUNK = 256  # questions under way at once


@dataclass(frozen=True)
class Estimate:
    """A share, or a difference of shares, with its 95 % interval."""

    value: float
    low: float
    high: float


async def sit(
    student: Student,
    grader: Grader,
    items: Sequence[ExamItem],
    round_: int,
    progress: Callable[[int, int], None],
    tasks: Mapping[str, TaskConfig] | None = None,
) -> list[Score | Failure]:
    """One answer to each item, graded against its gold answer.

    Where the item's kind is one of `tasks`, that says how; else the grader is asked. What the
    student cannot answer or the grader cannot grade has, instead of a score, the failure, which
    is in the ledger already.
    """
    found: list[Score | Failure] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        found += await asyncio.gather(
            *(_score(student, grader, i, round_, (tasks or {}).get(i.kind)) for i in chunk)
        )
        progress(start + len(chunk), len(items))
    return found


async def _score(
    student: Student, grader: Grader, item: ExamItem, round_: int, task: TaskConfig | None
) -> Score | Failure:
    try:
        answer = await student.sit(item.prompt)
        grade, call_id = await _grade(grader, item, answer, task)
    except CallFailed as failed:
        return failed.failure
    return Score(
        item_id=item.id,
        exam=item.exam,
        round=round_,
        answer=answer.text,
        grade=grade,
        call_id=call_id,
    )


async def _grade(
    grader: Grader, item: ExamItem, answer: Answer, task: TaskConfig | None
) -> tuple[Grade, str]:
    """The grade of an answer, and the call that it comes from."""
    if task is None or task.how == "grader":
        verdict = await grader.grade(item.prompt[-1].content, item.gold, [answer.text])
        return verdict.grades[0], verdict.call_id
    if answer.abstained:
        return "abstained", answer.call_id
    right = matches(task.how, answer.text, item.gold)
    return "correct" if right else "incorrect", answer.call_id


def graded(items: Sequence[ExamItem], *sittings: Sequence[Score]) -> list[ExamItem]:
    """The items that have a grade in every one of the sittings."""
    known = [{score.item_id for score in scores} for scores in sittings]
    return [item for item in items if all(item.id in ids for ids in known)]


def accuracy(items: Sequence[ExamItem], scores: Sequence[Score]) -> Estimate:
    """Share of right results. A right result from a wrong rule ("partial") counts as right."""
    right = _right(scores)
    return _bootstrap(_clusters(items), np.array([right[item.id] for item in items]))


def share(items: Sequence[ExamItem], scores: Sequence[Score]) -> float:
    """Share of right results, without an interval."""
    right = _right(scores)
    return sum(right[item.id] for item in items) / len(items)


def gain(items: Sequence[ExamItem], before: Sequence[Score], after: Sequence[Score]) -> Estimate:
    """Paired difference, after minus before, of the shares of right results."""
    old, new = _right(before), _right(after)
    difference = np.array([new[item.id] - old[item.id] for item in items])
    return _bootstrap(_clusters(items), difference)


def _right(scores: Sequence[Score]) -> dict[str, float]:
    return {score.item_id: float(score.grade in RIGHT) for score in scores}


def _clusters(items: Sequence[ExamItem]) -> list[str]:
    """What varies together: questions on one point stand or fall with that point."""
    return [item.point_id or item.id for item in items]


def _bootstrap(clusters: Sequence[str], values: NDArray[np.float64]) -> Estimate:
    """Mean with a percentile bootstrap over whole clusters (after arXiv 2411.00640, sec. 2.2)."""
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"))
    _, index = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index).astype(float)
    mean = float(values.mean())
    if len(sums) < 2:
        return Estimate(mean, mean, mean)
    found = stats.bootstrap(
        (sums, counts),
        lambda total, count, axis: total.sum(axis=axis) / count.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high))
