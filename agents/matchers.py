"""Graders that need no model: the same text, the same number, the same choice."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from agents.prompting import Subject
from elenchus.records import Grade, Verdict, verdict
from models.calls import Caller

_NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?")
_LEADING = re.compile(r"\W*([A-Z])(?:[.):,]|\s*$)")
_LETTER = re.compile(r"\b([A-Z])\b(?!')")


class Matcher(ABC):
    """Grades answers by a comparison of texts; what follows the last "So:" of one counts.

    An empty answer abstains. No model is asked, so there is no call and no critique.
    """

    def __init__(self, caller: Caller, subject: Subject) -> None:  # noqa: B027  # nothing to keep
        """Take what every grader is given; a matcher needs nothing of it."""

    async def grade(self, question: str, gold: str, answers: Sequence[str]) -> Verdict:
        """Grade all answers beside the gold one."""
        grades: list[Grade] = [self._grade(answer, gold) for answer in answers]
        return verdict(grades, "", "", "")

    @staticmethod
    @abstractmethod
    def matches(answer: str, gold: str) -> bool:
        """Tell whether an answer gives the gold result; a gold answer that can be used does."""

    def _grade(self, answer: str, gold: str) -> Grade:
        if not answer:
            return "abstained"
        return "correct" if self.matches(answer, gold) else "incorrect"


class Exact(Matcher):
    """Right is the same text, whatever its case, white space and punctuation at its ends."""

    @staticmethod
    def matches(answer: str, gold: str) -> bool:
        """See `Matcher.matches`."""
        return bool(_plain(gold)) and _plain(_result(answer)) == _plain(_result(gold))


class Number(Matcher):
    """Right is the same number: the first one after "So:", else the last one."""

    @staticmethod
    def matches(answer: str, gold: str) -> bool:
        """See `Matcher.matches`."""
        return (number := _number(answer)) is not None and number == _number(gold)


class Choice(Matcher):
    """Right is the same letter: the result's first ("B", "B. the tide"), else the last alone."""

    @staticmethod
    def matches(answer: str, gold: str) -> bool:
        """See `Matcher.matches`."""
        result = _result(answer)
        leading = _LEADING.match(result)
        letters = [leading[1]] if leading else _LETTER.findall(result)
        return letters[-1:] == [gold]


def _result(text: str) -> str:
    return text.rpartition("So:")[2]


def _number(text: str) -> float | None:
    numbers = _NUMBER.findall(_result(text))
    if not numbers:
        return None
    number = numbers[0] if "So:" in text else numbers[-1]
    whole, _, part = number.replace(",", "").replace("−", "-").partition("/")
    return float(whole) / float(part) if part and float(part) else float(whole)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?\"'").strip()
