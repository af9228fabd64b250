"""Curation: laws of facility location and of duplicate removal."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elenchus.config import DatasetConfig
from elenchus.outcomes import ExamItem, Example
from elenchus.records import Form, Gold, Message
from training.dataset import (
    Vectors,
    curate,
    facility_location,
    left_out,
    nearness,
    without_duplicates,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


VECTORS = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(0.1, 1)
).map(unit)


def reach(vectors: np.ndarray, chosen: list[int]) -> float:
    return float(np.clip(vectors @ vectors[chosen].T, 0, None).max(axis=1).sum())


@given(VECTORS, st.integers(1, 12))
def test_greedy_is_near_the_best_set(vectors: np.ndarray, most: int) -> None:
    from itertools import combinations

    chosen = facility_location(vectors, np.ones(len(vectors)), most, 1.0)
    assert len(set(chosen)) == len(chosen) <= most
    size = min(most, len(vectors))
    if size <= 3:
        best = max(reach(vectors, list(c)) for c in combinations(range(len(vectors)), size))
        assert reach(vectors, chosen) >= (1 - 1 / np.e) * best - 1e-6


@given(VECTORS)
def test_full_coverage_reaches_everything(vectors: np.ndarray) -> None:
    chosen = facility_location(vectors, np.ones(len(vectors)), len(vectors), 1.0)
    assert reach(vectors, chosen) >= len(vectors) * (1 - 1e-6)


def test_weight_decides_between_equals() -> None:
    vectors = np.eye(3)
    assert facility_location(vectors, np.array([0.1, 0.9, 0.5]), 2, 1.0) == [1, 2]


@given(VECTORS, st.floats(0.5, 1.0))
def test_distinct_ones_are_apart_and_removed_ones_are_not(
    vectors: np.ndarray, limit: float
) -> None:
    distinct = without_duplicates(vectors, range(len(vectors)), limit)
    cosines = vectors @ vectors.T
    rounding = 1e-12
    for place, i in enumerate(distinct):
        assert all(cosines[i, j] < limit + rounding for j in distinct[:place])
    for i in set(range(len(vectors))) - set(distinct):
        assert any(cosines[i, j] >= limit - rounding for j in distinct if j < i)


def example(
    n: int, weight: float = 1.0, point: str = "", form: Form = "", result: str = ""
) -> Example:
    return Example(
        prompt=(Message(role="user", content=f"question {n}"),),
        completion="a",
        question_id="q",
        turn_id="t",
        examination_id="e",
        point_id=point or f"o-{n}",
        passage_ids=("p",),
        kind="recall",
        round=1,
        weight=weight,
        form=form,
        result=result,
    )


def apart(count: int) -> tuple[Vectors, Vectors]:
    """Vectors that are unlike one another, and nearness to no exam."""
    return np.eye(count, dtype=np.float32), np.full(count, -1.0, dtype=np.float32)


def test_what_is_near_the_exam_goes() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 1, 2]]
    near = np.array([0.0, 0.5, 0.5, 1.0], dtype=np.float32)
    examples = [example(n) for n in range(4)]
    chosen = curate(examples, vectors, near, DatasetConfig(), 1, 400)
    assert set(chosen.example_ids) == {examples[0].id, examples[1].id}
    assert (chosen.near_exam, chosen.near_duplicates, chosen.candidates) == (1, 1, 4)
    assert chosen.nearest_exam_similarity == 0.5
    assert left_out(chosen) == 2


def test_nothing_accepted_is_an_empty_set() -> None:
    vectors = np.zeros((0, 4), dtype=np.float32)
    chosen = curate([], vectors, vectors[:, 0], DatasetConfig(), 1, 400, 2, contradicted=1)
    assert chosen.example_ids == ()
    assert (chosen.candidates, chosen.too_long, chosen.contradicted) == (3, 2, 1)
    assert left_out(chosen) == 3


@pytest.mark.parametrize("count", [0, 1])
def test_small_sets(count: int) -> None:
    vectors, near = apart(count)
    chosen = curate([example(n) for n in range(count)], vectors, near, DatasetConfig(), 1, 400)
    assert len(chosen.example_ids) == count


def test_a_point_has_no_more_examples_than_it_may() -> None:
    examples = [example(n, point="full" if n % 2 else f"o-{n}") for n in range(10)]
    config = DatasetConfig(per_point=2, selection="random")
    chosen = curate(examples, *apart(10), config, 1, 400)
    assert chosen.of_full_points == left_out(chosen) == 3
    kept = {e.id for e in (*examples[::2], examples[1], examples[3])}
    assert set(chosen.example_ids) == kept


def test_a_duplicate_takes_no_place_of_its_point() -> None:
    vectors, near = apart(3)
    examples = [example(n, point="full") for n in range(3)]
    config = DatasetConfig(per_point=2)
    chosen = curate(examples, vectors[[0, 0, 1]], near, config, 1, 400)
    assert set(chosen.example_ids) == {examples[0].id, examples[2].id}
    assert (chosen.near_duplicates, chosen.of_full_points) == (1, 0)


def test_an_answer_that_is_too_common_is_left_out() -> None:
    results = ["yes"] * 8 + ["no"] * 2
    examples = [example(n, form="yes-no", result=result) for n, result in enumerate(results)]
    chosen = curate(examples, *apart(10), DatasetConfig(selection="random"), 1, 400)
    assert chosen.unbalanced == left_out(chosen) == 5
    kept = {e.id for e in (*examples[:3], *examples[8:])}
    assert set(chosen.example_ids) == kept
    assert chosen.candidates == 10


# --- nearness ----------------------------------------------------------------------------------

TOPICS = ("fee", "boat", "limit", "14")


def encode(texts: Sequence[str]) -> Vectors:
    """Return the share that each of a few words has in a text."""
    rows = np.array([[text.count(word) for word in TOPICS] + [0.1] for text in texts])
    return unit(rows.reshape(-1, len(TOPICS) + 1)).astype(np.float32)


def item(question: str, result: str, point: str | None) -> ExamItem:
    prompt = (Message(role="user", content=question),)
    gold = Gold(text=result, result=result)
    return ExamItem(exam="held-out", kind="recall", prompt=prompt, gold=gold, point_id=point)


def asking(question: str, result: str, point: str) -> Example:
    prompt = (Message(role="user", content=question),)
    return example(0, point=point, result=result).model_copy(update={"prompt": prompt})


def near_to(examples: list[Example], items: list[ExamItem]) -> np.ndarray:
    asked = [encode([one.prompt[-1].content for one in some]) for some in (examples, items)]
    return nearness(examples, items, *asked, encode)


def test_the_nearest_question_of_any_point_counts() -> None:
    examples = [asking("fee boat", "4", "o-1"), asking("limit", "4", "o-1")]
    near = near_to(examples, [item("boat", "5", "o-2"), item("fee boat", "6", "o-3")])
    assert near[0] == pytest.approx(1.0, abs=1e-3)
    assert near[1] < 0.1


def test_the_same_case_in_other_words_is_near_in_its_result() -> None:
    """About the same point alone: elsewhere the same figure is another one."""
    example_ = asking("fee", "14 14 14", "o-1")
    exam = [item("boat", "14 14 14", "o-1"), item("limit", "no", "o-1")]
    near = near_to([example_], exam)[0]
    assert near == pytest.approx(0.9, abs=0.02)
    elsewhere = [i.model_copy(update={"point_id": other}) for i in exam for other in ("o-2", None)]
    assert near_to([example_], elsewhere)[0] < 0.1


def test_without_an_exam_nothing_is_near() -> None:
    assert near_to([asking("fee", "4", "o-1")], []).tolist() == [-1.0]
    assert near_to([], [item("fee", "4", "o-1")]).shape == (0,)
