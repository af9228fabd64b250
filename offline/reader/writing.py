"""The author: passages in other words, and how the rules of a document relate.

Every sentence is drawn anew from the forms in which invented codes are drafted, from what can be
read in the passages; what cannot be read is copied.
"""

import random
import re
from collections.abc import Sequence

from models.blocks import Extract
from offline.language import drafting
from offline.language.questions import limit_phrase
from offline.language.rules import QUANTIFIED, Rule
from offline.reader.parser import Norm, read_code

DRAWS = 5  # of wordings
_RESULT = "the result that follows"
_PARTS = {  # of canonical answers, and what they are
    "Meaning:": "what a term means",
    "Grade:": "how grave a breach is",
    "Exception:": "when the rule does not apply",
    "Here:": "whether what is told is that exception",
    "Rule:": "what is allowed or forbidden",
    "Limit:": "the limit",
    "Instead:": "what another limit would change",
    "costs": "what a breach costs",
}


def paraphrase(extract: Extract, variation: int) -> str:
    """The norms, definitions and fines of a passage, in another wording and order.

    A wording that is read otherwise than the passage is drawn again; where all are, it is copied.
    """
    code = read_code([extract])
    rng = random.Random(f"{variation} {extract.text}")
    for _ in range(DRAWS):
        parts = [drafting.clause(norm.rule, rng) for norm in code.norms]
        parts += [drafting.meaning(found.value, rng) for found in code.definitions]
        parts += [drafting.fine(found.value, rng) for found in code.penalties]
        rng.shuffle(parts)
        again = read_code([Extract(extract.id, extract.heading, " ".join(parts))])
        if {norm.rule for norm in again.norms} == {norm.rule for norm in code.norms}:
            return " ".join(parts) or extract.text
    return extract.text


def entities(extracts: Sequence[Extract]) -> tuple[list[str], str]:
    """Topics, grades and terms of a document, in its order, and a summary."""
    code = read_code(list(extracts))
    names = [norm.rule.topic for norm in code.norms]
    names += [found.value.grade for found in code.penalties]
    names += [found.value.term for found in code.definitions]
    rules = len(code.norms)
    title = _title(extracts)
    summary = f"{title} lays down {rules} rules, on " + ", ".join(names[:rules]) + "."
    return list(dict.fromkeys(names)), summary


def relate(extracts: Sequence[Extract], names: Sequence[str], variation: int) -> str:
    """What a document says of some of its entities, and what they have in common.

    Raises:
        ValueError: the document says nothing of one of them.
    """
    code = read_code(list(extracts))
    rng = random.Random(f"{variation} {' '.join(names)}")
    said: list[str] = []
    rules: list[Rule] = []
    for name in names:
        norms = [norm for norm in code.norms if name in (norm.rule.topic, norm.rule.grade)]
        fines = [found.value for found in code.penalties if found.value.grade == name]
        terms = [found.value for found in code.definitions if found.value.term == name]
        if not (norms or fines or terms):
            raise ValueError(f"malformed prompt: the document says nothing of {name!r}")
        said += [drafting.clause(norm.rule, rng) for norm in _some(norms, rng)]
        said += [drafting.fine(fine, rng) for fine in fines]
        said += [drafting.meaning(term, rng) for term in terms]
        rules += [norm.rule for norm in norms if norm.rule.topic == name]
    opening = f"{_title(extracts)} speaks of the {' and the '.join(names)}."
    pairs = [
        _together(one, two)
        for place, one in enumerate(rules)
        for two in rules[place + 1 :]
        if one.topic != two.topic
    ]
    return " ".join((opening, *said, *pairs))


def compare(paragraphs: Sequence[str]) -> str:
    """Which parts of a rule all of some answers in canonical form turn on, and each alone.

    Raises:
        ValueError: there is none.
    """
    if not paragraphs:
        raise ValueError("malformed prompt: there is no paragraph to compare")
    parts = [{part for part in _PARTS if part in paragraph} for paragraph in paragraphs]
    shared = [_PARTS[part] for part in _PARTS if all(part in own for own in parts)]
    said = [f"Each of these turns on one rule: first {_listed([*shared, _RESULT])}."]
    for place, (paragraph, own) in enumerate(zip(paragraphs, parts, strict=True)):
        others = set().union(*(other for at, other in enumerate(parts) if at != place))
        alone = [_PARTS[part] for part in _PARTS if part in own - others]
        topic = re.split(r"[.:](?: |$)", paragraph, maxsplit=1)[0]
        said.append(f"The {topic.lower()} {_unique(alone)}.")
    return " ".join(said)


def _unique(alone: Sequence[str]) -> str:
    return f"alone asks for {_listed(alone)}" if alone else "asks for nothing else"


def _listed(parts: Sequence[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _some(norms: Sequence[Norm], rng: random.Random) -> Sequence[Norm]:
    """At most three norms: a grade may be that of half the document."""
    return norms if len(norms) <= 3 else rng.sample(norms, 3)


def _title(extracts: Sequence[Extract]) -> str:
    return extracts[0].heading.partition(" > ")[0] or "The document"


def _together(one: Rule, two: Rule) -> str:
    """How two rules interact: grades, limits, exceptions."""
    parts = [_grades(one, two)]
    if one.kind in QUANTIFIED and two.kind in QUANTIFIED:
        parts.append(
            f"For the {one.topic} it is {limit_phrase(one)}, but for the {two.topic} "
            f"{limit_phrase(two)}."
        )
    for rule, other in ((one, two), (two, one)):
        if rule.exception:
            parts.append(
                f"When {rule.exception}, the rule on the {rule.topic} does not apply, while that "
                f"on the {other.topic} does."
            )
    return " ".join(part for part in parts if part)


def _grades(one: Rule, two: Rule) -> str:
    if one.grade and one.grade == two.grade:
        return (
            f"To break the rule on the {one.topic} is as grave as to break that on the "
            f"{two.topic}: both are {one.grade} breaches."
        )
    told = [f"on the {r.topic} is a {r.grade} breach" for r in (one, two) if r.grade]
    return f"To break the rule {', that '.join(told)}." if told else ""
