"""Which points to examine next, and by which kind of question.

Kinds are drawn in proportion to how often the student fails them, points by how likely it is to
fail them and how little they are covered; either can be set to look at less, down to chance, which
is what a comparison needs. Pure: the same past gives the same seeds.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from elenchus.records import KINDS, Point, QuestionKind, Seed
from graphs.adaptation.config import AdaptationConfig

STRAIGHT = ("recall", "apply")  # kinds that ask for the rule itself, or for a plain use of it
MOST = 5  # examinations at most for one example that a round should add
FEW = 8  # examinations at least when a round goes on
PRIOR = (9, 10)  # accepted, of so many, before anything is known
Counts = defaultdict[tuple[str, QuestionKind], float]


@dataclass
class History:
    """What earlier rounds showed: what is drawn next depends on it.

    `asked` and `failed` count first questions by point and kind, older ones for less; `covered`
    counts accepted examples by point; `questions` holds all question texts by point.
    """

    asked: Counts = field(default_factory=lambda: defaultdict(float))
    failed: Counts = field(default_factory=lambda: defaultdict(float))
    covered: Counter[str] = field(default_factory=Counter)
    questions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


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
    config: AdaptationConfig,
    seed: int,
    done: int = 0,
) -> list[Seed]:
    """Draw the seeds of a round: `count` of them, or none where no point can be asked about.

    `done` examinations of the round were there before: these seeds are other ones.
    """
    askable = [point for point in points if point.kinds]
    if not askable:
        return []
    rng = random.Random(f"{seed}/{round_}/{done}" if done else f"{seed}/{round_}")
    rates = {kind: _failure_rate(past, kind, config) for kind in KINDS}
    drawn: Counter[str] = Counter()
    by_kind: Counter[QuestionKind] = Counter()
    wanted: list[tuple[Point, QuestionKind, bool]] = []
    while len(wanted) < count:
        point, first = _next(askable, past, rates, drawn, by_kind, config, rng)
        for kind in _kinds(point, first, rates, by_kind, config.depth):
            fresh = not drawn[point.id] and not past.questions.get(point.id)
            wanted.append((point, kind, fresh))
            drawn[point.id] += 1
            by_kind[kind] += 1
    return [
        Seed(
            point_id=point.id,
            kind=kind,
            round=round_,
            variation=seed * 1_000_000 + round_ * 10_000 + n,
            asked=tuple(sorted(past.questions.get(point.id, []))),
            fresh=fresh,
        )
        for n, (point, kind, fresh) in enumerate(wanted[:count], done)
    ]


def _next(
    points: Sequence[Point],
    past: History,
    rates: dict[QuestionKind, float],
    drawn: Counter[str],
    by_kind: Counter[QuestionKind],
    config: AdaptationConfig,
    rng: random.Random,
) -> tuple[Point, QuestionKind]:
    """Draw a point and a kind of question that it can carry, the kind first unless it is random."""
    if config.kinds == "random":
        point = _choose(points, None, past, drawn, rates, config, rng)
        return point, rng.choice(point.kinds)
    kind = _most_wanting(points, rates, by_kind)
    able = [point for point in points if kind in point.kinds]
    return _choose(able, kind, past, drawn, rates, config, rng), kind


def _failure_rate(past: History, kind: QuestionKind, config: AdaptationConfig) -> float:
    """Return the posterior mean of failing a kind, from a uniform prior.

    It is the same for all where kinds do not go by failures.
    """
    if config.kinds != "failures":
        return 0.5
    asked = sum(n for (_, k), n in past.asked.items() if k == kind)
    failed = sum(n for (_, k), n in past.failed.items() if k == kind)
    return (failed + 1) / (asked + 2)


def _most_wanting(
    points: Sequence[Point], rates: dict[QuestionKind, float], by_kind: Counter[QuestionKind]
) -> QuestionKind:
    """Return the kind furthest behind its share, among those that some point can carry."""
    possible = [k for k in KINDS if any(k in p.kinds for p in points)]
    return _behind(possible, rates, by_kind)[0]


def _kinds(
    point: Point,
    first: QuestionKind,
    rates: dict[QuestionKind, float],
    by_kind: Counter[QuestionKind],
    depth: int,
) -> list[QuestionKind]:
    """Return different kinds to ask a point about in a row; a straight one and another first.

    Of two samples about a point, such a pair teaches most (docs/method.md).
    """
    others = _behind([kind for kind in point.kinds if kind != first], rates, by_kind)
    unlike = [kind for kind in others if (kind in STRAIGHT) != (first in STRAIGHT)]
    alike = [kind for kind in others if kind not in unlike]
    return [first, *unlike, *alike][:depth]


def _behind(
    kinds: Sequence[QuestionKind],
    rates: dict[QuestionKind, float],
    by_kind: Counter[QuestionKind],
) -> list[QuestionKind]:
    """Sort kinds, the one furthest behind its share first."""
    return sorted(kinds, key=lambda k: (by_kind[k] + 1) / rates[k])


def _choose(
    points: Sequence[Point],
    kind: QuestionKind | None,
    past: History,
    drawn: Counter[str],
    rates: dict[QuestionKind, float],
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
            asked = sum(past.asked.get((point.id, k), 0) for k in KINDS)
            failed = sum(past.failed.get((point.id, k), 0) for k in KINDS)
            failing = (failed + 2 * prior) / (asked + 2)
        jitter = 1 + 0.01 * rng.random()
        cover = past.covered[point.id] + drawn[point.id]
        return failing * jitter * config.coverage_decay**cover

    return max(points, key=worth)
