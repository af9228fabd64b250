"""Which points to examine next, and by which kind of question.

Kinds are drawn in proportion to how often the student fails them, points by how likely it is to
fail them and how little they are covered; either can be set to look at less, down to chance, which
is what a comparison needs. Pure: the same past gives the same seeds.
"""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from elenchus.questions import STRAIGHT, kinds_of
from elenchus.records import Point, Seed
from graphs.adaptation.config import AdaptationConfig
from graphs.adaptation.history import History, topic_of
from graphs.asking import Asking, voiced

MOST = 5  # examinations at most for one example that a round should add
FEW = 8  # examinations at least when a round goes on
PRIOR = (9, 10)  # accepted, of so many, before anything is known


def how_many(missing: int, examined: int, accepted: int, spare: float) -> int:
    """Return how many examinations should give `spare` candidates for each example still missing.

    They go by the share that was accepted of those examined before.
    """
    share = (accepted + PRIOR[0]) / (examined + PRIOR[1])
    return min(math.ceil(spare * max(missing, 0) / share), MOST * max(missing, 0))


def how_many_more(missing: int, wanted: int, examined: int, accepted: int, spare: float) -> int:
    """Return how many examinations more a round has, that misses some of the `wanted` examples.

    A round that accepted nothing does without, and so does one that had `MOST` examinations for
    each example.
    """
    if missing <= 0 or accepted <= 0:
        return 0
    more = max(how_many(missing, examined, accepted, spare), FEW)
    return max(min(more, MOST * wanted - examined), 0)


def draw_seeds(
    points: Sequence[Point],
    past: History,
    round_: int,
    count: int,
    asking: Asking,
    config: AdaptationConfig,
    done: int = 0,
    predictor_id: str = "",
) -> list[Seed]:
    """Draw the seeds of a round: `count` of them, or none where no point can be asked about.

    `done` examinations of the round were there before: these seeds are other ones.
    """
    askable = [point for point in points if asking.kinds(point)]
    if not askable:
        return []
    stream = f"{asking.seed}/{round_}/{done}" if done else f"{asking.seed}/{round_}"
    rng, voice = random.Random(stream), random.Random(f"voice/{stream}")
    every = list(kinds_of(asking.questions.kinds))
    rates = {kind: _failure_rate(past, kind, config) for kind in every}
    able = {kind: [p for p in askable if kind in asking.kinds(p)] for kind in every}
    drawn: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    wanted: list[tuple[Point, str, bool]] = []
    while len(wanted) < count:
        point, first = _next(askable, able, past, rates, drawn, by_kind, asking, config, rng)
        for kind in _kinds(asking.kinds(point), first, rates, by_kind, config.depth):
            fresh = not drawn[point.id] and not past.questions.get(point.id)
            wanted.append((point, kind, fresh))
            drawn[point.id] += 1
            by_kind[kind] += 1
    return [
        voiced(
            Seed(
                point_id=point.id,
                kind=kind,
                round=round_,
                variation=asking.seed * 1_000_000 + round_ * 10_000 + n,
                asked=tuple(sorted({*past.questions[point.id], *past.examined[point.id]})),
                failed=tuple(past.missed[topic_of(point)]),
                passed=tuple(past.known[topic_of(point)]),
                fresh=fresh,
                predictor_id=predictor_id,
            ),
            asking,
            voice,
        )
        for n, (point, kind, fresh) in enumerate(wanted[:count], done)
    ]


def _next(
    points: Sequence[Point],
    able: Mapping[str, Sequence[Point]],
    past: History,
    rates: Mapping[str, float],
    drawn: Counter[str],
    by_kind: Counter[str],
    asking: Asking,
    config: AdaptationConfig,
    rng: random.Random,
) -> tuple[Point, str]:
    """Draw a point and a kind of question that it can carry, the kind first unless it is random.

    The kind is the one furthest behind its share, among those that some point can carry.
    """
    if config.kinds == "random":
        point = _choose(points, None, past, drawn, rates, config, rng)
        return point, rng.choice(asking.kinds(point))
    kind = _behind([kind for kind in rates if able[kind]], rates, by_kind)[0]
    return _choose(able[kind], kind, past, drawn, rates, config, rng), kind


def _failure_rate(past: History, kind: str, config: AdaptationConfig) -> float:
    """Return the posterior mean of failing a kind, from a uniform prior.

    It is the same for all where kinds do not go by failures.
    """
    if config.kinds != "failures":
        return 0.5
    asked = sum(n for (_, k), n in past.asked.items() if k == kind)
    failed = sum(n for (_, k), n in past.failed.items() if k == kind)
    return (failed + 1) / (asked + 2)


def _kinds(
    kinds: Sequence[str],
    first: str,
    rates: Mapping[str, float],
    by_kind: Counter[str],
    depth: int,
) -> list[str]:
    """Return different kinds to ask a point about in a row; a straight one and another first.

    Of two samples about a point, such a pair teaches most (docs/method.md).
    """
    others = _behind([kind for kind in kinds if kind != first], rates, by_kind)
    unlike = [kind for kind in others if (kind in STRAIGHT) != (first in STRAIGHT)]
    alike = [kind for kind in others if kind not in unlike]
    return [first, *unlike, *alike][:depth]


def _behind(kinds: Sequence[str], rates: Mapping[str, float], by_kind: Counter[str]) -> list[str]:
    """Sort kinds, the one furthest behind its share first."""
    return sorted(kinds, key=lambda k: (by_kind[k] + 1) / rates[k])


def _choose(
    points: Sequence[Point],
    kind: str | None,
    past: History,
    drawn: Counter[str],
    rates: Mapping[str, float],
    config: AdaptationConfig,
    rng: random.Random,
) -> Point:
    """Choose the point worth most: likely failed, little covered, little drawn so far; or any."""
    if config.points == "random":
        return rng.choice(points)
    prior = rates[kind] if kind else 0.5

    def worth(point: Point) -> float:
        failing = 1.0
        if config.points == "failures":
            asked = sum(past.asked.get((point.id, k), 0) for k in rates)
            failed = sum(past.failed.get((point.id, k), 0) for k in rates)
            failing = (failed + 2 * prior) / (asked + 2)
        jitter = 1 + 0.01 * rng.random()
        cover = past.covered[point.id] + drawn[point.id]
        return failing * jitter * config.coverage_decay**cover

    return max(points, key=worth)
