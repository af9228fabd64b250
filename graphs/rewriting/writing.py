"""Which texts are written, and by which of the author's tasks.

Each form gives an endless series of jobs (`raw` a short one): every passage or document in turn, in
another order and wording each time around.
"""

import itertools
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents.author import STUDIES
from elenchus.errors import UserError
from elenchus.outcomes import Text
from elenchus.progress import unseen
from elenchus.records import Passage
from graphs.concurrency import each
from graphs.services import Services
from models.calls import CallFailed

Named = tuple[list[Passage], list[str]]  # a document's passages, with its entities or strategies
Ask = Callable[[list[Passage]], Coroutine[Any, Any, list[str]]]


@dataclass(frozen=True)
class Job:
    """A text to write: `names` are entities, the form of a study, or a strategy."""

    passages: Sequence[Passage]
    names: tuple[str, ...] = ()
    variation: int = 0


async def jobs(run: Services) -> Iterator[Job]:
    """Return what to write, without end; raw text is written once.

    Raises:
        UserError: the author found nothing to go by in any document.
    """
    settings, rng = run.config.rewriting, random.Random(f"texts/{run.config.seed}")
    passages = run.ledger.all(Passage)
    if settings.form == "raw":
        return iter([Job([passage]) for passage in passages])
    if settings.form == "paraphrase":
        return _paraphrases(passages, rng)
    documents = _documents(passages)
    if settings.form == "spa":
        return _each_name([(parts, list(STUDIES)) for parts in documents], rng)
    if settings.form == "entigraph":
        return _retellings(await _entities(run, documents), settings.triples, rng)
    return _each_name(await _strategies(run, documents, settings.purpose), rng)


async def written(run: Services, job: Job) -> Text | None:
    """Have a text written; None where the author's reply could not be used, which is recorded."""
    form, author, first = run.config.rewriting.form, run.author, job.passages[0]
    if form == "raw":
        return Text(task="raw", text=first.text, passage_ids=(first.id,), call_id="")
    try:
        if form == "paraphrase":
            return await author.paraphrase(first, job.variation)
        if form == "entigraph":
            return await author.relate(job.passages, job.names, job.variation)
        (name,) = job.names
        write = author.study if form == "spa" else author.apply
        return await write(job.passages, name, job.variation)
    except CallFailed:
        return None


def _paraphrases(passages: list[Passage], rng: random.Random) -> Iterator[Job]:
    for variation in itertools.count():
        for passage in rng.sample(passages, len(passages)):
            yield Job([passage], variation=variation)


def _each_name(documents: Sequence[Named], rng: random.Random) -> Iterator[Job]:
    """Yield all documents with each of their names; then all of them again."""
    for variation in itertools.count():
        round_ = [Job(parts, (name,), variation) for parts, names in documents for name in names]
        rng.shuffle(round_)
        yield from round_


def _retellings(documents: Sequence[Named], triples: float, rng: random.Random) -> Iterator[Job]:
    """Yield all pairs of all documents, among them a share of triples; then all of them again."""
    for variation in itertools.count():
        round_ = []
        for passages, names in documents:
            for pair in itertools.combinations(names, 2):
                more = [name for name in names if name not in pair]
                third = (rng.choice(more),) if more and rng.random() < triples else ()
                round_.append(Job(passages, (*pair, *third), variation))
        rng.shuffle(round_)
        yield from round_


def _documents(passages: list[Passage]) -> list[list[Passage]]:
    """Return the passages of every document, in their order."""
    texts: dict[str, list[Passage]] = {}
    for passage in sorted(passages, key=lambda p: (p.source, p.start)):
        texts.setdefault(passage.document_id, []).append(passage)
    return list(texts.values())


async def _entities(run: Services, documents: list[list[Passage]]) -> list[Named]:
    """Return every document that has two entities, with them; UserError when none has."""

    async def ask(parts: list[Passage]) -> list[str]:
        return (await run.author.entities(parts)).entities

    named = [pair for pair in await _named(run, documents, ask) if len(pair[1]) > 1]
    if not named:
        raise UserError(f"{run.config.expert.model} found no two entities in any document")
    return named


async def _strategies(run: Services, documents: list[list[Passage]], purpose: str) -> list[Named]:
    """Return every document with the ways to study it; UserError when there are none at all."""

    async def ask(parts: list[Passage]) -> list[str]:
        proposed = (await run.author.strategies(parts, purpose)).strategies
        return list(dict.fromkeys(text for text in proposed if text.strip()))

    named = [pair for pair in await _named(run, documents, ask) if pair[1]]
    if not named:
        raise UserError(f"{run.config.expert.model} proposed no strategy for any document")
    return named


async def _named(run: Services, documents: list[list[Passage]], ask: Ask) -> list[Named]:
    """Ask about all documents; nothing is known of one whose reply could not be used."""

    async def named(parts: list[Passage]) -> Named:
        try:
            return parts, await ask(parts)
        except CallFailed:
            return parts, []

    return await each(run.turnstile, documents, named, unseen)
