"""`elenchus launch`: a new run of a domain or of several; with `--dry-run`, what they would use."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains, postgres
from elenchus.cli import options
from elenchus.errors import UserError

if TYPE_CHECKING:
    from graphs.config import DomainConfig
    from graphs.estimate import Use

CAPS = {"calls", "tokens", "usd"}  # those that an estimate tells
Domains = Annotated[list[str], typer.Argument(help="names below domains/, or folders")]


def launch(
    domain: Domains,
    changes: options.Changes = None,
    profile: options.Profile = None,
    reuse: Annotated[
        str | None, typer.Option(help="an earlier run, whose model calls are not made again")
    ] = None,
    budget: options.Budget = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only estimate calls, tokens and cost")
    ] = False,
    database: options.Database = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Adapt the student of a domain, or of each of several at once, in a new run."""
    if database is not None:
        postgres.use(database)
    if len(domain) > 1:
        if reuse:
            raise UserError("--reuse takes over the calls of one run: launch one domain with it")
        _several(domain, changes, profile, budget or [], dry_run, root, as_json)
        return
    from elenchus import runs
    from graphs.config import load

    path = domains.find(domain[0])
    caps = [f"budget.{cap}" for cap in budget or []]
    config = load(path, profile, [*(changes or []), *caps])
    earlier = runs.find(root, reuse) if reuse else None
    if dry_run:
        uses = _uses(config, path.parent)
        if as_json:
            print(json.dumps([use._asdict() for use in uses]))
        else:
            _show({"": uses}, config.budget.model_dump(include=CAPS))
        return
    from elenchus.cli.screen import Screen, finish
    from graphs import runner

    screen = Screen(quiet=as_json)
    result = runner.launch(config, path.parent, root, profile, screen, earlier)
    finish(result, root, as_json)


def _several(
    names: Sequence[str],
    changes: list[str] | None,
    profile: str | None,
    budget: Sequence[str],
    dry_run: bool,
    root: Path,
    as_json: bool,
) -> None:
    """Launch several domains at once, or estimate what they would use."""
    from elenchus.config import BudgetConfig
    from elenchus.loading import as_change, merged
    from graphs import together
    from graphs.config import checked, load

    paths = [domains.find(name) for name in names]
    configs = [load(path, profile, changes) for path in paths]
    folders = [path.parent for path in paths]
    caps = merged(*map(as_change, budget))
    if dry_run:
        common = checked(BudgetConfig, caps, "--budget")
        uses = {c.domain: _uses(c, folder) for c, folder in zip(configs, folders, strict=True)}
        if as_json:
            listed = {name: [use._asdict() for use in own] for name, own in uses.items()}
            print(json.dumps({"domains": listed}))
        else:
            _show(uses, common.model_dump(include=CAPS))
        return
    from elenchus.cli.screen import Screen
    from elenchus.cli.several import finish_all

    given = list(zip(configs, folders, strict=True))
    finish_all(together.launch(given, root, profile, Screen(quiet=as_json), caps), as_json)


def _uses(config: "DomainConfig", folder: Path) -> "list[Use]":
    from graphs.methods import method_of

    return method_of(config.method).estimate(config, folder)


def _show(domains: "Mapping[str, Sequence[Use]]", caps: Mapping[str, float | None]) -> None:
    """Print the estimates of domains, and whether the caps are enough for them together."""
    from rich.console import Console

    from elenchus.cli.costs import show_uses, total

    console = Console(highlight=False, markup=False)
    for name, uses in domains.items():
        if name:
            console.print(f"{name}:")
        show_uses(console, uses)
    whole = [use for uses in domains.values() for use in uses]
    if costs := total(whole, caps, several=len(domains) > 1):
        console.print(costs)
    console.print("An estimate for a run that goes to its last round; nothing was asked or paid.")
