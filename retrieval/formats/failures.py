"""What is said of files that give no text, or not all of it."""

import importlib
from dataclasses import dataclass
from importlib import util
from typing import Any


class Unreadable(Exception):
    """A file that gives no text; the message is the reason, in a line."""


@dataclass(frozen=True)
class Refused:
    """Something of a corpus that could not be used: what it is, and why, in a line."""

    source: str
    reason: str


def package(name: str) -> Any:
    """Import a package that reads a format; Unreadable, with the remedy, where it is missing."""
    if util.find_spec(name) is None:
        raise Unreadable(f"{name} needs more packages: pip install -e '.[documents]'")
    return importlib.import_module(name)
