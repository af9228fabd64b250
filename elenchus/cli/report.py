"""`elenchus report`: what a finished run came to, as one page."""

import typer

from elenchus.cli import options


def report(run: options.Run, root: options.Root = options.RUNS) -> None:
    """Write the report of a finished run anew, and print where it lies."""
    from elenchus import runs
    from inspection.report import write

    typer.echo(write(runs.find(root, run)).as_posix())
