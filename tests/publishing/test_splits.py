"""Splits: nothing of what rows are about is on both sides, and a seed always gives the same."""

from hypothesis import given
from hypothesis import strategies as st

from publishing.splits import by_point

POINTS = st.frozensets(st.sampled_from("abcdefghijklmnopqrst"), min_size=1, max_size=2)


@given(st.lists(POINTS, max_size=40), st.floats(0, 0.5), st.integers(0, 9))
def test_no_point_is_in_two_splits(points: list[frozenset[str]], share: float, seed: int) -> None:
    train, test = by_point(points, share, seed)
    assert sorted([*train, *test]) == [*range(len(points))]
    assert train == sorted(train) and test == sorted(test)
    taught = {point for n in train for point in points[n]}
    assert taught.isdisjoint(point for n in test for point in points[n])
    assert 2 * len(test) <= len(points)
    assert by_point(points, share, seed) == (train, test)
    if not share:
        assert not test


def test_the_test_has_its_share_where_points_are_many() -> None:
    points = [frozenset([f"o-{n % 50}"]) for n in range(200)]
    train, test = by_point(points, 0.1, 0)
    assert len(test) == 20 and len(train) == 180
    assert by_point(points, 0.1, 1)[1] != test


def test_rows_that_hang_together_are_not_parted() -> None:
    chain = [frozenset([str(n), str(n + 1)]) for n in range(10)]
    assert by_point(chain, 0.3, 0) == ([*range(10)], [])
