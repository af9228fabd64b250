"""Points before any is asked about: merged, joined to partners, some kept for the exam.

Points of several passages that say one thing are one point with several grounds. Points that belong
together (the same thing named, a reference from one section to another, nearness in meaning) are
partners: a question may need both.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from elenchus.records import Passage, Point, digest
from retrieval.embedding import Vectors
from retrieval.search import references, section_number

SAME = 0.92  # cosine of two statements from which they may say one thing
NEAR = 0.45  # cosine from which two statements may belong together
ROWS = 1024  # statements compared with all others by one matrix product
NEAREST = 12  # partners that are looked at more closely, a point
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|none|nor|without|unless|except)\b|n['’]t\b", re.I)


def alike(points: Sequence[Point], vectors: Vectors) -> list[tuple[int, int]]:
    """Return the pairs of points that may say one thing, by their places.

    They are near in meaning and of one sort and topic, name the same figures, and are negated
    alike. More cannot be told from embeddings, to which "before the frost" is as good as "after".

    Args:
        vectors: of shape (points, dimensions), a unit row for each statement.
    """
    signs = [_sign(point) for point in points]
    return [
        (i, j)
        for i, j, _ in _pairs(vectors, SAME)
        if i < j and signs[i] == signs[j] and _related(points[i].topic, points[j].topic)
    ]


def merged(
    points: Sequence[Point], same: Sequence[tuple[int, int]], fixed: Collection[str] = ()
) -> list[Point]:
    """Return the points with those that say one thing put together, sorted by id.

    Args:
        same: pairs that say one thing, by their places.
        fixed: ids of points that stay as they are, since questions are about them already; whatever
            says the same is left out.
    """
    groups = DisjointSet(range(len(points)))
    for i, j in same:
        groups.merge(i, j)
    made: list[Point] = []
    for group in groups.subsets():
        one = [points[i] for i in sorted(group)]
        made += [point for point in one if point.id in fixed] or [_one(one)]
    return sorted({point.id: point for point in made}.values(), key=lambda point: point.id)


def partners(
    points: Sequence[Point], vectors: Vectors, passages: Mapping[str, Passage], most: int
) -> dict[str, tuple[str, ...]]:
    """Return by point the ids of others that belong to it, the closest first, `most` at most.

    What a passage refers to counts most, then the same topic, then nearness in meaning; a point of
    another document goes before one of the same passage.
    """
    if not most:
        return {}
    near: dict[int, dict[int, float]] = defaultdict(dict)
    for i, j, cosine in _pairs(vectors, NEAR):
        if i != j and cosine < SAME:
            near[i][j] = cosine
    by_section = _by_section(points, passages)
    found = {}
    for i, point in enumerate(points):
        scores = dict(sorted(near[i].items(), key=lambda pair: -pair[1])[:NEAREST])
        for j in _referred(point, passages, by_section):
            scores[j] = scores.get(j, 0.0) + 1.0
        scores.pop(i, None)
        for j in scores:
            scores[j] += 0.5 * _related(point.topic, points[j].topic)
            scores[j] += 0.2 * (_sources(point, passages) != _sources(points[j], passages))
            scores[j] -= 0.5 * (set(point.passage_ids) == set(points[j].passage_ids))
        best = sorted(scores, key=lambda j: (-scores[j], points[j].id))
        found[point.id] = tuple(points[j].id for j in best[:most])
    return found


def is_reserved(point_id: str, seed: int, share: float) -> bool:
    """Tell whether a point is for the exam alone; by its id, so that updates keep to it."""
    return int(digest(f"{seed}/{point_id}"), 16) < share * 16**16


def _pairs(vectors: Vectors, least: float) -> list[tuple[int, int, float]]:
    """Return all ordered pairs of rows whose cosine is `least` or more."""
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(vectors), ROWS):
        cosines = vectors[start : start + ROWS] @ vectors.T
        rows, columns = np.nonzero(cosines >= least)
        found += [
            (int(i) + start, int(j), float(cosines[i, j]))
            for i, j in zip(rows, columns, strict=True)
        ]
    return found


def _sign(point: Point) -> tuple[object, ...]:
    text = point.statement
    return point.sort, sorted(_NUMBER.findall(text)), len(_NEGATION.findall(text)) % 2


def _related(one: str, other: str) -> bool:
    """Tell whether two topics share half of their words or more."""
    ours, theirs = (set(_WORD.findall(topic.casefold())) for topic in (one, other))
    return bool(ours | theirs) and 2 * len(ours & theirs) >= len(ours | theirs)


def _one(group: Sequence[Point]) -> Point:
    """Put points together that say one thing; the fullest statement stays."""
    if len(group) == 1:
        return group[0]
    fullest = max(group, key=lambda point: (len(point.statement), point.id))
    return fullest.model_copy(
        update={
            "grounds": tuple(dict.fromkeys(g for point in group for g in point.grounds)),
            "kinds": tuple(dict.fromkeys(k for point in group for k in point.kinds)),
        }
    )


def _by_section(
    points: Sequence[Point], passages: Mapping[str, Passage]
) -> dict[str, dict[str, list[int]]]:
    """Return the points by number and document of the section that they stand in."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, point in enumerate(points):
        for passage in (passages[p] for p in point.passage_ids):
            if number := section_number(passage):
                found[number][passage.source].append(i)
    return found


def _referred(
    point: Point,
    passages: Mapping[str, Passage],
    by_section: Mapping[str, Mapping[str, list[int]]],
) -> list[int]:
    """Return the points of sections that a point's quotes refer to.

    A number is looked for in the same document first: a code may have a file for each part.
    """
    found: list[int] = []
    for ground in point.grounds:
        source = passages[ground.passage_id].source
        for number in references(ground.quote):
            sections = by_section.get(number, {})
            found += sections.get(source) or [i for points in sections.values() for i in points]
    return found


def _sources(point: Point, passages: Mapping[str, Passage]) -> set[str]:
    return {passages[p].source for p in point.passage_ids}
