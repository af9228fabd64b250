"""Finding a domain by name, and writing the template of a new one."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from elenchus.config import NAME
from elenchus.errors import UserError
from elenchus.loading import DOMAIN_FILE as FILE
from elenchus.runs import explained, write_atomic
from elenchus.sections import Section
from graphs.config import DomainConfig, validate

SHIPPED = Path(__file__).resolve().parent.parent / "domains"


def find(name: str) -> Path:
    """The domain.yaml of a domain: a folder or file by path, or a name below domains/.

    Raises:
        UserError: there is none; the message names the nearest one.
    """
    path = Path(name)
    for candidate in (path, path / FILE, Path("domains") / name / FILE, SHIPPED / name / FILE):
        if candidate.is_file():
            return candidate
    known = sorted(
        {p.parent.name for base in (Path("domains"), SHIPPED) for p in base.glob(f"*/{FILE}")}
    )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}."
    raise UserError(f"unknown domain {name!r}; {hint} `elenchus new NAME` makes one")


def new(name: str) -> Path:
    """Write domains/NAME/domain.yaml with every key, its default and its meaning."""
    folder = Path("domains") / name
    path = folder / FILE
    if not re.fullmatch(NAME, name):
        raise UserError(f"{name!r} is no name: lower-case letters, digits and dashes")
    if path.exists():
        raise UserError(f"{path} exists already; choose another name, or edit it")
    text = template(name)
    validate(yaml.safe_load(text), "a new domain")
    with explained(folder):
        (folder / "documents").mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    return path


def template(name: str) -> str:
    """A domain.yaml that validates: the two needed keys set, all others shown as comments."""
    head = (
        f"# The domain {name}: put documents into the folder documents/ beside this file, then\n"
        f"#   elenchus launch {name}\n"
        "# Lines that start with # are defaults. To change one, remove the # and the blank after\n"
        "# it, there and in the line of the section above.\n"
        f"domain: {name}\n"
        f"title: the reference documents of {name}  # reaches the prompts: say what they are\n"
    )
    body = "\n".join(_lines(DomainConfig(domain="x", title="x"), skip=("domain", "title")))
    return head + body + "\n"


def _lines(section: BaseModel, skip: tuple[str, ...] = (), indent: str = "") -> Iterator[str]:
    plain = section.model_dump(mode="json")
    for key, field in type(section).model_fields.items():
        value: Any = getattr(section, key)
        if key in skip:
            continue
        if isinstance(value, Section):
            yield f"\n# {indent}{key}:"
            yield from _lines(value, indent=indent + "  ")
        else:
            shown = yaml.safe_dump(plain[key], default_flow_style=True).replace("...", "").strip()
            yield f"# {indent}{key}: {shown}  # {field.description}"
