"""Domains by name: folders with a domain.yaml, below domains/ or among those that are shipped."""

import contextlib
import difflib
from pathlib import Path

from elenchus.errors import UserError

DOMAIN_FILE = "domain.yaml"
SHIPPED = Path(__file__).resolve().parent.parent / "domains"


def find(name: str) -> Path:
    """Return the domain.yaml of a domain: a folder or file by path, or a name below domains/.

    Raises:
        UserError: there is none; the message names the nearest one.
    """
    path = Path(name)
    places = (Path("domains"), SHIPPED)
    folders = (path, *(place / name for place in places))
    with contextlib.suppress(OSError):  # of a name that is too long: so it is none
        for candidate in (path, *(folder / DOMAIN_FILE for folder in folders)):
            if candidate.is_file():
                return candidate
    known = sorted({p.parent.name for place in places for p in place.glob(f"*/{DOMAIN_FILE}")})
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}."
    if "=" in name:
        hint = "a setting is given with --set."
    raise UserError(f"unknown domain {name!r}; {hint} `elenchus new NAME` makes one")
