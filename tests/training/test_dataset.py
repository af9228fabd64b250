"""Curation: laws of facility location and of duplicate removal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elenchus.config import DatasetConfig
from elenchus.outcomes import Example
from elenchus.records import Message
from training.dataset import curate, facility_location, without_duplicates


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


def example(n: int, weight: float = 1.0) -> Example:
    return Example(
        prompt=(Message(role="user", content=f"question {n}"),),
        completion="a",
        question_id="q",
        turn_id="t",
        examination_id="e",
        point_id=f"o-{n}",
        passage_ids=("p",),
        kind="recall",
        round=1,
        weight=weight,
    )


def test_what_is_near_the_exam_goes() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 1, 2]]
    exam = np.eye(4, dtype=np.float32)[[2]]
    examples = [example(n) for n in range(4)]
    chosen = curate(examples, vectors, exam, DatasetConfig(), 1, 400)
    assert set(chosen.example_ids) == {examples[0].id, examples[1].id}
    assert (chosen.near_exam, chosen.near_duplicates, chosen.candidates) == (1, 1, 4)
    assert chosen.nearest_exam_similarity == 0.0


def test_nothing_accepted_is_an_empty_set() -> None:
    nothing = np.asarray([], dtype=np.float32)  # as an embedder gives it
    chosen = curate([], nothing, np.eye(3, dtype=np.float32), DatasetConfig(), 1, 400, too_long=2)
    assert chosen.example_ids == ()
    assert (chosen.candidates, chosen.too_long, chosen.near_exam) == (2, 2, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_small_sets(count: int) -> None:
    vectors = np.eye(4, dtype=np.float32)[:count]
    chosen = curate(
        [example(n) for n in range(count)], vectors, vectors[:0], DatasetConfig(), 1, 400
    )
    assert len(chosen.example_ids) == count
