"""`elenchus preview`: a few examinations printed whole, and what they and the whole run cost."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains
from elenchus.cli import options
from elenchus.errors import UserError

if TYPE_CHECKING:
    from elenchus.ledger import Ledger
    from graphs.method import Trace
    from graphs.previews import Shown


def preview(
    domain: options.Domain,
    count: Annotated[int, typer.Option("-n", help="how many examinations")] = 5,
    changes: options.Changes = None,
    profile: options.Profile = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="keep the run, which `elenchus resume` sees through")
    ] = False,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Make a few examinations to look at, before the whole run is paid for."""
    from contextlib import closing

    from elenchus.ledger import Ledger
    from graphs.config import load

    if count < 1:
        raise UserError(f"-n is {count}: a preview makes one examination or more")
    path = domains.find(domain)
    config = load(path, profile, changes)
    from elenchus.cli.screen import Screen
    from graphs.methods import method_of
    from graphs.previews import previewed

    screen, shower = Screen(quiet=as_json), method_of(config.method).trace
    with (
        previewed(config, path.parent, root, profile, count, keep, screen) as shown,
        closing(Ledger(shown.run.ledger, read_only=True)) as ledger,
    ):
        if as_json:
            print(json.dumps(_as_json(shown, ledger, shower, keep), ensure_ascii=False))
        else:
            _show(shown, ledger, shower, keep, config.budget.usd)


def _as_json(shown: "Shown", ledger: "Ledger", shower: "Trace", keep: bool) -> dict[str, object]:
    return {
        "run": shown.run.id,
        "path": shown.run.path.as_posix(),
        "kept": keep,
        "examinations": [shower.as_json(ledger, record) for record in shown.made],
        "used": [use._asdict() for use in shown.used],
        "whole": [use._asdict() for use in shown.whole],
    }


def _show(shown: "Shown", ledger: "Ledger", shower: "Trace", keep: bool, cap: float | None) -> None:
    """Print the examinations, then what they used and what the run would."""
    from rich.console import Console

    from elenchus.cli.costs import show_uses, total

    console = Console(highlight=False, markup=False)
    for record in shown.made:
        shower.show(ledger, record)
        console.print()
    number = len(shown.made)
    console.print(f"Used for {number} examination{'s' if number != 1 else ''} and their survey:")
    show_uses(console, shown.used)
    console.print(f"\nThe whole run, by its settings and by what these {number} used:")
    show_uses(console, shown.whole)
    if costs := total(shown.whole, {"usd": cap}):
        console.print(costs)
    console.print()
    run = shown.run
    if keep:
        kept = f"Kept: {run.command('resume')} makes the rest of the run, and pays none of it again"
    else:
        kept = f"Not kept; with --keep, {run.path.as_posix()} would be the beginning of a run."
    console.print(kept, soft_wrap=True)
