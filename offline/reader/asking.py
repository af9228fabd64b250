"""The examiner: which norms of a passage can be asked about, and questions on them.

Everything is drawn from the prompt's passages with a generator seeded by the prompt's variation. A
question is only put if it reads back to the case it was made from, so that it stands on its own.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from models.blocks import Extract
from offline.language.questions import (
    KINDS,
    STYLES,
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
from offline.reader.parser import Code, Found, Norm, Quote, read_code

TRIES = 40  # draws of one kind before the nearest other kind is tried
_NEAREST: dict[Kind, tuple[Kind, ...]] = {
    "recall": ("recall", "apply"),
    "apply": ("apply", "recall"),
    "except": ("except", "apply", "recall"),
    "multi": ("multi", "apply", "recall"),
    "counter": ("counter", "apply", "except", "recall"),
}
# Circumstances that are no exception to anything, for passages that hold too few of their own.
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
    """One norm or definition that can be asked about."""

    quote: str
    topic: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question and its kind."""

    question: str
    kind: Kind


def survey(extract: Extract) -> list[Point]:
    """The points of a passage, in its order."""
    code = read_code([extract])
    points = [
        (norm.quotes[0].start, Point(_joined(norm, extract), norm.rule.topic, kinds))
        for norm in code.norms
        if (kinds := _kinds(norm, _others(norm, code)))
    ]
    points += [
        (d.quote.start, Point(d.quote.text, d.value.term, ("recall",))) for d in code.definitions
    ]
    return [point for _, point in sorted(points, key=lambda pair: pair[0])]


def _joined(norm: Norm, extract: Extract) -> str:
    """The sentences of a norm as one quote where they follow one another, else the first."""
    end = norm.quotes[0].start + len(norm.quotes[0].text)
    for quote in norm.quotes[1:]:
        if extract.text[end : quote.start].strip():
            break
        end = max(end, quote.start + len(quote.text))
    return extract.text[norm.quotes[0].start : end]


def _kinds(norm: Norm, others: Sequence[Rule]) -> tuple[Kind, ...]:
    """What can be asked about a norm; nothing where it binds only under a condition."""
    rule = norm.rule
    if norm.condition is not None and rule.kind != "deadline":
        return ("recall",) if rule.kind in QUANTIFIED else ()
    kinds: list[Kind] = ["recall", "apply"]
    if rule.kind != "permission" and (rule.exception or others):
        kinds.append("except")
    if rule.kind == "permission" or rule.grade or norm.grade_elsewhere:
        kinds.append("multi")
    if rule.kind in QUANTIFIED:
        kinds.append("counter")
    return tuple(kinds)


def _others(norm: Norm, code: Code) -> list[Rule]:
    """Rules whose exceptions serve as circumstances that do not count."""
    rules = [other.rule for other in code.norms if other is not norm and other.rule.exception]
    spare = [replace(norm.rule, exception=text) for text in _CIRCUMSTANCES]
    return rules if len(rules) > 3 else rules + spare


def propose(
    extracts: list[Extract], point: str, kind: str, style: str, variation: int, asked: list[str]
) -> Proposal:
    """A question on a point that was not asked before, of the kind wanted or the nearest it has.

    Raises:
        ValueError: kind or style are unknown, or the passages hold nothing readable at the point.
    """
    wanted, worded = _checked(kind, style)
    code = read_code(extracts)
    target = _target(code, extracts[0], point)
    if isinstance(target, Found):
        cases = _definition_cases(target, variation)
        return _first(cases, code, worded, asked)
    others = _others(target, code)
    return _first(_cases(target, wanted, others, variation), code, worded, asked)


def revise(
    extracts: list[Extract],
    point: str,
    kind: str,
    style: str,
    variation: int,
    asked: list[str],
    question: str,
    critique: str,
) -> Proposal:
    """A harder question on the same point, in the light of the critique.

    Raises:
        ValueError: as for `propose`.
    """
    wanted, worded = _checked(kind, style)
    code = read_code(extracts)
    target = _target(code, extracts[0], point)
    asked = [*asked, question]
    if isinstance(target, Found):
        return _first(_definition_cases(target, variation), code, worded, asked)
    reading = interpret(question, code)
    others = _others(target, code)
    wish = next((k for cue, k in _WISHES if cue.search(critique)), wanted)
    harder_cases: Iterator[tuple[Case, random.Random]] = iter(())
    if reading is not None and reading.norm is target:
        start = replace(reading.case, rule=_askable(target))
        harder_cases = _harder_cases(start, wish, others, f"{variation} {critique}")
    return _first(
        _chain(harder_cases, _cases(target, wish, others, variation)), code, worded, asked
    )


def _checked(kind: str, style: str) -> tuple[Kind, Style]:
    kinds: dict[str, Kind] = {k: k for k in KINDS}
    styles: dict[str, Style] = {s: s for s in STYLES}
    if kind.strip() not in kinds:
        raise ValueError(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")
    if style.strip() not in styles:
        raise ValueError(f"unknown style {style!r}; one of {', '.join(STYLES)}")
    return kinds[kind.strip()], styles[style.strip()]


def _target(code: Code, first: Extract, point: str) -> Norm | Found[Definition]:
    """The norm or definition that a point quotes."""
    at = first.text.find(point.strip())
    span = (at, at + len(point.strip()))
    quoted: list[tuple[Quote, Norm | Found[Definition]]] = [
        *((norm.quotes[0], norm) for norm in code.norms),
        *((definition.quote, definition) for definition in code.definitions),
    ]
    best: tuple[int, Norm | Found[Definition]] | None = None
    for quote, found in quoted:
        shared = _overlap(quote, first, span)
        if shared > 0 and (best is None or shared > best[0]):
            best = (shared, found)
    if at < 0 or best is None:
        raise ValueError(f"no norm can be read at the point {point[:80]!r}")
    return best[1]


def _overlap(quote: Quote, extract: Extract, span: tuple[int, int]) -> int:
    if quote.passage_id != extract.id:
        return 0
    return min(quote.start + len(quote.text), span[1]) - max(quote.start, span[0])


def _askable(norm: Norm) -> Rule:
    """The rule with a stand-in for a grade that another section gives: no question names it."""
    rule = norm.rule
    return replace(rule, grade="given") if norm.grade_elsewhere and not rule.grade else rule


def _cases(
    norm: Norm, kind: Kind, others: Sequence[Rule], variation: int
) -> Iterator[tuple[Case, random.Random]]:
    """Draws of the wanted kind, then of the nearest kinds that the rule has."""
    available = _kinds(norm, others) or ("recall",)
    for nearest in _NEAREST[kind]:
        if nearest not in available:
            continue
        for attempt in range(TRIES):
            rng = random.Random(f"{variation} {norm.rule.topic} {nearest} {attempt}")
            case = draw_case(_askable(norm), nearest, rng, others)
            if case is not None:
                yield case, rng


def _harder_cases(
    case: Case, wish: Kind, others: Sequence[Rule], seed: str
) -> Iterator[tuple[Case, random.Random]]:
    """Harder versions of a case, those of the wished kind first."""
    drawn: list[tuple[Case, random.Random]] = []
    for attempt in range(TRIES):
        rng = random.Random(f"{seed} {case.rule.topic} {attempt}")
        moved = harder(case, rng, others)
        if moved != case:
            drawn.append((moved, rng))
    yield from (pair for pair in drawn if pair[0].kind == wish)
    yield from (pair for pair in drawn if pair[0].kind != wish)


def _definition_cases(
    found: Found[Definition], variation: int
) -> Iterator[tuple[Case, random.Random]]:
    for attempt in range(TRIES):
        yield (
            definition_case(found.value),
            random.Random(f"{variation} {found.value.term} {attempt}"),
        )


def _chain(
    *parts: Iterator[tuple[Case, random.Random]],
) -> Iterator[tuple[Case, random.Random]]:
    for part in parts:
        yield from part


def _first(
    cases: Iterator[tuple[Case, random.Random]], code: Code, style: Style, asked: list[str]
) -> Proposal:
    """The first question that is new and reads back to its case; else the first that is new."""
    known = {_flat(text) for text in asked}
    spare: Proposal | None = None
    last: Proposal | None = None
    for case, rng in cases:
        question = ask(case, style, rng)
        last = Proposal(question, case.kind)
        if _flat(question) in known:
            continue
        if _reads_back(question, case, code):
            return last
        spare = spare or last
    if spare is None and last is None:
        raise ValueError("nothing can be asked about this point")
    result = spare or last
    assert result is not None
    return result


def _reads_back(question: str, case: Case, code: Code) -> bool:
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
