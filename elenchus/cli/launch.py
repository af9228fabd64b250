"""`elenchus launch`: a new run, or with `--dry-run` what it would use."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains
from elenchus.cli import options

if TYPE_CHECKING:
    from graphs.estimate import Use


def launch(
    domain: options.Domain,
    changes: options.Changes = None,
    profile: options.Profile = None,
    reuse: Annotated[
        str | None, typer.Option(help="an earlier run, whose model calls are not made again")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only estimate calls, tokens and cost")
    ] = False,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Adapt the student of a domain, in a new run."""
    from elenchus import runs
    from graphs.config import load

    path = domains.find(domain)
    config = load(path, profile, changes)
    earlier = runs.find(root, reuse) if reuse else None
    if dry_run:
        from graphs.methods import method_of

        uses = method_of(config.method).estimate(config, path.parent)
        if as_json:
            print(json.dumps([use._asdict() for use in uses]))
        else:
            _show(uses, config.budget.usd)
        return
    from elenchus.cli.screen import Screen, finish
    from graphs import runner

    screen = Screen(quiet=as_json)
    result = runner.launch(config, path.parent, root, profile, screen, earlier)
    finish(result, root, as_json)


def _show(uses: "Sequence[Use]", cap: float | None) -> None:
    """Print an estimate, and whether the run's cap is enough for it."""
    from rich.console import Console

    from elenchus.cli.costs import show_uses, total

    console = Console(highlight=False, markup=False)
    show_uses(console, uses)
    if costs := total(uses, cap):
        console.print(costs)
    console.print("An estimate for a run that goes to its last round; nothing was asked or paid.")
