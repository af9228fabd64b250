"""Deduplication: blocks and float32 change nothing, and the laws of the greedy method."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import deduplication
from training.deduplication import Nearest, deduplicate, retained

THRESHOLDS = st.sampled_from([-1.0, 0.0, 0.3, 0.7, 0.9, 0.99, 1.0, 1.5]) | st.floats(-1, 1)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def one_by_one(vectors: np.ndarray, threshold: float) -> Nearest:
    """Deduplicate as the paper states it."""
    exact = vectors.astype(np.float64)
    squares = np.vecdot(exact, exact)
    nearest = Nearest(np.full(len(exact), -1), np.full(len(exact), np.nan))
    for i in range(len(exact)):
        accepted = np.flatnonzero(nearest.index[:i] < 0)
        cosines = np.vecdot(exact[accepted], exact[i]) / np.sqrt(squares[accepted] * squares[i])
        if len(accepted) and cosines.max() >= threshold:
            nearest.index[i] = accepted[cosines.argmax()]
            nearest.cosine[i] = cosines.max()
    return nearest


def clustered(seed: int, count: int, width: int, spread: float, copies: float) -> np.ndarray:
    """Return vectors around a few centres, some exact copies, most length in few dimensions."""
    rng = np.random.default_rng(seed)
    scales = 1 / np.sqrt(np.arange(1, width + 1))
    centres = rng.standard_normal((max(1, count // 10), width))
    rows = centres[rng.integers(len(centres), size=count)]
    rows = (rows + spread * rng.standard_normal((count, width))) * scales
    copied = rng.random(count) < copies
    rows[copied] = rows[rng.integers(count, size=int(copied.sum()))]
    return unit(rows).astype(np.float32)


def same(one: Nearest, other: Nearest) -> bool:
    return bool(
        (one.index == other.index).all()
        and np.array_equal(one.cosine, other.cosine, equal_nan=True)
    )


SMALL = st.builds(
    clustered, st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 100),
    st.sampled_from([0.0, 0.1, 0.5, 3.0]), st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip


@given(SMALL, THRESHOLDS)
def test_it_is_the_greedy_method(vectors: np.ndarray, threshold: float) -> None:
    assert same(deduplicate(vectors, threshold), one_by_one(vectors, threshold))


@given(SMALL, st.data())
def test_a_threshold_that_is_a_cosine_counts_as_reached(vectors: np.ndarray, data) -> None:
    nearest = deduplicate(vectors, 0.2)
    ties = nearest.cosine[nearest.index >= 0]
    threshold = float(data.draw(st.sampled_from(list(ties)))) if len(ties) else 1.0
    assert same(deduplicate(vectors, threshold), one_by_one(vectors, threshold))


@settings(max_examples=8)
@given(
    st.integers(0, 10**6), st.sampled_from([(1500, 384), (2600, 90), (2200, 20), (1100, 2)]),
    st.sampled_from([0.3, 0.7, 2.0]), st.sampled_from([0.4, 0.8, 0.95]),
)  # fmt: skip
def test_many_messages_are_compared_as_few(seed, shape, spread, threshold) -> None:
    vectors = clustered(seed, *shape, spread, 0.1)
    assert same(deduplicate(vectors, threshold), one_by_one(vectors, threshold))


def test_memory_is_bounded_by_smaller_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(0, 300, 20, 0.7, 0.1)
    expected = one_by_one(vectors, 0.8)
    for cells in (1, 300 * 7):
        monkeypatch.setattr(deduplication, "CELLS", cells)
        assert same(deduplicate(vectors, 0.8), expected)


@given(SMALL, THRESHOLDS)
def test_accepted_ones_are_apart_and_stay(vectors: np.ndarray, threshold: float) -> None:
    accepted = vectors[deduplicate(vectors, threshold).index < 0]
    assert (deduplicate(accepted, threshold).index < 0).all()


@given(st.integers(1, 40), st.integers(1, 100), st.integers(0, 10**6), st.floats(-1, 1))
def test_copies_are_at_cosine_one(count: int, width: int, seed: int, threshold: float) -> None:
    one = unit(np.random.default_rng(seed).standard_normal((1, width))).astype(np.float32)
    nearest = deduplicate(np.repeat(one, count, axis=0), threshold)
    assert nearest.index.tolist() == [-1] + [0] * (count - 1)
    assert (nearest.cosine[1:] == 1).all()


def test_the_first_of_equally_near_ones_is_named() -> None:
    vectors = unit(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert deduplicate(vectors, 0.5).index.tolist() == [-1, -1, 0]


def test_a_chain_is_kept_at_every_second_link() -> None:
    angles = np.arange(6) * 0.1
    nearest = deduplicate(np.column_stack([np.cos(angles), np.sin(angles)]), float(np.cos(0.15)))
    assert nearest.index.tolist() == [-1, 0, -1, 2, -1, 4]


@pytest.mark.parametrize("shape", [(0, 384), (0, 0)])
def test_no_messages(shape: tuple[int, int]) -> None:
    assert deduplicate(np.zeros(shape, dtype=np.float32), 0.9).index.shape == (0,)
    with pytest.raises(ValueError, match="no messages"):
        retained(np.zeros(shape, dtype=np.float32), [0.9])


@pytest.mark.parametrize("wrong", [0.0, 2.0, float("nan")])
def test_rows_that_are_not_unit_vectors_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="length 1"):
        deduplicate(np.array([[1.0, 0.0], [wrong, 0.0]]), 0.9)


@given(SMALL)
def test_shares_are_those_of_the_method(vectors: np.ndarray) -> None:
    shares = retained(vectors, [-1.0, 0.8, 1.5])
    assert shares == {t: float((deduplicate(vectors, t).index < 0).mean()) for t in shares}
    assert shares[-1.0] == 1 / len(vectors) or vectors.shape[1] == 1
    assert shares[1.5] == 1
