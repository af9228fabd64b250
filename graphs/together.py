"""Runs several domains at once, in one process: see `graphs/shared.py` for what they share.

All are looked through before anything is paid for. From then on each stands for itself: one that
fails ends alone. A cap on all of them together stops all, in order, and so does Ctrl-C.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from elenchus import runs
from elenchus.config import BudgetConfig
from elenchus.errors import Interrupted, RunStopped, UserError
from elenchus.loading import merged
from elenchus.progress import Prefixed, Progress, Unseen
from elenchus.results import Result
from elenchus.runs import RunFolder
from graphs import runner
from graphs.changes import say_changes
from graphs.concurrency import run_to_end, side_by_side
from graphs.config import DomainConfig, checked, of_run
from graphs.preflight import check_prices
from graphs.shared import Shared, limits_of, members_of
from models.local import one_base

Thing = TypeVar("Thing")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Ended:
    """How a run ended: with a result, or with an error that the others did not have."""

    run: RunFolder
    result: Result | None = None
    error: UserError | None = None


def launch(
    domains: Sequence[tuple[DomainConfig, Path]],
    root: Path,
    profile: str | None,
    progress: Progress,
    budget: dict[str, Any] | None = None,
) -> list[Ended]:
    """Start a new run of each domain in its folder, and see them to their ends at once.

    Args:
        budget: caps on all of them together.

    Raises:
        UserError: something given cannot be used: then nothing was made.
        Interrupted: Ctrl-C; all that was done is kept.
    """
    names = Counter(config.domain for config, _ in domains)
    if twice := [name for name, count in names.items() if count > 1]:
        raise UserError(f"two domains are called {twice[0]}: launch them one after the other")
    caps = _checked_caps([config for config, _ in domains], {}, budget or {})

    def look_through(domain: tuple[DomainConfig, Path]) -> str:
        config, folder = domain
        return runner.look_through(config, folder, root, Prefixed(progress, config.domain))

    corpora = _of_all(domains, look_through, lambda domain: domain[0].domain)
    made = [
        runner.make(config, folder, root, profile, corpus)
        for (config, folder), corpus in zip(domains, corpora, strict=True)
    ]
    for run in made:
        run.set_together(made, caps)
    with _locked(made):
        ended = _seen_through(made, progress)
    return [_without_trace(one) for one in ended]


def resume(
    given: Sequence[RunFolder], progress: Progress, budget: dict[str, Any] | None = None
) -> list[Ended]:
    """Go on with runs where they stopped, at once; those that are finished are passed over.

    Args:
        budget: changes of the caps that they have together.

    Raises:
        UserError: one of them cannot go on, or they share no budget: then none goes on.
        Interrupted: Ctrl-C; all that was done is kept.
    """
    left = []
    for run in dict.fromkeys(given):
        if run.result.exists():
            runner.read_result(run)
            progress.say(f"run {run.id} is finished: it is passed over")
        else:
            left.append(run)
    if not left:
        raise UserError("all of these runs are finished: `elenchus runs` shows them")
    with _locked(left):
        _of_all(
            left,
            lambda run: runner.check_interrupted(run, _named(run, progress)),
            lambda run: f"run {run.id}",
        )
        if budget:
            _change_caps(left, budget)
        for run in left:
            say_changes(run, _named(run, progress))
        return _seen_through(left, progress)


def _checked_caps(
    configs: Sequence[DomainConfig], present: dict[str, Any], changes: dict[str, Any]
) -> dict[str, Any]:
    """Return caps with changes; UserError where they are none, or a model has no price."""
    caps = checked(BudgetConfig, merged(present, changes), "--budget")
    limits = limits_of(configs)  # which refuses different prices
    for config in configs:
        check_prices(config.model_copy(update={"models": limits}), caps)
    return caps.model_dump(mode="json", exclude_unset=True)


def _change_caps(left: Sequence[RunFolder], budget: dict[str, Any]) -> None:
    """Change the caps that runs share, in all that were launched with them.

    Raises:
        UserError: they share none, or one of them is at work elsewhere: then no cap is changed.
    """
    group = left[0].together()
    if not group or any(run.together() != group for run in left):
        raise UserError(
            "these runs were not launched together, and share no budget: resume each by itself "
            "with a --budget of its own"
        )
    present = members_of(left[0], left, Unseen().say)
    configs = [of_run(run) for run in left]
    caps = _checked_caps(configs, left[0].shared_budget(), budget)
    for run in present:
        run.set_together(group, caps)


def _of_all(
    things: Sequence[Thing], do: Callable[[Thing], Made], name: Callable[[Thing], str]
) -> list[Made]:
    """Return what is made of all things; UserError with what is wrong with any of them."""
    made, refusals = [], []
    for thing in things:
        try:
            made.append(do(thing))
        except UserError as error:
            refusals.append(f"{name(thing)}: {error}")
    if refusals:
        raise UserError("; ".join(("nothing was begun", *refusals)))
    return made


@contextlib.contextmanager
def _locked(folders: Sequence[RunFolder]) -> Iterator[None]:
    """Hold all runs for this process: see `RunFolder.locked`."""
    with contextlib.ExitStack() as held:
        for run in folders:
            held.enter_context(runs.explained(run.path))
            held.enter_context(run.locked())
        yield


def _seen_through(folders: Sequence[RunFolder], progress: Progress) -> list[Ended]:
    """Run the graphs of runs to their ends; they are locked, and their models are there."""
    try:
        ended = run_to_end(lambda: _side_by_side(folders, progress))
    except KeyboardInterrupt:
        left = [run for run in folders if not run.result.exists()]
        raise Interrupted(runs.command("resume", left or folders)) from None
    for one in ended:
        if isinstance(one, BaseException):  # which nobody foresaw; the others have ended
            raise one
    return [one for one in ended if isinstance(one, Ended)]


async def _side_by_side(
    folders: Sequence[RunFolder], progress: Progress
) -> list[Ended | BaseException]:
    with closing(Shared.of(folders, progress.say)) as shared, one_base():
        return await side_by_side([_worked(run, progress, shared) for run in folders])


async def _worked(run: RunFolder, progress: Progress, shared: Shared) -> Ended:
    """Run the graph of a run; the error that ends it is said, and concerns no other."""
    own = _named(run, progress)
    try:
        with runs.explained(run.path):
            await runner.work(run, runner.compiled(run), own, shared)
        return Ended(run, result=runner.read_result(run))
    except UserError as error:
        by_all = isinstance(error, RunStopped) and error.shared  # it is said of all at the end
        own.say("stopped by the budget of all" if by_all else f"stopped: {error}")
        return Ended(run, error=error)


def _named(run: RunFolder, progress: Progress) -> Progress:
    return Prefixed(progress, run.path.parent.name)


def _without_trace(ended: Ended) -> Ended:
    """Remove the folder of a new run that could not even begin."""
    failed = ended.error is not None and not isinstance(ended.error, RunStopped)
    if failed and not runner.worth_keeping(ended.run):
        ended.run.remove()
    return ended
