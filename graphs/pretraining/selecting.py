"""Selection of text whose educational value the expert rates, with calls as any others.

`elenchus select` keeps their ledger in the selection's folder, so no text is paid for twice.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from elenchus.ledger import Ledger
from elenchus.progress import Advance, Progress
from elenchus.records import Passage
from elenchus.runs import RunFolder
from graphs.concurrency import each, until_left
from graphs.config import DomainConfig
from graphs.hand_exam import hand_questions
from graphs.pretraining.tasks import collect
from graphs.services import Services
from models.backend import make_model
from models.calls import CallFailed
from models.prices import Prices
from retrieval.selection import select as selection
from retrieval.selection.report import SelectionReport

LEDGER = "ratings.sqlite"
STAGE = "Rate educational value"
Ratings = list[float | None]  # of each text; None where the expert's reply could not be used


def select(
    config: DomainConfig, domain_folder: Path, out: Path, progress: Progress
) -> SelectionReport:
    """Select text for a domain into the folder `out`; return the report.

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
    if any(caps.usd is not None for caps in (config.budget, *config.budget.roles.values())):
        Prices(config.models).demand(config.expert.model)

    def rate(texts: Sequence[str]) -> Ratings:
        ledger = Ledger(out / LEDGER)
        run = Services(RunFolder(out), config, domain_folder, ledger, progress)
        try:
            with progress.stage(STAGE) as advance:
                return asyncio.run(_rate_alone(run, texts, advance))
        finally:
            run.close()

    return selection.select(config, domain_folder, out, progress, tests, rate)


async def within_run(run: Services, out: Path, tests: Sequence[str]) -> SelectionReport:
    """Select text in a run, below its folder, with the run's own calls; return the report.

    Raises:
        UserError, RunStopped: as for `select`.
    """
    loop = asyncio.get_running_loop()

    def rate(texts: Sequence[str]) -> Ratings:
        with run.progress.stage(STAGE) as advance:
            return asyncio.run_coroutine_threadsafe(_rate(run, texts, advance), loop).result()

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


async def _rate_alone(run: Services, texts: Sequence[str], advance: Advance) -> Ratings:
    try:
        return await _rate(run, texts, advance)
    finally:
        await run.disconnect()


async def _rate(run: Services, texts: Sequence[str], advance: Advance) -> Ratings:
    async def rating(text: str) -> float | None:
        try:
            value, _ = await run.rater.rate(text)
        except CallFailed:
            return None
        return value

    return await each(run.turnstile, texts, rating, advance)
