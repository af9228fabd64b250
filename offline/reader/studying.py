"""The author as somebody who studies: texts of the kinds that SPA asks for, and of strategies.

All are made from what can be read in a document: norms, definitions and fines. A document in which
nothing can be read is copied, whatever is asked for. Another variation draws other rules and other
wordings.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.blocks import Extract
from offline.language import drafting
from offline.language.questions import Kind, answer, ask, draw_case, limit_phrase
from offline.language.rules import Penalty, Rule
from offline.reader import writing
from offline.reader.parser import Code, read_code

MOST = 3  # rules in a text, so that it stays short enough to be learnt
_HARD: tuple[Kind, ...] = ("except", "multi", "counter", "apply")  # all but recall
_TOLD: tuple[Kind, ...] = ("multi", "apply")  # what a case may be about


@dataclass(frozen=True)
class Material:
    """What a text is made from: a few rules of a document, or what else it states."""

    title: str
    code: Code
    every: Sequence[Rule]
    rules: Sequence[Rule]  # those drawn
    apart: Sequence[str]  # its definitions and fines, in sentences; at most a few
    rng: random.Random

    def clause(self, rule: Rule) -> str:
        """Draft a rule anew."""
        return drafting.clause(rule, self.rng)

    def penalty(self, rule: Rule) -> Penalty | None:
        """Return what a breach of a rule costs, where the document says so."""
        found = self.code.penalty(rule.grade)
        return found.value if found else None

    def asked(self, rule: Rule, kinds: Sequence[Kind]) -> tuple[str, str]:
        """Return a question about a rule, of one of the kinds that it has, with its answer."""
        others = [other for other in self.every if other != rule]
        if rule.grade and self.penalty(rule) is None:  # so that none is said to be free
            kinds = [kind for kind in kinds if kind != "multi"]
        drawn = (
            draw_case(rule, kind, self.rng, others) for kind in self.rng.sample(kinds, len(kinds))
        )
        case = next(case for case in drawn if case is not None)  # every rule can be applied
        return ask(case, "training", self.rng), answer(case, self.penalty(rule))


def study(extracts: Sequence[Extract], form: str, variation: int) -> str:
    """Write a text of one of the seven kinds about a document.

    Raises:
        ValueError: there is no such kind.
    """
    if form not in FORMS:
        raise ValueError(f"malformed prompt: {form!r} is none of {', '.join(FORMS)}")
    return _written(extracts, FORMS[form], f"{form} {variation}")


def strategies(extracts: Sequence[Extract]) -> list[str]:
    """Return how a document might be studied, by what can be read in it."""
    rules = _plain(read_code(list(extracts)))
    return [text for text, strategy in _STRATEGIES.items() if strategy.fits(rules)]


def apply(extracts: Sequence[Extract], strategy: str, variation: int) -> str:
    """Study a document in one of the ways that `strategies` proposes.

    Raises:
        ValueError: it proposes no such way.
    """
    if strategy not in _STRATEGIES:
        raise ValueError(f"malformed prompt: this is no strategy of the reader: {strategy!r}")
    return _written(extracts, _STRATEGIES[strategy].form, f"{strategy} {variation}")


def _written(extracts: Sequence[Extract], form: Callable[[Material], str], seed: str) -> str:
    """Return a text of a form; the document itself where nothing can be read in it."""
    code = read_code(list(extracts))
    rng = random.Random(f"{seed} {extracts[0].text}")
    rules = _plain(code)
    apart = [drafting.meaning(definition.value, rng) for definition in code.definitions]
    apart += [drafting.fine(penalty.value, rng) for penalty in code.penalties]
    if not rules and not apart:
        return " ".join(extract.text for extract in extracts)
    material = Material(
        writing.title_of(extracts),
        code,
        rules,
        rng.sample(rules, min(MOST, len(rules))),
        rng.sample(apart, min(MOST, len(apart))),
        rng,
    )
    return form(material) or " ".join(apart)


def _plain(code: Code) -> list[Rule]:
    """Return the rules that bind under no condition, which a wording of them would lose."""
    plain = [n.rule for n in code.norms if n.condition is None or n.rule.kind == "deadline"]
    return list(dict.fromkeys(plain))


def _concepts(material: Material) -> str:
    lines = [f"Key concepts of {material.title}."]
    lines += [f"{_name(rule)}: {material.clause(rule)}" for rule in material.rules]
    return "\n".join([*lines, *material.apart])


def _map(material: Material) -> str:
    lines = [material.title]
    for rule in material.rules:
        lines += [f"- {rule.topic}", f"  - {limit_phrase(rule)}"]
        lines += [f"  - except when {rule.exception}"] if rule.exception else []
        lines += [f"  - if broken: {_cost(rule, material)}"] if rule.grade else []
    return "\n".join([*lines, *(f"- {sentence}" for sentence in material.apart)])


def _implications(material: Material) -> str:
    lines = [f"What follows from {material.title}."]
    for rule in material.rules:
        lines.append(f"{_bound(rule)} is what is asked of the {rule.topic}.")
        if rule.grade:
            lines.append(f"Whoever does not keep to it commits {_cost(rule, material)}.")
        if rule.exception:
            lines.append(f"When {rule.exception}, nobody can be blamed over the {rule.topic}.")
    return "\n".join([*lines, *material.apart])


def _questions(material: Material) -> str:
    pairs = [material.asked(rule, _HARD) for rule in material.rules]
    blocks = [f"Question: {question}\nAnswer: {said}" for question, said in pairs]
    return "\n\n".join([*blocks, *material.apart])


def _cases(material: Material) -> str:
    blocks = [f"Cases under {material.title}."]
    for rule in material.rules:
        told, said = material.asked(rule, _TOLD)
        blocks.append(f"Case: {told}\nRule: {material.clause(rule)}\nOutcome: {said}")
    return "\n\n".join([*blocks, *material.apart])


def _discussion(material: Material) -> str:
    lines = []
    for rule in material.rules:
        lines += [f"A: What does {material.title} say of the {rule.topic}?"]
        lines += [f"B: {material.clause(rule)}"]
        if rule.exception:
            lines += [f"A: And when {rule.exception}?", "B: Then the rule does not apply."]
        if rule.grade:
            lines += ["A: What if somebody breaks it?", f"B: That is {_cost(rule, material)}."]
    lines += [f"B: Remember also: {sentence}" for sentence in material.apart]
    return "\n".join(lines)


def _lesson(material: Material) -> str:
    lines = [f"Today we read {material.title}."]
    for place, rule in enumerate(material.rules):
        lines.append(f"{'Then' if place else 'First'} the {rule.topic}. {material.clause(rule)}")
        if rule.exception:
            lines.append(f"Mark the exception: it does not hold when {rule.exception}.")
    lines += material.apart
    heads = [f"the {rule.topic}: {limit_phrase(rule)}" for rule in material.rules]
    return "\n".join([*lines, *([f"To sum up, {'; '.join(heads)}."] if heads else [])])


def _restated(material: Material) -> str:
    return " ".join([*map(material.clause, material.rules), *material.apart])


def _exceptions(material: Material) -> str:
    rules = _drawn(material, lambda rule: bool(rule.exception))
    return "\n".join(
        f"The rule on the {rule.topic} ({limit_phrase(rule)}) does not apply when "
        f"{rule.exception}; otherwise it does. {material.clause(rule)}"
        for rule in rules
    )


def _graded(material: Material) -> str:
    rules = _drawn(material, lambda rule: bool(rule.grade))
    return "\n".join(
        f"To break the rule on the {rule.topic} ({limit_phrase(rule)}) is "
        f"{_cost(rule, material)}. {material.clause(rule)}"
        for rule in rules
    )


def _compared(material: Material) -> str:
    rules = material.rules
    pairs = [
        writing.together(one, two)
        for place, one in enumerate(rules)
        for two in rules[place + 1 :]
        if one.topic != two.topic
    ]
    return " ".join([*map(material.clause, rules), *filter(None, pairs)])


def _drawn(material: Material, fits: Callable[[Rule], bool]) -> list[Rule]:
    """Draw a few rules of the document that fit."""
    fitting = [rule for rule in material.every if fits(rule)]
    return material.rng.sample(fitting, min(MOST, len(fitting)))


def _name(rule: Rule) -> str:
    return rule.topic[:1].upper() + rule.topic[1:]


def _bound(rule: Rule) -> str:
    """Return what a rule demands, as the beginning of a sentence."""
    phrase = limit_phrase(rule)
    return f'"{phrase[:1].upper()}{phrase[1:]}"'


def _cost(rule: Rule, material: Material) -> str:
    """Return how grave a breach of a graded rule is, and what it costs where that is known."""
    grade, penalty = str(rule.grade), material.penalty(rule)
    article = "an" if grade[0] in "aeiou" else "a"
    costs = f", which costs {penalty.amount} {penalty.currency}" if penalty else ""
    return f"{article} {grade} breach{costs}"


# Those of `agents.author.STUDIES`.
FORMS: dict[str, Callable[[Material], str]] = {
    "concepts": _concepts,
    "map": _map,
    "implications": _implications,
    "questions": _questions,
    "cases": _cases,
    "discussion": _discussion,
    "lesson": _lesson,
}


@dataclass(frozen=True)
class _Strategy:
    """How to study, and which documents that is good for."""

    form: Callable[[Material], str]
    fits: Callable[[Sequence[Rule]], bool]


def _anything(rules: Sequence[Rule]) -> bool:
    return True


def _two_topics(rules: Sequence[Rule]) -> bool:
    return len({rule.topic for rule in rules}) > 1


def _excepted(rules: Sequence[Rule]) -> bool:
    return any(rule.exception for rule in rules)


def _punished(rules: Sequence[Rule]) -> bool:
    return any(rule.grade for rule in rules)


_STRATEGIES = {
    "Say again in words of your own what the document states.": _Strategy(_restated, _anything),
    "Ask yourself what each rule decides, and answer.": _Strategy(_questions, bool),
    "Draw up an outline of the rules, with their limits.": _Strategy(_map, bool),
    "Tell cases that a rule decides, and decide them.": _Strategy(_cases, bool),
    "Compare the rules two by two.": _Strategy(_compared, _two_topics),
    "Learn for each exception which rule it lifts.": _Strategy(_exceptions, _excepted),
    "Learn how grave each breach is, and what it costs.": _Strategy(_graded, _punished),
}
