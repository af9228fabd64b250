"""Splits a dataset so that nothing of what its rows are about is on both sides."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from elenchus.records import digest


def by_point(
    points: Sequence[frozenset[str]], share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Return the places of the rows to train on, and of those to test on, in order.

    Rows that share a point stay together, also over others: whole groups of them are drawn until
    the test has its share. Groups that would leave less than half of all rows to train on stay
    there, so a dataset that hangs together has no test.

    Args:
        points: of each row, what it is about.
        share: of the rows that the test should have, in [0, 0.5].
    """
    groups = _groups(points)
    drawn = sorted(groups, key=lambda rows: digest(f"split/{seed}/{min(points[rows[0]])}"))
    wanted = share * len(points)
    test: list[int] = []
    for rows in drawn:
        if len(test) < wanted and 2 * (len(test) + len(rows)) <= len(points):
            test += rows
    chosen = set(test)
    return [n for n in range(len(points)) if n not in chosen], sorted(test)


def _groups(points: Sequence[frozenset[str]]) -> list[list[int]]:
    """Return the places of rows that share points, directly or over others."""
    parent: dict[Hashable, Hashable] = {}

    def root(one: Hashable) -> Hashable:
        parent.setdefault(one, one)
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for n, held in enumerate(points):
        for point in held:
            parent[root(point)] = root(n)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for n in range(len(points)):
        groups[root(n)].append(n)
    return list(groups.values())
