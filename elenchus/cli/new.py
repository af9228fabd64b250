"""`elenchus new`: the commented domain.yaml of a new domain."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus.domains import DOMAIN_FILE
from elenchus.errors import UserError

if TYPE_CHECKING:
    from pydantic import BaseModel


def new(name: Annotated[str, typer.Argument(help="lower-case letters, digits, dashes")]) -> None:
    """Write a commented domain.yaml for documents of your own."""
    path = write(name)
    print(f"{path} is ready. Put documents into {path.parent / 'documents'}, or name them:")
    print(f"  elenchus corpus add {name} FOLDER")
    print(f"  elenchus launch {name}")


def write(name: str) -> Path:
    """Write domains/NAME/domain.yaml with every key, its default and its meaning.

    Raises:
        UserError: the name is none, the file is there already, or the disk refuses it.
    """
    from elenchus.config import NAME
    from elenchus.runs import explained, write_atomic

    folder = Path("domains") / name
    path = folder / DOMAIN_FILE
    if not re.fullmatch(NAME, name):
        raise UserError(f"{name!r} is no name: lower-case letters, digits and dashes")
    if path.exists():
        raise UserError(f"{path} exists already; choose another name, or edit it")
    with explained(folder):
        (folder / "documents").mkdir(parents=True, exist_ok=True)
        write_atomic(path, template(name))
    return path


def template(name: str) -> str:
    """Return a domain.yaml that validates: the two needed keys set, all others as comments."""
    from graphs.config import domain_config

    head = (
        f"# The domain {name}: put documents into the folder documents/ beside this file, then\n"
        f"#   elenchus launch {name}\n"
        "# Lines that start with # are defaults. To change one, remove the # and the blank after\n"
        "# it, there and in the line of the section above.\n"
        f"domain: {name}\n"
        f"title: the reference documents of {name}  # reaches the prompts: say what they are\n"
    )
    defaults = domain_config()(domain="x", title="x")
    return head + "\n".join(_lines(defaults, skip=("domain", "title"))) + "\n"


def _lines(section: "BaseModel", skip: tuple[str, ...] = (), indent: str = "") -> Iterator[str]:
    """Yield a commented line for each key of a section."""
    import yaml

    from elenchus.sections import Section

    tree = section.model_dump(mode="json")
    for key, field in type(section).model_fields.items():
        if key in skip:
            continue
        if isinstance(subsection := getattr(section, key), Section):
            yield f"\n# {indent}{key}:"
            yield from _lines(subsection, indent=indent + "  ")
        else:
            style = '"' if "\n" in str(tree[key]) else None  # a value takes one line
            value = yaml.safe_dump(
                tree[key], default_flow_style=True, default_style=style, width=sys.maxsize
            )
            value = value.replace("...", "").strip()
            yield f"# {indent}{key}: {value}  # {field.description}"
