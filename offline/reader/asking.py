"""The examiner: lists the norms of a passage that can be asked about, and writes questions on them.

Everything is drawn from the prompt's passages with a generator seeded by the prompt's variation. A
question is only put if it reads back to the case that it was made from, so that it stands on its
own.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from models.blocks import Extract
from offline.language.questions import (
    Case,
    Kind,
    ask,
    definition_case,
    draw_case,
    harder,
)
from offline.language.rules import QUANTIFIED, Definition, Rule
from offline.language.wording import Style
from offline.reader.interpreter import interpret
from offline.reader.parser import Code, Finding, Norm, Quote, read_code

Target = Norm | Finding[Definition]
Draws = Iterator[tuple[Case, random.Random]]  # each with the generator that words it
TRIES = 40  # draws of one kind before the nearest other kind is tried
_NEAREST: dict[Kind, tuple[Kind, ...]] = {
    "recall": ("recall", "apply"),
    "apply": ("apply", "recall"),
    "except": ("except", "apply", "recall"),
    "multi": ("multi", "apply", "recall"),
    "counter": ("counter", "apply", "except", "recall"),
}
# Circumstances that are no exception to anything, for passages with few exceptions.
_CIRCUMSTANCES = (
    "it is raining", "the sun is shining", "a neighbour is on holiday", "the road is busy",
    "it is a monday", "the clock has stopped", "a newspaper reports it", "the bus is late",
    "nobody complains", "it is the first time", "the weather is fine", "the telephone rings",
)  # fmt: skip
_WISHES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"\b(?:fine|penalty|cost|grade)s?\b", re.IGNORECASE), "multi"),
    (re.compile(r"\bexceptions?\b|\bcircumstance", re.IGNORECASE), "except"),
    (re.compile(r"\bif the limit\b|\bcounterfactual|\bother limit", re.IGNORECASE), "counter"),
    (re.compile(r"\bdirectly\b|\boutright\b|\bby heart\b", re.IGNORECASE), "recall"),
    (re.compile(r"\bfigure|\bnearer|\bscene|\bscenario", re.IGNORECASE), "apply"),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A norm or definition that can be asked about, with the kinds of question that it has."""

    sort: str
    quote: str
    topic: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A question to write: on a point of the first passage, of a kind, in a style.

    Attributes:
        variation: another number makes another question.
        asked: the questions that were asked before.
    """

    extracts: list[Extract]
    point: str
    kind: Kind
    style: Style
    variation: int
    asked: list[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question with its kind."""

    question: str
    kind: Kind


def survey(extract: Extract) -> list[Point]:
    """Return the points of a passage, in its order."""
    code = read_code([extract])
    points = [
        (norm.quotes[0].start, Point("rule", _joined(norm, extract), norm.rule.topic, kinds))
        for norm in code.norms
        if (kinds := _kinds(norm, _neighbours(norm, code)))
    ]
    points += [
        (d.quote.start, Point("definition", d.quote.text, d.value.term, ("recall",)))
        for d in code.definitions
    ]
    return [point for _, point in sorted(points, key=lambda pair: pair[0])]


def _joined(norm: Norm, extract: Extract) -> str:
    """Join the sentences of a norm into one quote, as far as they follow one another."""
    end = norm.quotes[0].start + len(norm.quotes[0].text)
    for quote in norm.quotes[1:]:
        if extract.text[end : quote.start].strip():
            break
        end = max(end, quote.start + len(quote.text))
    return extract.text[norm.quotes[0].start : end]


def _kinds(norm: Norm, neighbours: Sequence[Rule]) -> tuple[Kind, ...]:
    """Return the kinds of question that a norm has; few or none if it has a condition."""
    rule = norm.rule
    if norm.condition is not None and rule.kind != "deadline":
        return ("recall",) if rule.kind in QUANTIFIED else ()
    kinds: list[Kind] = ["recall", "apply"]
    if rule.kind != "permission" and (rule.exception or neighbours):
        kinds.append("except")
    if rule.kind == "permission" or rule.grade or norm.grade_elsewhere:
        kinds.append("multi")
    if rule.kind in QUANTIFIED:
        kinds.append("counter")
    return tuple(kinds)


def _neighbours(norm: Norm, code: Code) -> list[Rule]:
    """Return rules whose exceptions serve as circumstances that do not count."""
    rules = [other.rule for other in code.norms if other is not norm and other.rule.exception]
    spare = [replace(norm.rule, exception=text) for text in _CIRCUMSTANCES]
    return rules if len(rules) > 3 else rules + spare


def propose(task: Assignment) -> Proposal:
    """Write a question on a point that was not asked before, of the given kind or the nearest.

    Raises:
        ValueError: the passages hold nothing readable at the point.
    """
    code = read_code(task.extracts)
    target = _target(code, task.extracts[0], task.point)
    if isinstance(target, Finding):
        cases = _definition_cases(target, task.variation)
    else:
        cases = _cases(target, task.kind, _neighbours(target, code), task.variation)
    return _first(cases, code, task.style, task.asked)


def revise(task: Assignment, question: str, guidance: str) -> Proposal:
    """Write a harder question on the same point, as the guidance says.

    Raises:
        ValueError: as for `propose`.
    """
    code = read_code(task.extracts)
    target = _target(code, task.extracts[0], task.point)
    asked = [*task.asked, question]
    if isinstance(target, Finding):
        return _first(_definition_cases(target, task.variation), code, task.style, asked)
    reading = interpret(question, code)
    neighbours = _neighbours(target, code)
    wish = next((k for cue, k in _WISHES if cue.search(guidance)), task.kind)
    cases = _cases(target, wish, neighbours, task.variation)
    if reading is not None and reading.norm is target:
        start = replace(reading.case, rule=_askable(target))
        cases = chain(_harder_cases(start, wish, neighbours, f"{task.variation} {guidance}"), cases)
    return _first(cases, code, task.style, asked)


def _target(code: Code, first: Extract, point: str) -> Target:
    """Return the norm or definition that a point quotes.

    Raises:
        ValueError: there is none.
    """
    # Soft line breaks may have become spaces on the way.
    found = re.search(r"\s+".join(map(re.escape, point.split())), first.text)
    span = found.span() if found else (0, 0)
    quoted: list[tuple[Quote, Target]] = [
        *((norm.quotes[0], norm) for norm in code.norms),
        *((definition.quote, definition) for definition in code.definitions),
    ]
    shared = [(_overlap(quote, first, span), target) for quote, target in quoted]
    best = max(shared, key=lambda pair: pair[0], default=None)
    if best is None or best[0] <= 0:
        raise ValueError(f"no norm can be read at the point {point[:80]!r}")
    return best[1]


def _overlap(quote: Quote, extract: Extract, span: tuple[int, int]) -> int:
    """Count the characters that a quote shares with a span of a passage; 0 or less for none."""
    if quote.passage_id != extract.id:
        return 0
    return min(quote.start + len(quote.text), span[1]) - max(quote.start, span[0])


def _askable(norm: Norm) -> Rule:
    """Return the rule with a stand-in for a grade that stands elsewhere: no question names it."""
    rule = norm.rule
    return replace(rule, grade="given") if norm.grade_elsewhere and not rule.grade else rule


def _cases(norm: Norm, kind: Kind, neighbours: Sequence[Rule], variation: int) -> Draws:
    """Draw cases of a kind, then of the nearest kinds that the rule has."""
    available = _kinds(norm, neighbours) or ("recall",)
    for nearest in _NEAREST[kind]:
        if nearest not in available:
            continue
        for attempt in range(TRIES):
            rng = random.Random(f"{variation} {norm.rule.topic} {nearest} {attempt}")
            case = draw_case(_askable(norm), nearest, rng, neighbours)
            if case is not None:
                yield case, rng


def _harder_cases(case: Case, wish: Kind, neighbours: Sequence[Rule], seed: str) -> Draws:
    """Draw harder versions of a case; those of the wished kind come first."""
    drawn: list[tuple[Case, random.Random]] = []
    for attempt in range(TRIES):
        rng = random.Random(f"{seed} {case.rule.topic} {attempt}")
        moved = harder(case, rng, neighbours)
        if moved != case:
            drawn.append((moved, rng))
    yield from (pair for pair in drawn if pair[0].kind == wish)
    yield from (pair for pair in drawn if pair[0].kind != wish)


def _definition_cases(definition: Finding[Definition], variation: int) -> Draws:
    for attempt in range(TRIES):
        rng = random.Random(f"{variation} {definition.value.term} {attempt}")
        yield definition_case(definition.value), rng


def _first(cases: Draws, code: Code, style: Style, asked: list[str]) -> Proposal:
    """Return the first question that is new and reads back to its case; else the first new one.

    Raises:
        ValueError: there is no case.
    """
    old = {_flat(text) for text in asked}
    spare: Proposal | None = None
    last: Proposal | None = None
    for case, rng in cases:
        question = ask(case, "varied" if style == "training" else style, rng)
        last = Proposal(question, case.kind)
        if _flat(question) in old:
            continue
        if _reads_back(question, case, code):
            return last
        spare = spare or last
    proposal = spare or last
    if proposal is None:
        raise ValueError("nothing can be asked about this point")
    return proposal


def _reads_back(question: str, case: Case, code: Code) -> bool:
    """Tell whether a question is read as the case that it was made from."""
    reading = interpret(question, code)
    if reading is None or reading.case.asked != case.asked:
        return False
    if case.asked == "meaning":
        return reading.case.meaning == case.meaning
    return (
        reading.case.rule.topic == case.rule.topic
        and reading.case.number == case.number
        and reading.case.hypothetical == case.hypothetical
        and reading.case.exception_stated == case.exception_stated
    )


def _flat(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
