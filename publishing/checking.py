"""Finds in files what must not leave this machine: secrets, and paths on it."""

import codecs
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from elenchus.redaction import redactor, without_known

PART = 1 << 22  # bytes of a binary file that are looked at together
OVERLAP = 1 << 12  # bytes that two parts share: what is looked for may lie across them
SAMPLE = 8192  # bytes that tell a binary file
LEAST = 5  # characters of a path that tells a machine
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # begins of a text that is none in UTF-8
# Homes of people, wherever they are; in JSON a backslash is written twice.
_HOMES = re.compile(r"(?<![\w.~-])(?:/home/|/Users/|/root/|[A-Za-z]:\\{1,2}Users\\{1,2})[\w.-]+")
# Keys of a tokenizer's settings, whose values only look like tokens that open something.
_SPECIAL = re.compile(r'"(?:bos|eos|unk|pad|sep|cls|mask)_token"(?=\s*:)')
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY")
_OF_JSON = re.compile(r"\\u(?P<code>[0-9a-fA-F]{4})|\\[nrtbf]")
_OF_MARKDOWN = re.compile(r"\\([^A-Za-z0-9\s])")
SECRET, PLACE = "what looks like a secret", "a path of this machine"


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
    look = _Look(places)
    for name, path in files:
        with path.open("rb") as file:
            head = file.read(SAMPLE)
        if b"\0" in head and not head.startswith(WIDE):
            line, what = 0, look.through(path)
        else:
            line, what = look.line_by_line(path, "utf-16" if head.startswith(WIDE) else "utf-8")
        if what:
            yield Finding(name, line, what)


class _Look:
    """Looks for secrets, and for the paths of some folders."""

    def __init__(self, places: Sequence[Path]) -> None:
        names = {place.absolute().as_posix().rstrip("/") for place in places}
        long = sorted(name for name in names if len(name) >= LEAST)
        self._own = _any_of(long)
        self._bytes = [name.encode().decode("latin-1") for name in long]
        self._own_bytes = _any_of(self._bytes)
        self._redact = redactor()

    def line_by_line(self, path: Path, encoding: str) -> tuple[int, str]:
        """Return the first line of a text that holds something, and what; "" for nothing."""
        with path.open(encoding=encoding, errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                for text in _readings(line):
                    if self._redact(text) != text or _PRIVATE_KEY.search(text):
                        return number, SECRET
                    if self._own.search(text) or _HOMES.search(text):
                        return number, PLACE
        return 0, ""

    def through(self, path: Path) -> str:
        """Return what a binary file holds, "" for nothing; numbers may look like any secret."""
        with path.open("rb") as file:
            rest = b""
            while part := file.read(PART):
                text = (rest + part).decode("latin-1")
                if without_known(text) != text or _PRIVATE_KEY.search(text):
                    return SECRET
                # The names first: it is quick to see that there is none.
                if any(name in text for name in self._bytes) and self._own_bytes.search(text):
                    return PLACE
                rest = part[-OVERLAP:]
        return ""


def _any_of(paths: Sequence[str]) -> re.Pattern[str]:
    known = "|".join(map(re.escape, paths))
    return re.compile(rf"(?<![\w.~-])(?:{known})(?![\w-])" if known else r"(?!)")


def _readings(line: str) -> Iterator[str]:
    r"""Yield a line without names of special tokens, and as it is read as JSON, or as Markdown.

    What follows `\n` in JSON begins no word of the file's, and Markdown parts a key by backslashes.
    """
    line = _SPECIAL.sub('""', line)
    yield line
    if "\\" in line or "&" in line:
        yield _OF_MARKDOWN.sub(r"\1", _OF_JSON.sub(_character, html.unescape(line)))


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape["code"], 16)) if escape["code"] else " "
