"""Finds in files what must not leave this machine: secrets, and paths on it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from elenchus.redaction import redactor

HEAD = 1 << 20  # bytes at the begin of a binary file that may hold texts
SAMPLE = 8192  # bytes that tell a binary file
LEAST = 5  # characters of a path that tells a machine
# Homes of people, wherever they are; in JSON a backslash is written twice.
_HOMES = re.compile(r"(?<![\w.~-])(?:/home/|/Users/|/root/|[A-Za-z]:\\{1,2}Users\\{1,2})[\w.-]+")


class Finding(NamedTuple):
    """Something in a file that must not leave; `line` counts from 1, 0 in a binary file."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        """Say where it is, and not what."""
        return f"{self.file}{f' line {self.line}' if self.line else ''} holds {self.what}"


def findings(files: Iterable[tuple[str, Path]], places: Sequence[Path]) -> Iterator[Finding]:
    """Yield what must not leave, of each file the first thing.

    Args:
        files: names with paths.
        places: folders of this machine, whose paths are looked for in binary files, too.
    """
    redact, own = redactor(), _paths(places)
    for name, path in files:
        if found := _first(name, path, redact, own):
            yield found


def _paths(places: Sequence[Path]) -> re.Pattern[str]:
    names = {place.absolute().as_posix().rstrip("/") for place in places}
    known = "|".join(re.escape(name) for name in sorted(names) if len(name) >= LEAST)
    return re.compile(rf"(?<![\w.~-])(?:{known})(?![\w-])" if known else r"(?!)")


def _first(
    name: str, path: Path, redact: Callable[[str], str], own: re.Pattern[str]
) -> Finding | None:
    with path.open("rb") as file:
        if b"\0" in file.read(SAMPLE):
            file.seek(0)
            text = file.read(HEAD).decode("latin-1")
            return Finding(name, 0, "a path of this machine") if own.search(text) else None
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if redact(line) != line:
                return Finding(name, number, "what looks like a secret")
            if own.search(line) or _HOMES.search(line):
                return Finding(name, number, "a path of this machine")
    return None
