"""Whether an answer is the gold one, where no model is needed to say so."""

import re
from typing import Literal

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_LEADING = re.compile(r"\W*([A-Z])(?:[.):]|\s*$)")
_LETTER = re.compile(r"\b([A-Z])\b")


def matches(how: Literal["exact", "number", "choice"], answer: str, gold: str) -> bool:
    """Whether an answer gives the gold result.

    Args:
        how: "exact": the same words after the last "So:", if there is one, without regard to case
            and punctuation; "number": the same last number; "choice": the letter that the answer
            begins with ("B", "B. the tide"), else the last one that stands alone.
    """
    if how == "number":
        return (said := _last_number(answer)) is not None and said == _last_number(gold)
    if how == "choice":
        leading = _LEADING.match(answer)
        letters = [leading[1]] if leading else _LETTER.findall(answer)
        return letters[-1:] == [gold]
    return bool(_words(gold)) and _words(answer) == _words(gold)


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    if not found:
        return None
    whole, _, part = found[-1].replace(",", "").partition("/")
    return float(whole) / float(part) if part and float(part) else float(whole)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.rpartition("So:")[2].casefold())
