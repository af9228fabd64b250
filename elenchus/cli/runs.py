"""`elenchus runs`: all runs in a table."""

import json
from typing import TYPE_CHECKING

from elenchus import postgres
from elenchus.cli import options

if TYPE_CHECKING:
    from elenchus.results import RunRow
    from elenchus.runs import RunFolder

COLUMNS = (
    "id", "domain", "state", "verdict", "before", "after", "gain", "examples", "calls", "cost",
)  # fmt: skip


def runs(root: options.Root = options.RUNS, as_json: options.Json = False) -> None:
    """List all runs with their figures, those of unfinished runs as far as they are known."""
    from elenchus.runs import listed

    rows = [row_of(run) for run in listed(root)]
    if as_json:
        print(json.dumps([row.model_dump() for row in rows]))
        return
    from rich.console import Console

    from elenchus.cli.screen import show_table, table

    console = Console(highlight=False, markup=False)
    if not rows:
        elsewhere = ", and none in the database" if postgres.configured() else ""
        console.print(f"no runs below {root} yet{elsewhere}")
        return
    show_table(console, table(COLUMNS, (cells_of(row).values() for row in rows)), whole=True)


def row_of(run: "RunFolder") -> "RunRow":
    """Return a run's row, with what its calls cost."""
    return _row(run).model_copy(update={"usd": _usd(run)})


def _row(run: "RunFolder") -> "RunRow":
    """Return a run's row; without figures where its result cannot be read."""
    from pydantic import ValidationError

    from elenchus.results import Result, run_row
    from elenchus.so_far import so_far

    state, result = run.state(), None
    if state != "finished":
        return so_far(run, state)
    try:
        result = Result.model_validate_json(run.result.read_bytes())
    except (ValidationError, OSError):  # damaged, or of another version
        result = None
    return run_row(run.id, run.path.parent.name, state, result)


def _usd(run: "RunFolder") -> float | None:
    """Return what a run's calls cost; None where that is not known."""
    from inspection.reading import READ_ERRORS, Run

    try:
        with Run(run.path) as opened:
            return opened.usd
    except READ_ERRORS:
        return None


def cells_of(row: "RunRow") -> dict[str, str]:
    """Return the texts of a run's row, by column."""

    def shown(value: object, form: str = "{}") -> str:
        return "–" if value is None else form.format(value)

    gain = row.interval and "[{:+.0f}, {:+.0f}]".format(*(100 * share for share in row.interval))
    return {
        "id": row.id,
        "domain": row.domain,
        "state": row.state,
        "verdict": shown(row.verdict),
        "before": shown(row.before, "{:.1%}"),
        "after": shown(row.after, "{:.1%}"),
        "gain": shown(gain),
        "examples": shown(row.examples),
        "calls": shown(row.calls),
        "cost": shown(row.usd, "${:,.2f}"),
    }
