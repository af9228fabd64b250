"""`elenchus launch`: a new run, or with `--dry-run` what it would use."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains
from elenchus.cli import options

if TYPE_CHECKING:
    from graphs.estimate import Use

COLUMNS = ("role", "model", "calls", "tokens read", "tokens written", "USD")


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
    from elenchus.cli.screen import Screen, show_result
    from graphs import runner

    screen = Screen(quiet=as_json)
    result = runner.launch(config, path.parent, root, profile, screen, earlier)
    show_result(result, root, as_json)


def _show(uses: "Sequence[Use]", cap: float | None) -> None:
    """Print an estimate, and whether the run's cap is enough for it."""
    from rich.console import Console

    from elenchus.cli.screen import table

    rows = (
        (
            use.role,
            use.model,
            *(f"{count:,}" for count in (use.calls, use.tokens_read, use.tokens_written)),
            "no price known" if use.usd is None else f"{use.usd:.2f}",
        )
        for use in uses
    )
    console = Console(highlight=False, markup=False)
    console.print(table(COLUMNS, rows, right=COLUMNS[2:]))
    costs = [use.usd for use in uses]
    if any(costs):
        console.print(_total(costs, cap))
    console.print("An estimate for a run that goes to its last round; nothing was asked or paid.")


def _total(costs: Sequence[float | None], cap: float | None) -> str:
    """Return what the roles cost together, against the run's cap."""
    total = sum(cost for cost in costs if cost is not None)
    unpriced = ", and what has no price" if None in costs else ""
    over = f": over budget.usd={cap:g}, where the run would stop, to be resumed"
    return f"Together {total:.2f} USD{unpriced}{over if cap is not None and total > cap else ''}."
