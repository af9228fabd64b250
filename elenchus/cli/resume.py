"""`elenchus resume`: an interrupted run, to its end."""

from typing import Annotated

import typer

from elenchus.cli import options


def resume(
    run: Annotated[list[str], typer.Argument(help="ids of runs, or the starts of them")],
    budget: options.Budget = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Continue an interrupted run, or several at once, exactly where it stopped."""
    from elenchus import runs
    from elenchus.loading import as_change, merged

    folder, *others = [runs.find(root, name) for name in run]
    caps = merged(*map(as_change, budget or []))
    from elenchus.cli.screen import Screen, finish

    if others:
        from elenchus.cli.several import finish_all
        from graphs import together

        finish_all(together.resume([folder, *others], Screen(quiet=as_json), caps), as_json)
        return
    from graphs import runner

    finish(runner.resume(folder, Screen(quiet=as_json), caps), root, as_json)
