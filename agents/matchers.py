"""Graders that need no model: the same text, the same number, the same choice, a text within."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from agents.prompting import Subject
from elenchus.records import Gold, Grade, Verdict, verdict
from models.calls import Caller

_NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?")
_LEADING = re.compile(r"\W*([A-Z])(?:[.):,]|\s*$)")
_LETTER = re.compile(r"\b([A-Z])\b(?!')")


class Matcher(ABC):
    """Grades answers by a comparison of texts: of the result, where the form has a place for it.

    An empty answer abstains. No model is asked, so there is no call and no critique.
    """

    def __init__(self, caller: Caller, subject: Subject) -> None:
        """Take what every grader is given; a matcher needs the form of answers alone."""
        self._form = subject.form

    async def grade(self, question: str, gold: Gold, answers: Sequence[str]) -> Verdict:
        """Grade all answers beside the gold one."""
        grades: list[Grade] = [self._grade(answer, gold.result) for answer in answers]
        return verdict(grades)

    @staticmethod
    @abstractmethod
    def matches(result: str, gold: str, marked: bool) -> bool:
        """Tell whether a result is the gold one; a gold one that can be used is.

        Args:
            marked: the answer gives it in its place; else it is the whole answer.
        """

    def _grade(self, answer: str, gold: str) -> Grade:
        if not answer:
            return "abstained"
        result = self._form.result(answer)
        marked = self._form.has_result(answer)
        return "correct" if self.matches(result, gold, marked) else "incorrect"


class Exact(Matcher):
    """Right is the same text, whatever its case, white space and punctuation at its ends."""

    @staticmethod
    def matches(result: str, gold: str, marked: bool) -> bool:
        """See `Matcher.matches`."""
        return bool(_plain(gold)) and _plain(result) == _plain(gold)


class Number(Matcher):
    """Right is the same number: a result's first one, else the answer's last one."""

    @staticmethod
    def matches(result: str, gold: str, marked: bool) -> bool:
        """See `Matcher.matches`."""
        number = number_in(result, marked)
        return number is not None and number == number_in(gold, True)


class Choice(Matcher):
    """Right is the same letter: the result's first ("B", "B. the tide"), else the last alone."""

    @staticmethod
    def matches(result: str, gold: str, marked: bool) -> bool:
        """See `Matcher.matches`."""
        leading = _LEADING.match(result)
        letters = [leading[1]] if leading else _LETTER.findall(result)
        return letters[-1:] == [gold]


class Contains(Matcher):
    """Right is a result that has one of the gold texts in it, which "|" parts, as whole words."""

    @staticmethod
    def matches(result: str, gold: str, marked: bool) -> bool:
        """See `Matcher.matches`."""
        wanted = (re.escape(_plain(one)) for one in gold.split("|") if _plain(one))
        return any(re.search(rf"(?<!\w){one}(?!\w)", _plain(result)) for one in wanted)


def number_in(text: str, first: bool) -> float | None:
    """Return the first or the last number in a text; None without any."""
    numbers = _NUMBER.findall(text)
    if not numbers:
        return None
    number = numbers[0 if first else -1]
    whole, _, part = number.replace(",", "").replace("−", "-").partition("/")
    return float(whole) / float(part) if part and float(part) else float(whole)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?\"'").strip()
