"""`elenchus prompts`: the system messages of a domain's runs, and templates of its own for them."""

import json
from typing import Annotated, Any

import typer

from elenchus import domains, templates
from elenchus.cli import options
from elenchus.errors import UserError
from elenchus.printing import printable
from elenchus.templates import Template

app = typer.Typer(help="The prompts, and a domain's own ones.", no_args_is_help=True)
COLUMNS = ("prompt", "whose", "sha256")
SHOWN = 12  # digits of a hash in a table

Name = Annotated[str, typer.Argument(metavar="ROLE/TASK", help="as `list` names it")]
OfDomain = Annotated[
    str | None, typer.Option("--domain", help="a name below domains/, or a folder")
]


@app.command("list")
def list_prompts(domain: OfDomain = None, as_json: options.Json = False) -> None:
    """List all prompts, and which of them the domain has templates of its own for."""
    found, _ = _read(domain)
    if as_json:
        print(json.dumps([_row(template) for template in found.values()], ensure_ascii=False))
        return
    from rich.console import Console

    from elenchus.cli.screen import show_table, table

    rows = ((t.name, _whose(t), t.sha256[:SHOWN]) for t in found.values())
    show_table(Console(highlight=False), table(COLUMNS, rows))


@app.command()
def show(name: Name, domain: OfDomain = None, as_json: options.Json = False) -> None:
    """Show the system message that a model is sent, and where its template lies.

    What the domain does not fill in is shown as it stands, for instance $purpose.
    """
    known = templates.known(name)
    found, settings = _read(domain)
    template = found[known]
    text = template.shown(settings)
    if as_json:
        print(json.dumps(_row(template) | {"system": text}, ensure_ascii=False))
        return
    print(printable(f"{template.path} ({_whose(template)}, sha256 {template.sha256[:SHOWN]})\n"))
    print(printable(text))


@app.command()
def copy(
    name: Name,
    domain: Annotated[str, typer.Option("--domain", help="a name below domains/, or a folder")],
) -> None:
    """Copy the program's template into the domain's folder, to be edited there."""
    from elenchus.runs import explained, write_atomic

    known, folder = templates.known(name), domains.find(domain).parent
    path = templates.place(templates.of_domain(folder), known)
    if path.exists():
        raise UserError(f"{path} exists already: edit it, or delete it to have the program's again")
    with explained(folder, "--domain"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, templates.program()[known].text + "\n")
    print(f"{path} is ready to be edited; runs of the domain use it from now on")


def _read(domain: str | None) -> tuple[dict[str, Template], dict[str, str]]:
    """Return the templates of a domain by name, with what it fills in; else the program's."""
    if domain is None:
        return templates.program(), {}
    from agents.prompting import Subject
    from graphs.config import load

    path = domains.find(domain)
    subject = Subject.of(load(path), path.parent)
    return subject.templates, subject.settings


def _row(template: Template) -> dict[str, Any]:
    return {
        "prompt": template.name,
        "own": template.own,
        "sha256": template.sha256,
        "file": str(template.path),
    }


def _whose(template: Template) -> str:
    return "the domain's" if template.own else "the program's"
