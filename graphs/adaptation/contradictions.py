"""Answers about one point that contradict one another: not all of them can be trained on."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import ClassVar

from elenchus.outcomes import Example
from elenchus.progress import Advance
from elenchus.records import Record
from graphs.concurrency import each
from graphs.services import Services
from models.calls import CallFailed

MOST = 12  # answers that are compared at once


class Contradiction(Record):
    """An example that is left out, since it cannot be true together with others of its point."""

    prefix: ClassVar[str] = "n"
    example_id: str
    other_ids: tuple[str, ...]
    why: str
    round: int


async def contradictions(
    run: Services, examples: Sequence[Example], round_: int, advance: Advance
) -> list[Contradiction]:
    """Find the examples of a round that contradict others about the same point.

    Where a reply cannot be used, nothing is left out, and the failure is kept.
    """
    by_point: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_point[example.point_id].append(example)
    several = [of_point for of_point in by_point.values() if len(of_point) > 1]
    new = [group for group in several if any(e.round == round_ for e in group)]
    parts = [group[i : i + MOST] for group in new for i in range(0, len(group), MOST)]
    groups = [part for part in parts if len(part) > 1]

    async def found(group: Sequence[Example]) -> list[Contradiction]:
        answers = [(e.prompt[-1].content, e.completion) for e in group]
        try:
            pairs = await run.grader.conflicts(answers)
        except CallFailed:
            return []
        return _left_out(group, pairs, round_)

    return [one for each_ in await each(run.turnstile, groups, found, advance) for one in each_]


def _left_out(
    group: Sequence[Example], pairs: Sequence[tuple[int, int, str]], round_: int
) -> list[Contradiction]:
    """Leave out answers until none conflict: the one in most conflicts first, of two both."""
    left = list(pairs)
    out: list[Contradiction] = []
    while left:
        counts = Counter(i for first, second, _ in left for i in (first, second))
        most = max(counts.values())
        worst = [i for i in sorted(counts) if counts[i] == most]
        for i in worst:
            others = [(a if b == i else b, why) for a, b, why in pairs if i in (a, b)]
            out.append(
                Contradiction(
                    example_id=group[i].id,
                    other_ids=tuple(group[j].id for j, _ in others),
                    why="; ".join(dict.fromkeys(why for _, why in others)),
                    round=round_,
                )
            )
        left = [pair for pair in left if not {*pair[:2]}.intersection(worst)]
    return out
