"""What `elenchus launch` and `elenchus resume` show of several runs at their end."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console

from elenchus import runs
from elenchus.cli.runs import cells_of, row_of
from elenchus.cli.screen import show_table, table
from elenchus.errors import RunStopped
from elenchus.printing import printable
from graphs.together import Ended
from inspection import report

COLUMNS = ("domain", "id", "state", "verdict", "before", "after", "examples", "cost")


def finish_all(ended: Sequence[Ended], as_json: bool) -> None:
    """Print what runs came to, and write their reports; exit with an error's code if one failed.

    Where errors differ, it is that of the one which somebody must mend.
    """
    if as_json:
        print(json.dumps({"runs": [_as_json(one) for one in ended]}))
    else:
        _show(ended)
    for one in ended:
        if one.result is not None:
            report.write(one.run)
    errors = [one.error for one in ended if one.error is not None]
    for line in dict.fromkeys(map(_failure, ended)):  # a shared cap stops all by the same words
        if line:
            print(f"elenchus: {printable(line)}", file=sys.stderr)
    if errors:
        raise typer.Exit(min(error.exit_code for error in errors))


def _as_json(ended: Ended) -> dict[str, Any]:
    """Return a result as that of one run alone is printed; of a failed run, the error."""
    place = {"path": ended.run.path.as_posix()}
    if ended.result is not None:
        return ended.result.model_dump(mode="json") | place
    names = {"domain": ended.run.path.parent.name, "run": ended.run.id}
    return names | {"error": str(ended.error)} | place


def _failure(ended: Ended) -> str:
    """Return the message of a failed run; "" of any other."""
    if ended.error is None:
        return ""
    shared = isinstance(ended.error, RunStopped) and ended.error.shared
    said = f"stopped: {ended.error}" if isinstance(ended.error, RunStopped) else str(ended.error)
    return said if shared else f"{ended.run.path.parent.name}: {said}"


def _show(ended: Sequence[Ended]) -> None:
    console = Console(highlight=False, markup=False)
    rows = []
    for one in ended:
        cells = cells_of(row_of(one.run)) | {"state": _state(one)}
        rows.append([cells[name] for name in COLUMNS])
    show_table(console, table(COLUMNS, rows), whole=True)
    trained = [one.run for one in ended if getattr(one.result, "adapter", "")]
    # The command that raises a shared cap is part of the error, which comes last.
    errors = [(one.run, one.error) for one in ended if isinstance(one.error, RunStopped)]
    stopped = [run for run, error in errors if not error.shared]
    shown = [runs.command("report", [one.run]) for one in ended if one.result is not None]
    if trained:
        shown.append(runs.command("serve", trained))
    if stopped:
        shown.append(runs.command("resume", stopped))
    if shown:
        console.print("\n".join(("", *shown)), soft_wrap=True)  # commands are copied whole


def _state(ended: Ended) -> str:
    if ended.error is None:
        return "finished"
    return "stopped" if isinstance(ended.error, RunStopped) else "failed"
