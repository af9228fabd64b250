"""`elenchus select`: text of a general corpus that is like the domain's own."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains
from elenchus.cli import options
from elenchus.printing import printable

if TYPE_CHECKING:
    from rich.table import Table

    from retrieval.selection.report import SelectionReport, SourceRow

LONGEST = 12  # rows of a table; the rest is in the report
COLUMNS = ("from where", "texts", "selected", "tokens")


def select(
    domain: options.Domain,
    changes: options.Changes = None,
    profile: options.Profile = None,
    out: Annotated[
        Path | None, typer.Option(help="folder of the selection; selections/DOMAIN by default")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Select text that is like the domain's own from a general corpus."""
    from elenchus.cli.screen import Screen
    from graphs.config import load
    from graphs.pretraining import selecting

    path = domains.find(domain)
    config = load(path, profile, changes)
    place = out or Path("selections") / config.domain
    try:
        report = selecting.select(config, path.parent, place, Screen(quiet=as_json))
    except KeyboardInterrupt:
        print("elenchus: stopped; the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        values = report.model_dump(mode="json") | {"path": place.as_posix()}
        print(json.dumps(values, ensure_ascii=False))
    else:
        _show(report, place)


def _show(report: "SelectionReport", place: Path) -> None:
    """Print how much was selected, how surely, from where, and what was left out."""
    from rich.console import Console

    from elenchus.cli.screen import show_table

    console = Console(highlight=False, markup=False)
    console.print(
        f"\n{report.domain}: {report.selected:,} texts, about {report.tokens:,} tokens, "
        f"of {report.texts:,} texts ({report.mb:,.1f} MB)",
        style="bold",
    )
    show_table(console, _sources(report.sources))
    for line in _lines(report):
        console.print(line)
    for name, file in (("texts", "selected.parquet"), ("report", "report.md")):
        console.print(f"{name:<8} {(place / file).as_posix()}", soft_wrap=True)


def _lines(report: "SelectionReport") -> list[str]:
    """Return what is known of the selection besides its sources, a sentence a line."""
    precise = "" if report.precision is None else f", {report.precision:.1%} of what is selected"
    lines = [
        f"Of the domain, as estimated: {report.share:.2%} of the corpus{precise}.",
        f"The cut: score {report.cut.score:.3f}, {report.cut.why}.",
    ]
    if report.left_out:
        reasons = ", ".join(f"{row.count:,} {row.why}" for row in report.left_out)
        lines.append(f"Left out: {reasons}.")
    if report.unreadable:
        first, count = report.unreadable[0], len(report.unreadable)
        lines.append(f"Not read: {count} files ({first.source}: {first.reason}).")
    if ratings := report.ratings:
        lines.append(
            f"Educational value: {ratings.used} ratings, {ratings.mean} in the mean, correlation "
            f"of estimates {ratings.correlation}."
        )
    speed = report.mb_per_second_per_core or 0
    lines.append(f"{report.seconds:,.1f} s; scored at {speed:.0f} MB/s a core.\n")
    return [printable(line) for line in lines]


def _sources(rows: "list[SourceRow]") -> "Table":
    """Return a table of the sources that most was selected from."""
    from elenchus.cli.screen import table

    most = sorted(rows, key=lambda row: -row.tokens)
    cells = [
        [row.source, *(f"{number:,}" for number in (row.texts, row.selected, row.tokens))]
        for row in most[:LONGEST]
    ]
    if len(most) > LONGEST:
        cells.append([f"… and {len(most) - LONGEST} more"])
    return table(COLUMNS, cells, right=COLUMNS[1:])
