"""Whether a text copies a problem of a test: the same words in a row."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


class Overlap:
    """Test problems, and which of them a text copies.

    A problem is copied by `words` of its words in a row (13 after arXiv 2005.14165, appendix C), or
    by all of them where it has fewer. Case, punctuation and white space do not matter.
    """

    def __init__(self, problems: Iterable[str], words: int) -> None:
        self._words = words
        self._lengths: set[int] = set()
        self._runs: dict[tuple[str, ...], str] = {}
        for problem in problems:
            plain = _plain(problem)
            length = min(words, len(plain))
            if length:
                self._lengths.add(length)
                for run in _runs(plain, length):
                    self._runs.setdefault(run, problem)

    def copied(self, text: str) -> str | None:
        """The first test problem that the text copies, or None."""
        plain = _plain(text)
        for length in sorted(self._lengths):
            for run in _runs(plain, length):
                if (problem := self._runs.get(run)) is not None:
                    return problem
        return None


def _plain(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: list[str], length: int) -> Iterable[tuple[str, ...]]:
    return (tuple(words[i : i + length]) for i in range(len(words) - length + 1))
