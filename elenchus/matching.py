"""Whether an answer is the gold one, where no model is needed to say so."""

import re
from typing import Literal

_NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?")
_LEADING = re.compile(r"\W*([A-Z])(?:[.):,]|\s*$)")
_LETTER = re.compile(r"\b([A-Z])\b(?!')")


def matches(how: Literal["exact", "number", "choice"], answer: str, gold: str) -> bool:
    """Whether an answer gives the gold result.

    What follows its last "So:" counts, where there is one.

    Args:
        how: "exact": the same text, without regard to case, white space and punctuation at its
            ends; "number": the first number after "So:", else the last one; "choice": the letter
            that the result begins with ("B", "B. the tide"), else the last that stands alone.
    """
    if how == "number":
        return (said := _number(answer)) is not None and said == _number(gold)
    if how == "choice":
        result = _result(answer)
        leading = _LEADING.match(result)
        letters = [leading[1]] if leading else _LETTER.findall(result)
        return letters[-1:] == [gold]
    return bool(_plain(gold)) and _plain(_result(answer)) == _plain(_result(gold))


def _result(text: str) -> str:
    return text.rpartition("So:")[2]


def _number(text: str) -> float | None:
    found = _NUMBER.findall(_result(text))
    if not found:
        return None
    said = found[0] if "So:" in text else found[-1]
    whole, _, part = said.replace(",", "").replace("−", "-").partition("/")
    return float(whole) / float(part) if part and float(part) else float(whole)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?\"'").strip()
