"""Reads a freely worded question against the rules that were read from passages.

`interpret` says which rule the question is about, what it asks for, and the facts of its scenario,
as a `questions.Case` ready for the canonical answer. It returns None where the passages hold
nothing that the question names, or the question leaves out what would decide it.
"""

import re
from dataclasses import dataclass

from offline.language.questions import Asked, Case, Kind, definition_case
from offline.language.rules import QUANTIFIED, Definition
from offline.reader.circumstances import exception_holds, told_circumstance
from offline.reader.figures import Figures, read_figures
from offline.reader.intent import asks_plainly, is_about_meaning, what_is_asked
from offline.reader.matching import Match, Ranked, Text, analyse, find_name, rank_norms
from offline.reader.parser import Code, Finding, Norm

ENOUGH = 1.1  # the score below which a rule is not taken to be meant
_TOPIC, _STATED = "Topicmark", "Heldmark"
_LATE = re.compile(
    r"\b(?:too (?:late|long|many|much|short|few|little|heavy|high|wide|thin|small|big|large|"
    r"fast)|never|forgot(?:ten)?|failed|late|overdue|missed|exceed\w*|over the limit|neglect\w*|"
    r"did not|didn['’]t|has not|hasn['’]t|without|longer than allowed|past the deadline|not "
    r"(?:yet )?been)\b",
    re.IGNORECASE,
)
_TIMELY = re.compile(
    r"\b(?:in time|on time|within the (?:limit|time|deadline)|punctual(?:ly)?|under the limit)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as it was understood: its case, and the rule or the definition it is about."""

    case: Case
    norm: Norm | None = None
    definition: Finding[Definition] | None = None


def interpret(question: str, code: Code) -> Reading | None:
    """Return the question's reading; None where what the passages state does not decide it."""
    text = analyse(question)
    ranked = [r for r in rank_norms(code, text) if r.score >= ENOUGH]
    reading = _definition(question, code, text, ranked)
    if reading is not None:
        return reading
    for candidate in ranked[:3]:
        case = _case(candidate.norm, candidate.match, text)
        if case is not None:
            return Reading(case, candidate.norm)
    return None


def _definition(question: str, code: Code, text: Text, ranked: list[Ranked]) -> Reading | None:
    """Return the reading as a question on what a term means; None where it is no such question."""
    named = [
        (match.score, definition)
        for definition in code.definitions
        if (match := find_name(definition.value.term, text, whole=True))
    ]
    if not named:
        return None
    score, best = max(named, key=lambda pair: pair[0])
    about = is_about_meaning(question) and not (ranked and ranked[0].match.score > score)
    if about or (not ranked and asks_plainly(question)):
        return Reading(definition_case(best.value), definition=best)
    return None


def _case(norm: Norm, match: Match, text: Text) -> Case | None:
    """Return the question's case on a rule; None where the rule does not decide it."""
    rule = norm.rule
    stated = exception_holds(rule.exception, rule, text) if rule.exception else None
    figures = read_figures(rule, text, (match.first, match.last))
    masked = _mask(text, (match.first, match.last), stated)
    asked = what_is_asked(
        masked,
        figures=figures.count,
        quantified=rule.kind in QUANTIFIED,
        topic_mark=_TOPIC,
    )
    if asked == "limit" and stated is not None:
        asked = "verdict"  # a circumstance is only told where something is to be judged
    if asked in ("limit", "exception", "grade"):
        if asked == "grade" and rule.kind == "permission":
            return None
        return Case("recall", rule, asked)
    if asked == "change":
        return Case("counter", rule, asked, figures.number, hypothetical=figures.hypothetical)
    circumstance = rule.exception if stated is not None else told_circumstance(text.raw)
    return _scenario(norm, asked, figures, circumstance, text)


def _scenario(
    norm: Norm, asked: Asked, figures: Figures, circumstance: str | None, text: Text
) -> Case | None:
    """Return the case of a question that judges a scenario; None where it lacks what decides."""
    rule, number = norm.rule, figures.number
    bound = norm.condition is None or rule.kind in QUANTIFIED
    if not bound and exception_holds(norm.condition or "", rule, text) is None:
        return None  # it binds only under a condition that the scenario does not name
    if rule.kind in QUANTIFIED and number is None:
        if _TIMELY.search(text.raw):
            number = rule.value
        elif not _LATE.search(text.raw):
            return None
    kind: Kind = "multi" if asked == "fine" else "except" if circumstance else "apply"
    return Case(kind, rule, asked, number, exception_stated=circumstance)


def _mask(text: Text, topic: tuple[int, int], stated: tuple[int, int] | None) -> str:
    """Return the question with its topic, and an exception stated in it, replaced by marks."""
    spans = [(topic, _TOPIC)]
    if stated is not None and (stated[1] <= topic[0] or stated[0] >= topic[1]):
        spans.append((stated, _STATED))
    raw = text.raw
    for (first, last), mark in sorted(spans, reverse=True):
        raw = raw[: text.starts[first]] + mark + raw[text.ends[last - 1] :]
    return raw
