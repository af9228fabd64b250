"""`elenchus update`: a new run that goes on from a finished one."""

from elenchus.cli import options


def update(
    run: options.Run, root: options.Root = options.RUNS, as_json: options.Json = False
) -> None:
    """Examine what changed in the documents of a finished run, keep the rest, and train again."""
    from elenchus import runs

    earlier = runs.find(root, run)
    from elenchus.cli.screen import Screen, finish
    from graphs import runner

    finish(runner.update(earlier, root, Screen(quiet=as_json)), root, as_json)
