"""Selection of text with the expert at hand: its ratings are calls as any others.

Their ledger lies in the selection's folder, so what was rated once is never paid for again.
"""

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.calls import CallFailed
from agents.models import make_model
from agents.prices import Prices
from elenchus.config import DomainConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Ledger
from elenchus.runs import RunFolder
from graphs.context import Advance, Context, Progress
from graphs.exams import read_hand_exam
from retrieval import selection

LEDGER = "ratings.sqlite"


def select(
    config: DomainConfig, domain_folder: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    """Select text for a domain into the folder `out`; returns the report.

    Questions of the hand-written exam are tests, which nothing selected may contain.

    Raises:
        UserError: something given cannot be used.
        RunStopped: the budget is used up, or a server is gone; the same call goes on.
    """
    tests = []
    if config.exam.hand is not None:
        exam = read_hand_exam(domain_folder / config.exam.hand, [], strict=False)
        tests = [row.question for row in exam]
    if not config.selection.ratings:
        return selection.select(config, domain_folder, out, progress, tests)
    make_model(config.expert)  # what is wrong with it shows before the corpus is read
    if any(c.usd is not None for c in (config.budget, *config.budget.roles.values())):
        Prices(config.models).demand(config.expert.model)
    rate = functools.partial(_rated, config, domain_folder, out, progress)
    return selection.select(config, domain_folder, out, progress, tests, rate)


def _rated(
    config: DomainConfig, domain_folder: Path, out: Path, progress: Progress, texts: Sequence[str]
) -> list[float | None]:
    """The expert's rating of each text, None where its reply could not be used."""
    ledger = Ledger(out / LEDGER)
    context = Context(RunFolder(out), config, domain_folder, ledger, progress)
    try:
        with progress.stage("Rate educational value") as advance:
            return asyncio.run(_all_rated(context, texts, advance))
    finally:
        context.close()


async def _all_rated(
    context: Context, texts: Sequence[str], advance: Advance
) -> list[float | None]:
    done = 0

    async def rated(text: str) -> float | None:
        nonlocal done
        async with context.turnstile:
            try:
                value, _ = await context.rater.rate(text)
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
    finally:
        await context.disconnect()
    return [task.result() for task in tasks]
