"""`elenchus export`: a run's dataset in the form that another program takes."""

import json
from pathlib import Path
from typing import Annotated

import typer

from elenchus.cli import options


def export(
    run: options.Run,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="messages, trl, alpaca, sharegpt, openai, axolotl, llamafactory, preference, "
            "argilla, parquet; of the exam and own tests: lm-eval, inspect",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="folder to write (default: exports/FORMAT of the run)")
    ] = None,
    test_share: Annotated[
        float, typer.Option(help="share of the rows split off by point, to test on; 0 for none")
    ] = 0.1,
    force: Annotated[bool, typer.Option("--force", help="write over what is there")] = False,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Write the dataset of a run as trainers, graders and evaluators load it, with its card."""
    from elenchus import runs
    from graphs.exporting import export as exported

    done = exported(runs.find(root, run), form, to, test_share, force)
    folder = done.folder.as_posix()
    if as_json:
        print(json.dumps({"folder": folder, "rows": dict(done.rows), "note": done.note}))
        return
    for name, count in done.rows.items():
        print(f"{folder}/{name}: {count:,} rows")
    if done.note:
        print(done.note)
