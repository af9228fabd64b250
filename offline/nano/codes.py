"""Invented codes of rules for pre-training, for the general exam and for replay.

Every code is drawn from a seed. The few *known* codes are memorised in pre-training: they make
closed-book answering a mode that the nano knows, and what it knows of them measures forgetting. All
other codes are *fresh*: each is read once, and skills are measured on codes never seen.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from offline.language import drafting, stock
from offline.language.questions import (
    KINDS,
    Case,
    Kind,
    answer,
    ask,
    draw_case,
    outcome,
)
from offline.language.rules import QUANTIFIED, Definition, Penalty, Rule, RuleKind
from offline.language.wording import Style

Message = dict[str, str]
Exchange = tuple[list[Message], str]

KNOWN_CODES = 5
KNOWN_RULES = 60
_KNOWN_SEED = 7_001
_SHARES: dict[RuleKind, float] = {
    "deadline": 0.30,
    "maximum": 0.20,
    "minimum": 0.16,
    "prohibition": 0.20,
    "permission": 0.14,
}


@dataclass(frozen=True, slots=True)
class Code:
    """A code of rules, with what breaches of each grade cost and what terms mean."""

    rules: tuple[Rule, ...]
    penalties: tuple[Penalty, ...]
    definitions: tuple[Definition, ...]

    def penalty(self, rule: Rule) -> Penalty | None:
        """Return what a breach of the rule costs; None where the rule has no grade."""
        return next((p for p in self.penalties if p.grade == rule.grade), None)


# --- drawing codes -----------------------------------------------------------------------------


def draw_code(rng: random.Random, size: int, *, definitions: int, used: set[str]) -> Code:
    """Draw a code of so many rules and definitions.

    Args:
        used: topics, terms, grades and clauses not to be used again; those of the code are added.
    """
    grades = [_new(lambda: stock.word(stock.GRADES, rng, 0.5), used) for _ in range(4)]
    currency = rng.choice(stock.CURRENCIES)
    amounts = rng.sample(range(50, 1000, 50), len(grades))
    penalties = tuple(Penalty(g, a, currency) for g, a in zip(grades, amounts, strict=True))
    kinds = rng.choices(list(_SHARES), list(_SHARES.values()), k=size)
    rules = tuple(_rule(kind, grades, used, rng) for kind in kinds)
    return Code(rules, penalties, tuple(_definition(used, rng) for _ in range(definitions)))


def _new(draw: Callable[[], str], used: set[str]) -> str:
    """Draw until the text is new."""
    text = draw()
    while text in used:
        text = draw()
    used.add(text)
    return text


def _rule(kind: RuleKind, grades: Sequence[str], used: set[str], rng: random.Random) -> Rule:
    topic = _new(lambda: _topic(kind, rng), used)
    value = rng.randint(3, 95) if kind in QUANTIFIED else None
    unit = None
    if kind in QUANTIFIED:
        unit = rng.choice(stock.TIMES if kind == "deadline" else stock.MEASURES)
    if kind == "permission":
        return Rule(kind, topic, None, None, None, None)
    exception = _new(lambda: circumstance(rng), used) if rng.random() < 0.65 else None
    return Rule(kind, topic, value, unit, exception, rng.choice(grades))


def _topic(kind: RuleKind, rng: random.Random) -> str:
    heads = {"deadline": stock.PAPERS, "maximum": stock.AMOUNTS, "minimum": stock.AMOUNTS}.get(
        kind, stock.DEEDS
    )
    if rng.random() < 0.4:
        heads = stock.THINGS
    invented = rng.choice((0.0, 0.3, 0.5, 0.8))
    head = stock.word(heads, rng, invented * 0.6)
    if kind in QUANTIFIED and rng.random() < 0.12:
        head += "s"
    before = rng.choices((0, 1, 2, 3), (0.08, 0.6, 0.28, 0.04))[0]
    words = [stock.word(rng.choice((stock.MODIFIERS, stock.THINGS)), rng, invented)]
    words += [stock.word(stock.THINGS, rng, invented) for _ in range(2)]
    return " ".join([*words[:before], head])


def circumstance(rng: random.Random) -> str:
    """Draw a clause that may hold or not, as exceptions name them."""
    way = rng.random()
    invented = rng.choice((0.0, 0.2, 0.6))
    if way < 0.2:
        who = rng.choice(stock.PERSONS)
        return f"the {who} {rng.choice(stock.phrases(stock.DOINGS))}"
    if way < 0.45:
        who = stock.word(stock.MODIFIERS, rng, invented) + " " + rng.choice(stock.PERSONS)
        return f"the {who} {rng.choice(stock.phrases(stock.DOINGS))}"
    if way < 0.55:
        place = stock.word(stock.THINGS, rng, invented)
        return f"{rng.choice(stock.phrases(stock.WEATHER))} at the {place}"
    noun = stock.word(stock.THINGS, rng, invented)
    if rng.random() < 0.6:
        noun = f"{stock.word(stock.MODIFIERS, rng, invented)} {noun}"
    return f"the {noun} {rng.choice(stock.phrases(stock.STATES))}"


def _definition(used: set[str], rng: random.Random) -> Definition:
    invented = rng.choice((0.2, 0.5))

    def name() -> str:
        first = stock.word(stock.MODIFIERS, rng, invented)
        return f"{first} {stock.word(stock.THINGS, rng, invented)}"

    term = _new(name, used)
    noun, other = (stock.word(stock.THINGS, rng, 0.3) for _ in range(2))
    first = rng.choice(stock.MODIFIERS)
    forms = (
        f"a {first} {noun} near the {other}",
        f"any {noun} that {rng.choice(stock.phrases(stock.STATES))}",
        f"a {noun} of under {rng.randint(3, 40)} {rng.choice(stock.MEASURES)}",
        f"a {noun} with a {first} {other}",
        f"the time from the {noun} to the {other}",
        f"a person who has the {first} {noun}",
        f"the part of the {noun} next to the {other}",
    )
    return Definition(term, rng.choice(forms))


@cache
def known_codes() -> tuple[Code, ...]:
    """Return the codes that the nano memorises in pre-training."""
    rng, used = random.Random(_KNOWN_SEED), {"none"}
    return tuple(draw_code(rng, KNOWN_RULES, definitions=4, used=used) for _ in range(KNOWN_CODES))


@cache
def known_names() -> frozenset[str]:
    """Return the topics and grades of the known codes: no fresh code may use them."""
    names = {r.topic for c in known_codes() for r in c.rules}
    return frozenset(names | {p.grade for c in known_codes() for p in c.penalties} | {"none"})


def fresh_code(rng: random.Random, size: int, definitions: int = 0) -> Code:
    """Draw a code that shares no topic and no grade with the known ones."""
    return draw_code(rng, size, definitions=definitions, used=set(known_names()))


# --- questions on a code -----------------------------------------------------------------------


def draw_question(
    code: Code, rule: Rule, kind: Kind, style: Style, rng: random.Random
) -> tuple[str, str, Case] | None:
    """Draw question, answer and case of one kind on a rule; None where it has no such kind."""
    neighbours = code.rules if len(code.rules) > 5 else [*code.rules, *_strangers(rng)]
    case = draw_case(rule, kind, rng, neighbours)
    if case is None:
        return None
    return ask(case, style, rng), answer(case, code.penalty(rule)), case


def _strangers(rng: random.Random) -> list[Rule]:
    """Draw rules whose exceptions serve a small code as circumstances that change nothing."""
    clauses = [circumstance(rng) for _ in range(3)]
    return [Rule("prohibition", "", None, None, clause, None) for clause in clauses]


def questions(code: Code, style: Style, rng: random.Random) -> Iterator[tuple[str, str, Case]]:
    """Draw questions without end, on all rules in turn, with kinds and verdicts in balance."""
    next_outcome = dict.fromkeys(KINDS, True)
    while True:
        for rule in rng.sample(code.rules, len(code.rules)):
            kind = rng.choice(KINDS)
            drawn = draw_question(code, rule, kind, style, rng)
            if drawn is None:
                continue
            if kind in ("apply", "except"):
                if outcome(drawn[2]) != next_outcome[kind]:
                    continue
                next_outcome[kind] = not next_outcome[kind]
            yield drawn


def passage(code: Code, rules: Sequence[Rule], rng: random.Random) -> str:
    """Draft a passage that holds some rules of the code and their fines, as documents do."""
    parts = [drafting.clause(rule, rng) for rule in rules]
    if rng.random() < 0.3:
        number = rng.randint(1, 9)
        parts = [f"{number}.{i} {part}" for i, part in enumerate(parts, rng.randint(1, 6))]
    grades = {rule.grade for rule in rules}
    fines = [p for p in code.penalties if p.grade in grades]
    rng.shuffle(fines)
    if rng.random() < 0.15:
        parts.insert(rng.randint(0, len(parts)), drafting.prose(rng))
    lines = [" ".join(drafting.fine(p, rng) for p in fines)] if fines else []
    lines = parts + lines if rng.random() < 0.8 else lines + parts
    return "\n".join(lines)


def open_book(text: str, question: str) -> str:
    """Return the user turn that shows a passage and asks about it."""
    return f"{text}\n\n{question}"


def closed_exchange(stream: Iterator[tuple[str, str, Case]]) -> Exchange:
    """Return the next question of a stream, to be answered without a passage."""
    question, gold, _ = next(stream)
    return [{"role": "user", "content": question}], gold


def open_exchange(
    rng: random.Random, style: Style, clauses: int, kind: Kind | None = None
) -> tuple[Exchange, Case]:
    """Draw a question with its passage, on a fresh code of so many clauses."""
    drawn = None
    while drawn is None:
        code = fresh_code(rng, clauses)
        drawn_kind = rng.choice(KINDS) if kind is None else kind
        drawn = draw_question(code, code.rules[0], drawn_kind, style, rng)
    rules = rng.sample(code.rules, len(code.rules))
    content = open_book(passage(code, rules, rng), drawn[0])
    return ([{"role": "user", "content": content}], drawn[1]), drawn[2]


def general_exam(n: int, seed: int) -> list[Exchange]:
    """Draw questions on what the nano could do before, to measure what adaptation makes it forget.

    Half are closed-book questions on the known codes, half are open-book questions on one of three
    clauses of a fresh code, all in exam wording.
    """
    return _mixed(n, n // 2, random.Random(f"general exam {seed}"), "exam", 3)


def replay(n: int, seed: str) -> list[Exchange]:
    """Draw n questions of the kinds of `general_exam` in training wording, to mix into training."""
    return _mixed(n, n // 4, random.Random(f"replay {seed}"), "training", 1)


def _mixed(n: int, opens: int, rng: random.Random, style: Style, fewest: int) -> list[Exchange]:
    """Draw `opens` questions on one of `fewest` to three clauses, and the rest on known codes."""
    streams = [questions(code, style, rng) for code in known_codes()]
    exchanges = [closed_exchange(streams[i % KNOWN_CODES]) for i in range(n - opens)]
    exchanges += [open_exchange(rng, style, rng.randint(fewest, 3))[0] for _ in range(opens)]
    rng.shuffle(exchanges)
    return exchanges
