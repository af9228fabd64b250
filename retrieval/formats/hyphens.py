"""Words that the end of a line divides."""

from collections.abc import Container, Iterable

from retrieval.formats.glyphs import HYPHENS


def whole(lines: Iterable[str], known: Container[str] = ()) -> list[str]:
    """Join lines between which a word is divided by a hyphen.

    Args:
        known: words of the document, in small letters: the hyphen of one of them stays.
    """
    joined: list[str] = []
    for line in lines:
        before = joined[-1] if joined else ""
        if _is_divided(before, line):
            first = f"{before.split()[-1]}{line.split()[0]}".lower().strip(".,;:()")
            joined[-1] = (before if first in known else before[:-1]) + line
        else:
            joined.append(line)
    return joined


def _is_divided(line: str, following: str) -> bool:
    """Tell whether a word goes on in the following line: both parts are small letters, or large."""
    if len(line) < 2 or line[-1] not in HYPHENS or not line[-2].isalpha():
        return False
    return following[:1].islower() or (line[-3:-1].isupper() and following[:1].isupper())
