"""`elenchus select`: text of a general corpus that is like the domain's own."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus import domains
from elenchus.cli import options
from elenchus.printing import printable
from graphs.config import load

LONGEST = 12  # rows of a table; the rest is in the report
SOURCES = "source", "texts", "selected", "tokens"


def select(
    domain: Annotated[str, typer.Argument(help="a name below domains/, or a folder")],
    changes: options.Changes = None,
    profile: options.Profile = None,
    out: Annotated[
        Path | None, typer.Option(help="folder of the selection; selections/DOMAIN by default")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Select text that is like the domain's own from a general corpus."""
    path = domains.find(domain)
    config = load(path, profile, changes)
    place = out or Path("selections") / config.domain
    from elenchus.cli.screen import Screen
    from graphs.pretraining import selecting

    try:
        report = selecting.select(config, path.parent, place, Screen(quiet=as_json))
    except KeyboardInterrupt:
        print("elenchus: stopped; the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(report | {"path": place.as_posix()}, ensure_ascii=False))
    else:
        show(report, place)


def show(report: dict[str, Any], place: Path) -> None:
    """The final screen: how much, how sure, from where, and what was left out."""
    console = Console(highlight=False)
    precise = report["precision"]
    console.print(
        f"\n{report['domain']}: {report['selected']:,} texts, about {report['tokens']:,} tokens, "
        f"of {report['texts']:,} texts ({report['mb']:,.1f} MB)",
        style="bold",
    )
    console.print(_rows("from where", SOURCES, report["sources"]))
    console.print(
        f"Of the domain, as estimated: {report['share']:.2%} of the corpus"
        + (f", {precise:.1%} of what is selected." if precise is not None else ".")
    )
    console.print(
        printable(f"The cut: score {report['cut']['score']:.3f}, {report['cut']['why']}.")
    )
    if report["left_out"]:
        named = ", ".join(f"{row['count']:,} {row['why']}" for row in report["left_out"])
        console.print(printable(f"Left out: {named}."))
    if report["unreadable"]:
        first = "{source}: {reason}".format(**report["unreadable"][0])
        count = len(report["unreadable"])
        console.print(printable(f"Not read: {count} files ({first})."), markup=False)
    if ratings := report["ratings"]:
        console.print(
            f"Educational value: {ratings['used']} ratings, {ratings['mean']} in the mean, "
            f"correlation of estimates {ratings['correlation']}."
        )
    console.print(
        f"{report['seconds']:,.1f} s; scored at {report['mb_per_second_per_core'] or 0:.0f} MB/s a "
        "core.\n"
    )
    for name, file in (("texts", "selected.parquet"), ("report", "report.md")):
        console.print(f"{name:<8} {(place / file).as_posix()}", markup=False, soft_wrap=True)


def _rows(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    """The sources that most was selected from."""
    table = Table(box=None)
    for name in columns:
        heading = title if name == columns[0] else name
        table.add_column(
            heading, overflow="fold", justify="left" if name == columns[0] else "right"
        )
    best = sorted(rows, key=lambda row: -row["tokens"])
    for row in best[:LONGEST]:
        first, *others = (row[name] for name in columns)
        table.add_row(Text(printable(first)), *(f"{value:,}" for value in others))
    if len(best) > LONGEST:
        table.add_row(f"… and {len(best) - LONGEST} more")
    return table
