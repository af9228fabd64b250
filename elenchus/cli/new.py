"""`elenchus new`: the commented domain.yaml of a new domain."""

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus.domains import DOMAIN_FILE
from elenchus.errors import UserError

if TYPE_CHECKING:
    from pydantic import BaseModel


# The keys of a short file: what the first runs on documents of one's own are likely to change.
FIRST = (
    "language", "corpus.sources", "expert.model", "expert.base_url", "examiner.model",
    "grader.model", "student.model", "budget.usd", "exam.questions", "exam.hand",
    "adaptation.examples", "dataset.licence",
)  # fmt: skip
QUICK = """
profiles:
  quick:  # a small run that exercises every part; its figures mean little
    exam: {questions: 100, general: 60}
    adaptation: {examples: [40]}
    training: {epochs: 3, least_steps: 1}
"""


def new(
    name: Annotated[str, typer.Argument(help="lower-case letters, digits, dashes")],
    full: Annotated[
        bool, typer.Option("--full", help="write every key, not the usual ones")
    ] = False,
) -> None:
    """Write a commented domain.yaml for documents of your own."""
    path = write(name, full)
    print(f"{path} is ready. Put documents into {path.parent / 'documents'}, or name them:")
    print(f"  elenchus corpus add {name} FOLDER")
    print(f"  elenchus launch {name} --profile quick   # a small run, to see that all works")
    print(f"  elenchus launch {name}")


def write(name: str, full: bool = False) -> Path:
    """Write domains/NAME/domain.yaml with the usual keys or every one, defaults and meanings.

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
        raise UserError(
            f"{path} exists already: edit it, or choose another name; `elenchus new OTHER --full` "
            "writes every key into a file of its own, to copy from"
        )
    with explained(folder):
        (folder / "documents").mkdir(parents=True, exist_ok=True)
        write_atomic(path, template(name, full))
    return path


def template(name: str, full: bool = False) -> str:
    """Return a domain.yaml that validates: what is needed is set, all else stands as comments."""
    from graphs.config import domain_config, leaf_keys

    more = "" if full else "# Every key: elenchus new OTHER --full\n"
    head = (
        f"# The domain {name}: put documents into the folder documents/ beside this file, then\n"
        f"#   elenchus launch {name} --profile quick\n"
        "# Lines that start with # are defaults. To change one, remove the # and the blank after\n"
        f"# it, there and in the line of the section above.\n{more}"
        f"domain: {name}\n"
        f"title: the reference documents of {name}  # reaches the prompts: say what they are\n"
    )
    defaults = domain_config()(domain="x", title="x")
    keys = {*leaf_keys()} - {"domain", "title", "profiles"} if full else {*FIRST}
    return head + "\n".join(_lines(defaults, keys)) + "\n" + QUICK


def _lines(
    section: "BaseModel", keys: Collection[str], place: str = "", indent: str = ""
) -> Iterator[str]:
    """Yield a commented line for each of the dotted keys that a section has."""
    import yaml

    from elenchus.sections import Section

    tree = section.model_dump(mode="json")
    for key, field in type(section).model_fields.items():
        if isinstance(subsection := getattr(section, key), Section):
            lines = list(_lines(subsection, keys, f"{place}{key}.", indent + "  "))
            if lines:
                yield from (f"\n# {indent}{key}:", *lines)
        elif place + key in keys:
            style = '"' if "\n" in str(tree[key]) else None  # a value takes one line
            value = yaml.safe_dump(
                tree[key], default_flow_style=True, default_style=style, width=sys.maxsize
            )
            value = value.replace("...", "").strip()
            yield f"# {indent}{key}: {value}  # {field.description}"
