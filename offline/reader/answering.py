"""The expert: answers questions from passages, in the canonical form, and quotes what decides.

A canonical answer is "EXPLANATION So: RESULT.": the two are told apart for templates of domains.
"""

import random
import re
from dataclasses import dataclass

from models.blocks import Extract
from offline.language.questions import answer, outcome, price
from offline.reader.intent import is_about_money
from offline.reader.interpreter import Reading, interpret
from offline.reader.lexicon import BREACH_WORDS
from offline.reader.parser import Code, Norm, Quote, read_code
from offline.reader.slips import slipped

_SO = " So: "
LACKING = "The passages do not decide it."


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its quotes; an empty answer where the passages do not decide the question.

    `look_up` is a query for what the passages lack, where that is known.
    """

    answer: str
    quotes: tuple[Quote, ...]
    look_up: str = ""

    @property
    def explanation(self) -> str:
        """What stands before the result, or that the passages do not decide."""
        return self.answer.rpartition(_SO)[0] if self.answer else LACKING

    @property
    def result(self) -> str:
        """The result without its full stop."""
        return self.answer.rpartition(_SO)[2].removesuffix(".")


def reply(question: str, extracts: list[Extract], slip: random.Random | None = None) -> Reply:
    """Answer a question from the passages.

    Args:
        slip: draws a wrong answer instead of the right one.
    """
    code = read_code(extracts)
    reading = interpret(question, code)
    if reading is None:
        return _by_grade(question, code)
    if reading.definition is not None:
        text = slipped(reading.case, None, code, slip) if slip else answer(reading.case, None)
        return Reply(text, (reading.definition.quote,))
    return _by_rule(reading, code, slip)


def _by_grade(question: str, code: Code) -> Reply:
    """Answer with the fine of a grade, where a question names the grade instead of a rule."""
    for penalty in code.penalties if is_about_money(question) else []:
        grade = re.escape(penalty.value.grade)
        if re.search(rf"\b{grade}\b.{{0,20}}\b(?:{BREACH_WORDS})\b", question, re.I):
            return Reply(price(penalty.value), (penalty.quote,))
    return Reply("", ())


def _by_rule(reading: Reading, code: Code, slip: random.Random | None) -> Reply:
    case, norm = reading.case, reading.norm
    assert norm is not None
    if case.asked == "grade" and norm.rule.grade is None:
        return Reply("", (), _missing(norm))
    penalty = code.penalty(norm.rule.grade)
    price_of = penalty.value if penalty else None
    text = slipped(case, price_of, code, slip) if slip else answer(case, price_of)
    quotes = _quotes(norm)
    if case.asked == "fine" and outcome(case):
        if penalty is None:
            return Reply("", (), _missing(norm))
        quotes.append(penalty.quote)
    return Reply(text, tuple(dict.fromkeys(quotes)))


def _missing(norm: Norm) -> str:
    """Return a query for what decides a fine: the price of the grade, or the grade itself."""
    if norm.rule.grade is not None:
        return f"What does a {norm.rule.grade} breach cost? Fine of a {norm.rule.grade} breach"
    return f"How is a breach of section {norm.section} graded?" if norm.section else ""


def _quotes(norm: Norm) -> list[Quote]:
    """Return the quotes of a rule, its exception and its grade."""
    quotes = (norm.quotes[0], norm.exception_quote, norm.grade_quote)
    return [quote for quote in quotes if quote is not None]
