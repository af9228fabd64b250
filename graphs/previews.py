"""A preview: a run folder of its own with a few examinations, which is kept or deleted."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from elenchus import runs, telemetry
from elenchus.errors import Interrupted, RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.progress import Progress
from elenchus.runs import RunFolder
from graphs import spans
from graphs.config import DomainConfig, of_run
from graphs.estimate import Use, paid
from graphs.method import Preview, Previewed
from graphs.methods import method_of
from graphs.runner import create, worth_keeping
from graphs.services import Services
from models.prices import Prices

NOTHING = "nothing of the preview is kept"


class Shown(NamedTuple):
    """What a preview shows: its run, the examinations, what they used, and what a run would."""

    run: RunFolder
    made: list[Any]
    used: list[Use]
    whole: list[Use]


@contextlib.contextmanager
def previewed(
    config: DomainConfig,
    folder: Path,
    root: Path,
    profile: str | None,
    count: int,
    keep: bool,
    progress: Progress,
) -> Iterator[Shown]:
    """Make so many examinations in a new run, which is there until the context is left.

    Kept, it stays, and resuming it makes the rest of the run; so it does where it is broken off.

    Raises:
        UserError: something given cannot be used, as for a launch, or the method makes none.
        RunStopped: the budget is used up, or a server is gone.
        Interrupted: Ctrl-C, while a run was made that is kept.
    """
    work = method_of(config.method).preview()
    run = create(config, folder, root, profile, progress)
    try:
        with run.locked():
            with runs.explained(run.path):
                shown = _shown(run, work, count, progress)
            yield shown
    except RunStopped as stopped:
        raise RunStopped(_how_to_go_on(run, stopped, keep)) from None
    except KeyboardInterrupt:
        if keep:
            raise Interrupted(run.command("resume")) from None
        raise RunStopped(NOTHING) from None
    except UserError:
        if keep and not worth_keeping(run):
            run.remove()
        raise
    finally:
        if not keep:
            run.remove()


def _shown(run: RunFolder, work: Preview, count: int, progress: Progress) -> Shown:
    """Make the examinations; the run is locked and its models are known to be there."""
    config = of_run(run)
    services = Services(run, config, run.domain_folder(), Ledger(run.ledger), progress)
    try:
        services.subject.check()  # all templates are read now: none changes under way
        with telemetry.traced(config.telemetry, run.path, progress.say, *spans.of_run(run, config)):
            made, whole = asyncio.run(_worked(services, work, count))
        return Shown(run, made, paid(services.ledger.spent(), Prices(config.models)), whole)
    finally:
        services.close()


async def _worked(services: Services, work: Preview, count: int) -> Previewed:
    with services.registered() as ref:
        try:
            return await work(services, ref, count)
        finally:
            await services.disconnect()


def _how_to_go_on(run: RunFolder, stopped: RunStopped, keep: bool) -> str:
    if not keep:
        return f"{stopped}; {NOTHING}"
    more = f"--budget {stopped.cap}=…" if stopped.cap else ""
    return f"{stopped}. `{run.command('resume', more)}` goes on, as with any run"
