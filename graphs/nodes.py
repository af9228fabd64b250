"""Nodes that several graphs have: reading the corpus, surveying it, writing its exam."""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy

from elenchus.errors import UserError
from elenchus.progress import Advance
from elenchus.reasons import sentence
from elenchus.records import Failure, Passage, Point
from graphs import exams, own_tests, surveys
from graphs.concurrency import thread_stage
from graphs.services import RunRef, Services, services
from graphs.state import MeasuredState
from models.backend import backend
from retrieval.dates import with_titles

Changes = dict[str, Any]
# Only what passes by itself is tried again; a bug or bad input never is.
TRANSIENT = RetryPolicy(max_attempts=3, retry_on=(ConnectionError, TimeoutError))


async def index(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Read, split and embed the corpus; what did not change costs nothing.

    A run that was killed right after keeps to the passages that it wrote down.
    """
    run = services(runtime)
    own_tests.prepare(run)
    begin = {"round": 0, "adapter": "", "stopped": ""}
    if run.ledger.count(Passage):
        return begin
    with thread_stage(run.progress, "Read documents") as step:
        documents, passages, refused = await asyncio.to_thread(run.index.take, step)
    with thread_stage(run.progress, "Embed passages") as step:
        await asyncio.to_thread(run.embedder.check_reads, [p.text for p in passages])
        await asyncio.to_thread(run.index.embed, run.store, step)
    run.ledger.write(*documents, *with_titles(passages, documents))
    run.progress.say(
        f"{len(documents)} documents, {len(passages)} passages"
        + (f"; {refused} refused: `elenchus corpus stats` says why" if refused else "")
    )
    return begin


async def survey(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Find the points that can be examined; UserError when the corpus has none.

    Those that a preview asked about stay as they are.
    """
    run = services(runtime)
    every, settings = run.ledger.all(Passage), run.config
    passages = surveys.drawn(every, settings.questions.surveyed, settings.seed)
    with run.progress.stage("Survey points") as advance:
        points = await surveys.survey(run, passages, advance, run.ledger.all(Point))
    run.ledger.write(*points)
    readable = len({place for point in points for place in point.passage_ids})
    failures = run.ledger.all(Failure, role="examiner", task="survey")
    reasons = Counter(map(sentence, failures)).most_common(1)
    failed = "".join(f"; {len(failures)} failures, most: {reason}" for reason, _ in reasons)
    if not points:
        raise UserError(
            f"{run.config.examiner.model} found nothing to ask about in any of the "
            f"{len(passages)} passages{failed}. {surveys.NOTHING_FOUND}"
        )
    left = f" ({len(every) - len(passages)} more were not read)" if passages != every else ""
    run.progress.say(
        f"{len(points)} points in {readable} of {len(passages)} passages{left}{failed}"
    )
    return {}


async def write_exam(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Write the held-out exam, and collect the general one and the one written by hand.

    Points that are kept from training have an exam of their own.
    """
    run = services(runtime)
    points, most = run.ledger.all(Point), run.config.exam.questions
    kept = [point for point in points if run.is_untaught(point)]
    taught = [point for point in points if not run.is_untaught(point)]
    with run.progress.stage("Write the held-out exam") as advance:
        items = await exams.held_out(run, taught, advance, most)
    if kept:
        share = math.ceil(most * run.config.questions.untaught)
        with run.progress.stage("Write the exam on points that are not taught") as advance:
            items += await exams.held_out(run, kept, advance, share, "untaught", needed=False)
    run.ledger.write(*items, *exams.given(run))
    return {}


@contextlib.asynccontextmanager
async def training_stage(run: Services, name: str) -> AsyncIterator[Advance]:
    """Begin a `thread_stage` that trains, once it is this run's turn."""
    async with run.shared.turns.training():
        backend(run.config.student.model).release()  # a training wants the room
        await run.dismiss()  # and that of workers on this machine
        with thread_stage(run.progress, name) as step:
            yield step
