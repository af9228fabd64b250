"""`elenchus resume`: an interrupted run, to its end."""

from typing import Annotated

import typer

from elenchus.cli import options


def resume(
    run: options.Run,
    budget: Annotated[
        list[str] | None, typer.Option(help="cap=value, for instance usd=20; repeatable")
    ] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Continue an interrupted run, exactly where it stopped."""
    from elenchus import runs
    from elenchus.loading import as_change, merged

    folder = runs.find(root, run)
    caps = merged(*map(as_change, budget or []))
    from elenchus.cli.screen import Screen, finish
    from graphs import runner

    finish(runner.resume(folder, Screen(quiet=as_json), caps), root, as_json)
