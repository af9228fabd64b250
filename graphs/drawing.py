"""Which points to examine next, and by which kind of question.

Kinds are drawn in proportion to how often the student fails them, points by how likely it is to
fail them and how little they are covered. Pure: the same past gives the same seeds.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from elenchus.config import AdaptationConfig
from elenchus.records import KINDS, Point, QuestionKind, Seed


@dataclass
class Past:
    """What earlier rounds showed.

    `asked` and `failed` count first questions by point and kind; `covered` accepted examples by
    point; `questions` holds all question texts by point.
    """

    asked: Counter[tuple[str, QuestionKind]] = field(default_factory=Counter)
    failed: Counter[tuple[str, QuestionKind]] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    questions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def draw_seeds(
    points: Sequence[Point], past: Past, round_: int, config: AdaptationConfig, seed: int
) -> list[Seed]:
    """The seeds of a round: `seeds_per_round` of them, as many as there are questions to ask."""
    rng = random.Random(f"{seed}/{round_}")
    rates = {kind: _failure_rate(past, kind) for kind in KINDS}
    drawn: Counter[str] = Counter()
    by_kind: Counter[QuestionKind] = Counter()
    seeds = []
    for n in range(config.seeds_per_round):
        kind = _most_wanting(points, rates, by_kind)
        if kind is None:
            break
        point = _weakest(points, kind, past, drawn, rates, config, rng)
        drawn[point.id] += 1
        by_kind[kind] += 1
        seeds.append(
            Seed(
                point_id=point.id,
                kind=kind,
                round=round_,
                variation=seed * 1_000_000 + round_ * 10_000 + n,
                asked=tuple(sorted(past.questions.get(point.id, []))),
            )
        )
    return seeds


def _failure_rate(past: Past, kind: QuestionKind) -> float:
    """Posterior mean of failing a kind, from a uniform prior."""
    asked = sum(n for (_, k), n in past.asked.items() if k == kind)
    failed = sum(n for (_, k), n in past.failed.items() if k == kind)
    return (failed + 1) / (asked + 2)


def _most_wanting(
    points: Sequence[Point], rates: dict[QuestionKind, float], by_kind: Counter[QuestionKind]
) -> QuestionKind | None:
    """The kind furthest behind its share, among those that some point can carry."""
    possible = [k for k in KINDS if any(k in p.kinds for p in points)]
    if not possible:
        return None
    return min(possible, key=lambda k: (by_kind[k] + 1) / rates[k])


def _weakest(
    points: Sequence[Point],
    kind: QuestionKind,
    past: Past,
    drawn: Counter[str],
    rates: dict[QuestionKind, float],
    config: AdaptationConfig,
    rng: random.Random,
) -> Point:
    """The point worth most: likely failed, little covered, little drawn so far."""

    def worth(point: Point) -> float:
        asked = sum(past.asked[point.id, k] for k in KINDS)
        failed = sum(past.failed[point.id, k] for k in KINDS)
        failing = (failed + 2 * rates[kind]) / (asked + 2)
        cover = past.covered[point.id] + drawn[point.id]
        jitter = 1 + 0.01 * rng.random()
        return failing * jitter * config.coverage_decay**cover

    return max((p for p in points if kind in p.kinds), key=worth)
