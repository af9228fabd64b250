"""The author: writes passages in other words, and how the rules of a document relate.

Every sentence is drawn anew from the forms in which invented codes are drafted, from what can be
read in the passages; what cannot be read is copied.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence

from models.blocks import Extract
from offline.language import drafting
from offline.language.questions import limit_phrase
from offline.language.rules import QUANTIFIED, Rule
from offline.reader.parser import read_code

DRAWS = 5  # of wordings
MOST_NORMS = 3  # that are stated of one entity
_RESULT = "the result that follows"
_PARTS = {  # of canonical answers, by the word that opens them
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
    """State the norms, definitions and fines of a passage in other words and another order.

    A wording that is read otherwise than the passage is drawn again; where all are, it is copied.
    """
    code = read_code([extract])
    rng = random.Random(f"{variation} {extract.text}")
    for _ in range(DRAWS):
        parts = [drafting.clause(norm.rule, rng) for norm in code.norms]
        parts += [drafting.meaning(definition.value, rng) for definition in code.definitions]
        parts += [drafting.fine(penalty.value, rng) for penalty in code.penalties]
        rng.shuffle(parts)
        again = read_code([Extract(extract.id, extract.heading, " ".join(parts))])
        if {norm.rule for norm in again.norms} == {norm.rule for norm in code.norms}:
            return " ".join(parts) or extract.text
    return extract.text


def entities(extracts: Sequence[Extract]) -> tuple[list[str], str]:
    """Return topics, grades and terms of a document, in its order, and a summary."""
    code = read_code(list(extracts))
    names = [norm.rule.topic for norm in code.norms]
    names += [penalty.value.grade for penalty in code.penalties]
    names += [definition.value.term for definition in code.definitions]
    rules = len(code.norms)
    title = title_of(extracts)
    summary = f"{title} lays down {rules} rules, on " + ", ".join(names[:rules]) + "."
    return list(dict.fromkeys(names)), summary


def relate(extracts: Sequence[Extract], names: Sequence[str], variation: int) -> str:
    """Tell what a document says of a few of its entities, and what they have in common.

    Raises:
        ValueError: the document says nothing of one of them.
    """
    code = read_code(list(extracts))
    rng = random.Random(f"{variation} {' '.join(names)}")
    sentences: list[str] = []
    rules: list[Rule] = []
    for name in names:
        norms = [norm for norm in code.norms if name in (norm.rule.topic, norm.rule.grade)]
        fines = [p.value for p in code.penalties if p.value.grade == name]
        terms = [d.value for d in code.definitions if d.value.term == name]
        if not (norms or fines or terms):
            raise ValueError(f"malformed prompt: the document says nothing of {name!r}")
        # A grade may be that of half the document.
        sample = norms if len(norms) <= MOST_NORMS else rng.sample(norms, MOST_NORMS)
        sentences += [drafting.clause(norm.rule, rng) for norm in sample]
        sentences += [drafting.fine(fine, rng) for fine in fines]
        sentences += [drafting.meaning(term, rng) for term in terms]
        rules += [norm.rule for norm in norms if norm.rule.topic == name]
    opening = f"{title_of(extracts)} speaks of the {' and the '.join(names)}."
    pairs = [
        together(one, two)
        for place, one in enumerate(rules)
        for two in rules[place + 1 :]
        if one.topic != two.topic
    ]
    return " ".join((opening, *sentences, *pairs))


def compare(paragraphs: Sequence[str]) -> str:
    """Tell which parts of a rule all of these answers in canonical form turn on, and each alone.

    Raises:
        ValueError: there are no answers.
    """
    if not paragraphs:
        raise ValueError("malformed prompt: there is no paragraph to compare")
    parts = [{part for part in _PARTS if part in paragraph} for paragraph in paragraphs]
    counts = Counter(part for paragraph_parts in parts for part in paragraph_parts)
    shared = [text for part, text in _PARTS.items() if counts[part] == len(parts)]
    sentences = [f"Each of these turns on one rule: first {_listed([*shared, _RESULT])}."]
    for paragraph, paragraph_parts in zip(paragraphs, parts, strict=True):
        unique = [_PARTS[part] for part in _PARTS if part in paragraph_parts and counts[part] == 1]
        topic = re.split(r"[.:](?: |$)", paragraph, maxsplit=1)[0]
        sentences.append(f"The {topic.lower()} {_unique(unique)}.")
    return " ".join(sentences)


def _unique(parts: Sequence[str]) -> str:
    return f"alone asks for {_listed(parts)}" if parts else "asks for nothing else"


def _listed(parts: Sequence[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def title_of(extracts: Sequence[Extract]) -> str:
    """Return the title of the document that passages are of."""
    return extracts[0].heading.partition(" > ")[0] or "The document"


def together(one: Rule, two: Rule) -> str:
    """Tell how two rules interact: grades, limits, exceptions."""
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
    graded = [f"on the {r.topic} is a {r.grade} breach" for r in (one, two) if r.grade]
    return f"To break the rule {', that '.join(graded)}." if graded else ""
