"""The questions of the reader and the nano, and their canonical answers.

A `Case` is the content of one question, independent of its wording. `ask` words it in one of three
disjoint sets of forms: "training" for adaptation, "exam" for held-out tests, "novel" for forms that
the nano's pre-training never met. `answer` gives the one canonical answer: the rule that is meant,
all its facts, each with what the scenario makes of it, then `So:` and the verdict.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from offline.language.rules import QUANTIFIED, Definition, Penalty, Rule
from offline.language.wording import Style, one_unit, render

Kind = Literal["recall", "apply", "except", "multi", "counter"]
Asked = Literal["limit", "exception", "grade", "verdict", "fine", "change", "meaning"]
KINDS: tuple[Kind, ...] = ("recall", "apply", "except", "multi", "counter")
STYLES: tuple[Style, ...] = ("training", "exam", "novel")
REACH = 8  # a scenario's figure lies 1 to 8 from the limit, so that it tells nothing by itself


@dataclass(frozen=True, slots=True)
class Case:
    """The content of one question.

    Attributes:
        number: the figure of the scenario, for a rule with a limit.
        exception_stated: a clause said to hold in the scenario; the exception is met if it equals
            `rule.exception`.
        hypothetical: for a counterfactual, the other limit ("if the limit were N").
        meaning: for a definition, what `rule.topic` means.
    """

    kind: Kind
    rule: Rule
    asked: Asked
    number: int | None = None
    exception_stated: str | None = None
    hypothetical: int | None = None
    meaning: str | None = None


def over(rule: Rule, number: int) -> bool:
    """Tell whether the figure is on the wrong side of the rule's limit."""
    assert rule.value is not None, f"{rule.topic}: no limit to compare with"
    return number < rule.value if rule.kind == "minimum" else number > rule.value


def outcome(case: Case) -> bool:
    """Tell whether the scenario of the case is a breach."""
    rule = case.rule
    if rule.kind == "permission":
        return False
    if rule.kind in QUANTIFIED and case.number is not None and not over(rule, case.number):
        return False
    return rule.exception is None or case.exception_stated != rule.exception


# --- drawing cases -----------------------------------------------------------------------------


def definition_case(definition: Definition) -> Case:
    """Return the one case that a definition has."""
    term = Rule("permission", definition.term, None, None, None, None)
    return Case("recall", term, "meaning", meaning=definition.meaning)


def draw_case(
    rule: Rule, kind: Kind, rng: random.Random, neighbours: Sequence[Rule]
) -> Case | None:
    """Draw a case of the kind on the rule; None where the rule has nothing of that kind.

    Verdicts are drawn first and figures after, so no figure gives its verdict away.

    Args:
        neighbours: rules of the same code, whose exceptions serve as those that do not apply.
    """
    if kind == "recall":
        return _draw_recall(rule, rng)
    if kind == "apply":
        return Case(kind, rule, "verdict", number=_number(rule, rng.random() < 0.5, rng))
    if kind == "except":
        return _draw_except(rule, rng, neighbours)
    if kind == "multi":
        return _draw_multi(rule, rng, neighbours)
    return _draw_counter(rule, rng)


def _draw_recall(rule: Rule, rng: random.Random) -> Case:
    facts: list[Asked] = ["limit"]
    if rule.kind != "permission":
        facts.append("exception")
    if rule.grade is not None:
        facts.append("grade")
    return Case("recall", rule, rng.choice(facts))


def _draw_except(rule: Rule, rng: random.Random, neighbours: Sequence[Rule]) -> Case | None:
    if rule.kind == "permission":
        return None
    breach = rng.random() < 0.5
    kept_by_number = not breach and (rule.exception is None or rng.random() < 0.2)
    number = _number(rule, not kept_by_number, rng)
    stated = rule.exception if not breach and not kept_by_number else None
    if stated is None:
        stated = _other_exception(rule, rng, neighbours)
    if stated is None:
        return None
    return Case("except", rule, "verdict", number=number, exception_stated=stated)


def _draw_multi(rule: Rule, rng: random.Random, neighbours: Sequence[Rule]) -> Case | None:
    if rule.kind != "permission" and rule.grade is None:
        return None
    breach = rng.random() < 0.65
    stated = None
    if rule.exception is not None and rng.random() < 0.4:
        stated = _other_exception(rule, rng, neighbours) if breach else rule.exception
    number = _number(rule, breach or stated is not None, rng)
    return Case("multi", rule, "fine", number=number, exception_stated=stated)


def _draw_counter(rule: Rule, rng: random.Random) -> Case | None:
    if rule.kind not in QUANTIFIED:
        return None
    assert rule.value is not None
    for _ in range(50):
        number = _number(rule, rng.random() < 0.5, rng)
        assert number is not None
        moved = _number(replace(rule, value=number), rng.random() < 0.5, rng)
        if moved is not None and moved != rule.value:
            return Case("counter", rule, "change", number=number, hypothetical=moved)
    return None


def _number(rule: Rule, breach: bool, rng: random.Random) -> int | None:
    """Draw a figure 1 to 8 from the limit, on the side of a breach or on the other."""
    if rule.kind not in QUANTIFIED or rule.value is None:
        return None
    reach = max(1, min(REACH, rule.value - 2))
    distance = rng.randint(1, reach)
    upwards = breach != (rule.kind == "minimum")
    return rule.value + distance if upwards else max(0, rule.value - distance)


def _other_exception(rule: Rule, rng: random.Random, neighbours: Sequence[Rule]) -> str | None:
    clauses = {n.exception for n in neighbours if n.exception} - {rule.exception}
    return rng.choice(sorted(clauses)) if clauses else None


def harder(case: Case, rng: random.Random, neighbours: Sequence[Rule]) -> Case:
    """Return a case on the same rule that is one step harder; the same where there is none.

    Steps are a figure nearer to the limit, an exception to weigh, and the fine.
    """
    rule, steps = case.rule, []
    if case.number is not None and rule.value is not None and abs(case.number - rule.value) > 1:
        nearer = rule.value + (1 if case.number > rule.value else -1)
        steps.append(replace(case, number=nearer))
    if case.kind == "apply" and (stated := _draw_except(rule, rng, neighbours)) is not None:
        steps.append(stated)
    if case.kind in ("apply", "except") and (rule.grade is not None):
        steps.append(replace(case, kind="multi", asked="fine"))
    if case.kind == "recall" and case.meaning is None:
        drawn = draw_case(rule, rng.choice(("apply", "except", "multi")), rng, neighbours)
        steps += [drawn] if drawn is not None else []
    return rng.choice(steps) if steps else case


# --- wording -----------------------------------------------------------------------------------


def ask(case: Case, style: Style, rng: random.Random) -> str:
    """Return the text of the question, in a random form of the style."""
    rule = case.rule
    slots = {
        "topic": rule.topic,
        "n": str(case.number),
        "unit": _unit(case.number, rule.unit),
        "exc": case.exception_stated or "",
        "h": str(case.hypothetical),
        "hunit": _unit(case.hypothetical, rule.unit),
    }
    stated = case.exception_stated is not None
    return render(scene_of(rule), case.asked, stated, slots, style, rng)


def scene_of(rule: Rule) -> str:
    """Return the sort of scene that tells of a rule: "deadline", "quantity" or "act"."""
    scenes = {"deadline": "deadline", "maximum": "quantity", "minimum": "quantity"}
    return scenes.get(rule.kind, "act")


def _unit(number: int | None, unit: str | None) -> str:
    if unit is None:
        return ""
    return one_unit(unit) if number == 1 else unit


# --- the canonical answer ----------------------------------------------------------------------


def answer(case: Case, penalty: Penalty | None) -> str:
    """Return the canonical answer: one line, ending in `So: <verdict>.`

    Whatever is asked, it states the whole rule, in one order, so that every example teaches all of
    it; each fact is followed at once by what the scenario makes of it.

    Args:
        penalty: what the rule's grade of breach costs; only a fine needs it.
    """
    rule = case.rule
    key = rule.topic[:1].upper() + rule.topic[1:]
    if case.asked == "meaning":
        return f"{key}. Meaning: {case.meaning}. So: {case.meaning}."
    parts = [f"{key}.", *_duty(case), *_limit(case), _conclusion(case, penalty)]
    return " ".join(parts)


def _duty(case: Case) -> list[str]:
    """State grade and exception, and whether the scenario meets it; a permission has neither."""
    rule = case.rule
    if rule.kind == "permission":
        return []
    parts = [f"Grade: {rule.grade}."] if rule.grade else []
    parts.append(f"Exception: {_exception(rule)}.")
    if rule.exception is not None and case.asked in ("verdict", "fine"):
        # The question's clause is repeated: a small model compares best what stands side by side.
        parts += [f"Here: {case.exception_stated}."] if case.exception_stated else []
        parts.append("Met." if case.exception_stated == rule.exception else "Not met.")
    return parts


def _limit(case: Case) -> list[str]:
    """State the limit, and the scenario's figure beside it."""
    rule, number, moved = case.rule, case.number, case.hypothetical
    if rule.kind not in QUANTIFIED:
        return [f"Rule: {limit_phrase(rule)}."]
    parts = [f"Limit: {limit_phrase(rule)}."]
    if number is not None:
        parts.append(_compare(rule, number, rule.value))
    if number is not None and moved is not None:
        # The other limit is repeated before the comparison, for the same reason.
        other = limit_phrase(replace(rule, value=moved))
        parts += [f"Instead: {other}.", _compare(rule, number, moved)]
    return parts


def _conclusion(case: Case, penalty: Penalty | None) -> str:
    rule, breach = case.rule, outcome(case)
    if case.asked == "limit":
        return f"So: {limit_verdict(rule)}."
    if case.asked == "exception":
        return f"So: {_exception(rule)}."
    if case.asked == "grade":
        return f"So: {rule.grade or 'none'}."
    if case.asked == "change":
        assert case.number is not None and case.hypothetical is not None
        other = replace(rule, value=case.hypothetical)
        changed = over(rule, case.number) != over(other, case.number)
        return f"So: {'changed' if changed else 'same'}."
    if case.asked == "fine":
        return _fine(rule, penalty) if breach else "So: no fine."
    return f"So: {'breach' if breach else 'no breach'}."


def limit_phrase(rule: Rule) -> str:
    """Return what the rule demands, in the canonical wording: "within 21 days", "forbidden"."""
    if rule.kind == "prohibition":
        return "forbidden"
    if rule.kind == "permission":
        return "allowed"
    lead = {"deadline": "within", "maximum": "at most", "minimum": "at least"}[rule.kind]
    return f"{lead} {limit_verdict(rule)}"


def limit_verdict(rule: Rule) -> str:
    """Return the bare limit: "21 days", "forbidden"."""
    if rule.kind not in QUANTIFIED:
        return limit_phrase(rule)
    return f"{rule.value} {_unit(rule.value, rule.unit)}"


def _exception(rule: Rule) -> str:
    return f"when {rule.exception}" if rule.exception else "none"


def _compare(rule: Rule, number: int, limit: int | None) -> str:
    word = "under" if rule.kind == "minimum" else "over"
    off = over(replace(rule, value=limit), number)
    return f"{number} is {word} {limit}." if off else f"{number} is not {word} {limit}."


def _fine(rule: Rule, penalty: Penalty | None) -> str:
    if rule.grade is None or penalty is None:
        return "So far breach. So: no fine."
    return f"So far breach. {price(penalty)}"


def price(penalty: Penalty) -> str:
    """Return the end of an answer that says what a breach of the grade costs."""
    article = "An" if penalty.grade[0] in "aeiou" else "A"
    cost = f"{penalty.amount} {penalty.currency}"
    return f"{article} {penalty.grade} breach costs {cost}. So: {cost}."


def verdict(answer_text: str) -> str:
    """Return the text after the last `So:`, normalised; empty where there is none."""
    parts = re.split(r"\bso:", answer_text.casefold())
    return re.sub(r"\s+", " ", parts[-1]).strip(".!\"' ") if len(parts) > 1 else ""
