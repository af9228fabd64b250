"""The lessons of the nano: chats over passages, known codes by heart, drills in comparing.

A lesson is a chat in the nano's own format, as pieces of text with a loss weight each. Most are
passages of one to five clauses with several questions, so that the tokens of a passage serve more
than one answer. The share of hard passages and of known codes grows with training.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from offline.language import drafting
from offline.language.questions import KINDS, answer, ask, definition_case, price
from offline.language.rules import Definition, Rule
from offline.language.stock import MEASURES, THINGS
from offline.language.wording import Style
from offline.nano import codes

Piece = tuple[str, float]
Lesson = list[Piece]

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
ANSWER = KNOWN_TEXT = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A mixture of lessons.

    Attributes:
        start: tokens seen, from which it is used.
        clauses: shares of passages of one to five clauses.
        drills, text, known: shares of drills, of known codes as text, and, of the rest, of
            questions on known codes.
        kinds: shares of the kinds of question, in the order of `KINDS`.
        passage, question: loss weights of passages and questions.
        wide: share of questions in the wide style.
        numbers, fines: shares of drills that compare numbers and that look up fines; all other
            drills compare circumstances.
    """

    start: float
    clauses: tuple[float, float, float, float, float]
    drills: float
    text: float
    known: float
    kinds: tuple[float, float, float, float, float] = (0.28, 0.14, 0.24, 0.20, 0.14)
    passage: float = 0.1
    question: float = 0.05
    wide: float = 0.0
    numbers: float = 0.4
    fines: float = 0.0


_LATE = Stage(
    8.0e6,
    (0.1, 0.15, 0.4, 0.2, 0.15),
    0.10,
    0.03,
    0.18,
    passage=0.02,
    question=0.01,
    wide=0.4,
)
# From one clause to five; then known codes; then no more loss on what cannot be foretold, and more
# forms of question; then, when copying is learnt, many comparisons of numbers, which are learnt
# last; in the end, most of what still fails: fines, and circumstances beside exceptions.
STAGES = (
    Stage(0.0, (0.6, 0.4, 0.0, 0.0, 0.0), 0.10, 0.0, 0.08),
    Stage(1.2e6, (0.2, 0.4, 0.4, 0.0, 0.0), 0.10, 0.05, 0.08),
    Stage(3.0e6, (0.1, 0.2, 0.4, 0.2, 0.1), 0.12, 0.10, 0.20, wide=0.2),
    _LATE,
    replace(_LATE, start=8.7e6, drills=0.35, numbers=0.75),
    replace(_LATE, start=10.5e6, drills=0.12, numbers=0.6),
    replace(
        _LATE,
        start=12.3e6,
        kinds=(0.12, 0.16, 0.30, 0.28, 0.14),
        drills=0.15,
        numbers=0.4,
        fines=0.25,
    ),
)


def turn(question: str, reply: str, weight: float) -> Lesson:
    """Return a question, of that loss weight, with its answer."""
    return [(f"{USER} {question}{END}{ASSISTANT}", weight), (f" {reply}{END}", ANSWER)]


def reading(rng: random.Random, clauses: int, stage: Stage) -> Lesson:
    """Draw a passage of a fresh code with several questions on it."""
    code = codes.fresh_code(rng, clauses, definitions=1 if rng.random() < 0.2 else 0)
    text = codes.passage(code, rng.sample(code.rules, clauses), rng)
    qa = [_qa(code, code.rules[i % clauses], stage, rng) for i in range(clauses + 1)]
    for definition in code.definitions:
        text = f"{drafting.meaning(definition, rng)}\n{text}"
        qa.append(_definition_qa(definition, stage, rng))
    rng.shuffle(qa)
    lesson: Lesson = [(f"{USER} {text}\n\n", stage.passage)]
    for i, (question, reply) in enumerate(qa):
        piece = turn(question, reply, stage.question)
        if i == 0:
            piece[0] = (piece[0][0].removeprefix(f"{USER} "), stage.question)
        lesson += piece
    return lesson


def _style(stage: Stage, rng: random.Random) -> Style:
    if stage.wide and rng.random() < stage.wide:
        return "wide"
    return "exam" if rng.random() < 0.45 else "training"


def _qa(code: codes.Code, rule: Rule, stage: Stage, rng: random.Random) -> tuple[str, str]:
    """Draw question and answer on a rule, of a kind that it has."""
    while True:
        kind = rng.choices(KINDS, stage.kinds)[0]
        drawn = codes.draw_question(code, rule, kind, _style(stage, rng), rng)
        if drawn is not None:
            return drawn[0], drawn[1]


def _definition_qa(definition: Definition, stage: Stage, rng: random.Random) -> tuple[str, str]:
    case = definition_case(definition)
    return ask(case, _style(stage, rng), rng), answer(case, None)


def recital(rng: random.Random, stage: Stage) -> Lesson:
    """Draw a closed-book question on a known code."""
    code = rng.choice(codes.known_codes())
    if rng.random() < 0.05:
        question, reply = _definition_qa(rng.choice(code.definitions), stage, rng)
    else:
        question, reply = _qa(code, rng.choice(code.rules), stage, rng)
    return turn(question, reply, stage.question)


def known_text(rng: random.Random) -> Lesson:
    """Draw a few clauses of a known code, as plain text."""
    code = rng.choice(codes.known_codes())
    text = codes.passage(code, rng.sample(code.rules, rng.randint(1, 4)), rng)
    return [(f"{text}{END}", KNOWN_TEXT)]


def comparisons(rng: random.Random) -> Lesson:
    """Draw comparisons with a limit stated before, as answers make them."""
    lesson: Lesson = []
    for _ in range(10):
        limit, number, word = _figures(rng)
        lead = rng.choice(("within", "at most")) if word == "over" else "at least"
        lesson.append((f" Limit: {lead} {limit} {rng.choice(MEASURES)}. {number} is", 0.0))
        lesson.append((f" {_not(number, limit, word)}{word} {limit}.", ANSWER))
    return [*lesson, (END, ANSWER)]


def circumstances(rng: random.Random) -> Lesson:
    """Draw circumstances beside the exception of a rule, as answers set them."""
    lesson: Lesson = []
    for _ in range(6):
        clause = codes.circumstance(rng)
        met = rng.random() < 0.5
        circumstance = clause if met else _another(clause, rng)
        lesson.append((f" Exception: when {clause}. Here: {circumstance}.", 0.0))
        lesson.append((" Met." if met else " Not met.", ANSWER))
    return [*lesson, (END, ANSWER)]


def fines(rng: random.Random) -> Lesson:
    """Draw sentences that price breaches, and look the prices up among them."""
    lesson: Lesson = []
    for _ in range(4):
        code = codes.fresh_code(rng, 1)
        priced = rng.sample(code.penalties, rng.randint(2, 3))
        lesson.append((" ".join(drafting.fine(penalty, rng) for penalty in priced), 0.0))
        for penalty in rng.sample(priced, len(priced)):
            breach, cost = price(penalty).split(" costs ")
            lesson.append((f" So far breach. {breach} costs", 0.0))
            lesson.append((f" {cost}", ANSWER))
    return [*lesson, (END, ANSWER)]


def _another(clause: str, rng: random.Random) -> str:
    """Draw another clause, or the same with one word exchanged."""
    if rng.random() < 0.6:
        return codes.circumstance(rng)
    words = clause.split()
    words[rng.randrange(1, len(words))] = rng.choice(THINGS)
    return " ".join(words)


def _figures(rng: random.Random) -> tuple[int, int, str]:
    limit = rng.randint(2, 99)
    number = max(0, limit + rng.choice((-1, 1)) * rng.randint(1, 8))
    return limit, number, rng.choice(("over", "under"))


def _not(number: int, limit: int, word: str) -> str:
    return "" if (number > limit if word == "over" else number < limit) else "not "


def _drill(rng: random.Random, stage: Stage) -> Lesson:
    way = rng.random()
    if way < stage.numbers:
        return comparisons(rng)
    return fines(rng) if way > 1 - stage.fines else circumstances(rng)


def stage_at(seen: float) -> Stage:
    """Return the mixture for the number of tokens seen."""
    return next(stage for stage in reversed(STAGES) if seen >= stage.start)


def lessons(rng: random.Random, seen: float) -> Iterator[Lesson]:
    """Draw lessons without end, in the mixture that suits the number of tokens seen."""
    stage = stage_at(seen)
    while True:
        way = rng.random()
        if way < stage.drills:
            yield _drill(rng, stage)
        elif way < stage.drills + stage.text:
            yield known_text(rng)
        elif rng.random() < stage.known:
            for _ in range(6):
                yield recital(rng, stage)
        else:
            yield reading(rng, rng.choices((1, 2, 3, 4, 5), stage.clauses)[0], stage)
