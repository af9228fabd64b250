"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from elenchus import __version__


def _show_version(asked: bool) -> None:
    if asked:
        print(f"elenchus {__version__}")
        raise typer.Exit


RUNS = Path("runs")
Domain = Annotated[str, typer.Argument(help="a name below domains/, or a folder")]
Run = Annotated[str, typer.Argument(help="a run's id, or the start of it")]
Budget = Annotated[
    list[str] | None,
    typer.Option(help="cap=value, for instance usd=20, on all of them together; repeatable"),
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, as in domain.yaml; repeatable")
]
Profile = Annotated[str | None, typer.Option(help="a named set of changes in domain.yaml")]
Root = Annotated[Path, typer.Option("--runs", envvar="ELENCHUS_RUNS", help="folder of all runs")]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="ELENCHUS_DATABASE",
        help="postgresql://USER@HOST/NAME to keep the run in, so that any machine can resume it",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON value, and nothing else")]
Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="print the version"),
]
