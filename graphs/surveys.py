"""Surveying passages: the points that they state, those that say one thing merged."""

import asyncio
from collections.abc import Sequence

from elenchus.progress import Advance
from elenchus.records import Passage, Point, digest
from graphs.concurrency import each
from graphs.points import alike, merged
from graphs.services import Services
from models.calls import CallFailed

NOTHING_FOUND = (  # the remedy
    "Name another examiner, for instance --set examiner.model=openai:gpt-5.4 (the one that comes "
    "with the program reads nothing but rules in plain English), or give documents that lay "
    "something down"
)


def drawn(passages: Sequence[Passage], most: int | None, seed: int) -> list[Passage]:
    """Return the passages that are surveyed, `most` of them: the same ones whenever it is asked.

    More documents, or fewer, change as little of the draw as can be.
    """
    if most is None or len(passages) <= most:
        return list(passages)
    return sorted(passages, key=lambda p: digest(f"survey/{seed}/{p.id}"))[:most]


async def survey(
    services: Services, passages: Sequence[Passage], advance: Advance, there: Sequence[Point] = ()
) -> list[Point]:
    """Find the points of all passages, those that say one thing merged.

    A passage whose survey fails has none, and the failure is kept. Points that are `there` already
    are among them, as they are.
    """

    async def points_of_passage(passage: Passage) -> list[Point]:
        try:
            return await services.examiner.survey(passage)
        except CallFailed:
            return []

    surveyed = await each(services.turnstile, passages, points_of_passage, advance)
    by_id = {p.id: p for found in (*surveyed, there) for p in found}
    points = sorted(by_id.values(), key=lambda p: p.id)
    statements = [point.statement for point in points]
    vectors = await asyncio.to_thread(services.embedder.encode, statements)
    pairs = alike(points, vectors)
    agree = await each(
        services.turnstile,
        pairs,
        lambda pair: _says_one_thing(services, points[pair[0]], points[pair[1]]),
        lambda done, of: None,
    )
    same = [pair for pair, agrees in zip(pairs, agree, strict=True) if agrees]
    return merged(points, same, {point.id for point in there})


async def _says_one_thing(services: Services, one: Point, other: Point) -> bool:
    """Ask the grader whether two points do; not, where its reply cannot be used."""
    if one.statement == other.statement:
        return True
    try:
        asked = f"What do the documents say about: {one.topic}?"
        return not await services.grader.agree(asked, one.statement, other.statement)
    except CallFailed:
        return False
