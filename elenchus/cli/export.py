"""`elenchus export`: a run's dataset in the form that another program takes."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus.cli import options
from elenchus.printing import in_bytes

if TYPE_CHECKING:
    from elenchus.runs import RunFolder


def export(
    run: options.Run,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="messages, trl, alpaca, sharegpt, openai, axolotl, llamafactory, preference, "
            "argilla, parquet; of the exam and own tests: lm-eval, inspect; of what was trained: "
            "merged, gguf",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="folder to write (default: exports/FORMAT of the run)")
    ] = None,
    test_share: Annotated[
        float, typer.Option(help="share of the rows split off by point, to test on; 0 for none")
    ] = 0.1,
    dtype: Annotated[
        str | None,
        typer.Option(help="merged, gguf: float32, float16, bfloat16 (default: the base's)"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="write over what is there")] = False,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Write the dataset of a run as trainers, graders and evaluators load it, or a whole model."""
    from elenchus import runs
    from graphs.exporting import export as exported
    from publishing.weights import FORMATS

    if form in FORMATS:
        _show_weights(runs.find(root, run), form, to, dtype, force, as_json)
        return
    done = exported(runs.find(root, run), form, to, test_share, force)
    folder = done.folder.as_posix()
    if as_json:
        print(json.dumps({"folder": folder, "rows": dict(done.rows), "note": done.note}))
        return
    for name, count in done.rows.items():
        print(f"{folder}/{name}: {count:,} rows")
    if done.note:
        print(done.note.replace("FOLDER", shlex.quote(folder)))


def _show_weights(
    run: "RunFolder", form: str, to: Path | None, dtype: str | None, force: bool, as_json: bool
) -> None:
    """Write a whole model, and print its files with their sizes."""
    from graphs.trained import export_weights

    files = export_weights(run, form, to, dtype, force)
    if as_json:
        print(json.dumps({"files": {file.as_posix(): file.stat().st_size for file in files}}))
        return
    for file in files:
        print(f"{file.as_posix()}: {in_bytes(file.stat().st_size)}")
