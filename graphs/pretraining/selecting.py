"""Selection of text with the expert at hand: its ratings are calls as any others.

Their ledger lies in the selection's folder, so what was rated once is never paid for again.
"""

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elenchus.errors import RunStopped
from elenchus.ledger import Ledger
from elenchus.records import Passage
from elenchus.runs import RunFolder
from graphs.concurrency import until_left
from graphs.config import DomainConfig
from graphs.exams import hand_questions
from graphs.pretraining.tasks import collect
from graphs.services import Services
from models.backend import make_model
from models.calls import CallFailed
from models.prices import Prices
from retrieval.selection import select as selection

LEDGER = "ratings.sqlite"


def select(
    config: DomainConfig, domain_folder: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    """Select text for a domain into the folder `out`; returns the report.

    Test problems of the domain's tasks and questions of its hand-written exam are tests, which
    nothing selected may contain.

    Raises:
        UserError: something given cannot be used.
        RunStopped: the budget is used up, or a server is gone; the same call goes on.
    """
    tests = [p.bare for p in collect(config.tasks, domain_folder, config.seed).test]
    if config.exam.hand is not None:
        tests += [row.question for _, row in hand_questions(domain_folder / config.exam.hand)]
    if not config.selection.ratings:
        return selection.select(config, domain_folder, out, progress, tests)
    make_model(config.expert)  # what is wrong with it shows before the corpus is read
    if any(c.usd is not None for c in (config.budget, *config.budget.roles.values())):
        Prices(config.models).demand(config.expert.model)
    rate = functools.partial(_rated, config, domain_folder, out, progress)
    return selection.select(config, domain_folder, out, progress, tests, rate)


async def within_run(run: Services, out: Path, tests: Sequence[str]) -> dict[str, Any]:
    """Select text in a run, below its folder, with the run's own calls; returns the report.

    Raises:
        UserError, RunStopped: as for `select`.
    """
    loop = asyncio.get_running_loop()

    def rate(texts: Sequence[str]) -> list[float | None]:
        with run.progress.stage("Rate educational value") as advance:
            work = _all_rated(run, texts, advance)
            return asyncio.run_coroutine_threadsafe(work, loop).result()

    with until_left(run.progress) as progress:
        return await asyncio.to_thread(
            selection.select,
            run.config,
            run.domain_folder,
            out,
            progress,
            tests,
            rate if run.config.selection.ratings else None,
            [passage.text for passage in run.ledger.all(Passage)],
        )


def _rated(
    config: DomainConfig, domain_folder: Path, out: Path, progress: Progress, texts: Sequence[str]
) -> list[float | None]:
    """The expert's rating of each text, None where its reply could not be used."""
    ledger = Ledger(out / LEDGER)
    context = Context(RunFolder(out), config, domain_folder, ledger, progress)
    try:
        with progress.stage("Rate educational value") as advance:
            return asyncio.run(_rated_alone(run, texts, advance))
    finally:
        run.close()


async def _rated_alone(run: Services, texts: Sequence[str], advance: Advance) -> list[float | None]:
    try:
        return await _all_rated(run, texts, advance)
    finally:
        await run.disconnect()


async def _all_rated(run: Services, texts: Sequence[str], advance: Advance) -> list[float | None]:
    done = 0

    async def rated(text: str) -> float | None:
        nonlocal done
        async with run.turnstile:
            try:
                value, _ = await run.rater.rate(text)
            except CallFailed:
                return None
            finally:
                done += 1
                advance(done, len(texts))
            return value

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(rated(text)) for text in texts]
    except* RunStopped as stopped:
        raise stopped.exceptions[0] from None
    return [task.result() for task in tasks]
