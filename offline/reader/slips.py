"""Makes mistakes of an expert on purpose, to measure what the checks on its answers let through.

A slip misreads one fact of the rule and concludes what would follow from that; or it reads all
facts right and concludes wrongly. The quotes stay those of the right answer, so no citation gives
it away, or they are other sentences of the passages: true, but no support.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from models.blocks import Extract
from offline.language.questions import Case, answer
from offline.language.rules import Penalty
from offline.reader.parser import Code, Quote
from offline.reader.sentences import split_sentences

_OFF = range(1, 10)  # how far a misread figure is from the right one
_OPPOSITES = {
    "So: breach.": "So: no breach.", "So: no breach.": "So: breach.",
    "So: changed.": "So: same.", "So: same.": "So: changed.",
}  # fmt: skip

Misread = tuple[Case, Penalty | None]


def slipped(case: Case, penalty: Penalty | None, code: Code, rng: random.Random) -> str:
    """Return a wrong answer to a case; the right one where nothing in it can be mistaken."""
    right = answer(case, penalty)
    sorts: list[Callable[[], Iterable[str]]] = [
        lambda: (answer(*other) for other in _misread(case, penalty, code, rng)),
        lambda: _concluded_wrongly(right),
    ]
    rng.shuffle(sorts)
    return next((text for sort in sorts for text in sort() if text != right), right)


def beside(
    quotes: Sequence[Quote], extracts: Sequence[Extract], rng: random.Random
) -> tuple[Quote, ...]:
    """Return as many other sentences of the passages; the same where there are none."""
    taken = [(q.passage_id, q.start, q.start + len(q.text)) for q in quotes]
    others = [
        Quote(extract.id, sentence.start, extract.text[sentence.start : sentence.end])
        for extract in extracts
        for sentence in split_sentences(extract.text)
        if not any(
            extract.id == place and sentence.start < end and start < sentence.end
            for place, start, end in taken
        )
    ]
    return tuple(rng.sample(others, min(len(quotes), len(others)))) or tuple(quotes)


def _misread(
    case: Case, penalty: Penalty | None, code: Code, rng: random.Random
) -> Iterator[Misread]:
    """Return the case with one fact taken for another, in random order."""
    misread = [*_other_rules(case, code, rng)]
    rng.shuffle(misread)
    for other in misread:
        price = code.penalty(other.rule.grade)
        yield other, price.value if price else None
    if penalty is not None:
        amounts = {p.value.amount for p in code.penalties} - {penalty.amount}
        yield from ((case, replace(penalty, amount=amount)) for amount in sorted(amounts))


def _other_rules(case: Case, code: Code, rng: random.Random) -> Iterator[Case]:
    """Return the case with another meaning, or with another limit, exception, grade or kind."""
    rule = case.rule
    if case.asked == "meaning":
        meanings = sorted({d.value.meaning for d in code.definitions} - {case.meaning or ""})
        yield from (replace(case, meaning=meaning) for meaning in meanings)
        return
    if rule.value is not None:
        off = rng.choice(_OFF)
        nearby = [value for value in (rule.value - off, rule.value + off) if value > 0]
        yield replace(case, rule=replace(rule, value=rng.choice(nearby)))
    if rule.kind != "permission":
        exceptions = {norm.rule.exception for norm in code.norms} - {rule.exception}
        for exception in sorted(exceptions, key=str):
            yield replace(case, rule=replace(rule, exception=exception))
    for grade in sorted({p.value.grade for p in code.penalties} - {rule.grade}):
        if rule.grade is not None:
            yield replace(case, rule=replace(rule, grade=grade))
    if rule.kind == "prohibition":
        yield replace(case, rule=replace(rule, kind="permission", exception=None, grade=None))


def _concluded_wrongly(right: str) -> Iterator[str]:
    for verdict, opposite in _OPPOSITES.items():
        if right.endswith(verdict):
            yield right.removesuffix(verdict) + opposite
            return
