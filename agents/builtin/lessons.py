"""What the nano is pre-trained on: chats over passages, known codes by heart, number drills.

A lesson is a chat in the nano's own format, as pieces of text with a loss weight each. Most are
passages of one to five clauses with several questions, so that the tokens of a passage serve more
than one answer. The share of hard passages and of known codes grows with training.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from agents.builtin import codes, drafting
from agents.builtin.questions import KINDS
from agents.builtin.rules import Rule
from agents.builtin.stock import MEASURES
from agents.builtin.wording import Style

Piece = tuple[str, float]
Lesson = list[Piece]

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
ANSWER = KNOWN_TEXT = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A mixture of lessons.

    Attributes:
        start: from so many tokens on.
        clauses: shares of passages of one to five clauses.
        drills, text, known: shares of number drills, of known codes as text, and, of the rest, of
            questions on known codes.
        stated: drills compare with a limit stated before, as answers do.
        kinds: shares of the kinds of question, in the order of `KINDS`.
        wide: share of questions in the wide style.
        passage, question: loss weights of passages and questions.
    """

    start: float
    clauses: tuple[float, float, float, float, float]
    drills: float
    text: float
    known: float
    stated: bool = False
    kinds: tuple[float, float, float, float, float] = (0.34, 0.16, 0.18, 0.20, 0.12)
    passage: float = 0.1
    question: float = 0.05
    wide: float = 0.0


# From one clause to five; then known codes; then comparisons; at last, with the language learnt, no
# more loss on what cannot be foretold, and more of what is slowest to come.
STAGES = (
    Stage(0.0, (0.6, 0.4, 0.0, 0.0, 0.0), 0.12, 0.0, 0.08),
    Stage(1.08e6, (0.2, 0.4, 0.4, 0.0, 0.0), 0.12, 0.0, 0.08),
    Stage(1.8e6, (0.2, 0.4, 0.4, 0.0, 0.0), 0.02, 0.12, 0.08),
    Stage(2.7e6, (0.1, 0.15, 0.35, 0.2, 0.2), 0.02, 0.12, 0.24),
    Stage(6.144e6, (0.1, 0.15, 0.35, 0.2, 0.2), 0.16, 0.12, 0.24, stated=True),
    Stage(
        9.8304e6,
        (0.1, 0.15, 0.4, 0.2, 0.15),
        0.12,
        0.03,
        0.16,
        stated=True,
        kinds=(0.30, 0.12, 0.26, 0.21, 0.11),
        passage=0.02,
        question=0.01,
    ),
    Stage(
        12.288e6,
        (0.1, 0.15, 0.4, 0.2, 0.15),
        0.12,
        0.03,
        0.16,
        stated=True,
        kinds=(0.28, 0.10, 0.25, 0.20, 0.17),
        passage=0.02,
        question=0.01,
        wide=0.4,
    ),
    Stage(
        18.997e6,
        (0.1, 0.15, 0.4, 0.2, 0.15),
        0.04,
        0.03,
        0.16,
        stated=True,
        kinds=(0.24, 0.08, 0.34, 0.22, 0.12),
        passage=0.02,
        question=0.01,
        wide=0.5,
    ),
)


def turn(question: str, reply: str, weight: float) -> Lesson:
    """One question, of that loss weight, and its answer."""
    return [(f"{USER} {question}{END}{ASSISTANT}", weight), (f" {reply}{END}", ANSWER)]


def reading(rng: random.Random, clauses: int, stage: Stage) -> Lesson:
    """A passage of a fresh code with several questions on it."""
    code = codes.fresh_code(rng, clauses, definitions=1 if rng.random() < 0.2 else 0)
    text = codes.passage(code, rng.sample(code.rules, clauses), rng)
    rounds = 2 + clauses + rng.randint(0, 1)
    qa = [_qa(code, code.rules[i % clauses], stage, rng) for i in range(rounds)]
    for definition in code.definitions:
        text = f"{drafting.meaning(definition, rng)}\n{text}"
        qa.append(codes.definition_question(definition, _style(stage, rng), rng))
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
    while True:
        kind = rng.choices(KINDS, stage.kinds)[0]
        drawn = codes.draw_question(code, rule, kind, _style(stage, rng), rng)
        if drawn is not None:
            return drawn[0], drawn[1]


def recital(rng: random.Random, stage: Stage) -> Lesson:
    """One question on a known code, closed-book."""
    code = rng.choice(codes.known_codes())
    if rng.random() < 0.05:
        definition = rng.choice(code.definitions)
        question, reply = codes.definition_question(definition, _style(stage, rng), rng)
    else:
        question, reply = _qa(code, rng.choice(code.rules), stage, rng)
    return turn(question, reply, stage.question)


def known_text(rng: random.Random) -> Lesson:
    """A few clauses of a known code as plain text."""
    code = rng.choice(codes.known_codes())
    text = codes.passage(code, rng.sample(code.rules, rng.randint(1, 4)), rng)
    return [(f"{text}{END}", KNOWN_TEXT)]


def drill(rng: random.Random) -> Lesson:
    """Statements of what is over and under what, to learn the words."""
    parts = []
    for _ in range(6):
        limit, number, word = _figures(rng)
        parts.append(f"{number} is {_not(number, limit, word)}{word} {limit}.")
    return [(f"{' '.join(parts)}{END}", ANSWER)]


def comparisons(rng: random.Random) -> Lesson:
    """Comparisons with a limit stated before, as answers make them."""
    lesson: Lesson = []
    for _ in range(10):
        limit, number, word = _figures(rng)
        lead = rng.choice(("within", "at most")) if word == "over" else "at least"
        lesson.append((f" {lead} {limit} {rng.choice(MEASURES)}. {number} is", 0.0))
        lesson.append((f" {_not(number, limit, word)}{word} {limit}.", ANSWER))
    return [*lesson, (END, ANSWER)]


def _figures(rng: random.Random) -> tuple[int, int, str]:
    limit = rng.randint(2, 99)
    number = max(0, limit + rng.choice((-1, 1)) * rng.randint(1, 8))
    return limit, number, rng.choice(("over", "under"))


def _not(number: int, limit: int, word: str) -> str:
    return "" if (number > limit if word == "over" else number < limit) else "not "


def stage_at(seen: float) -> Stage:
    """The mixture for the number of tokens seen."""
    return next(stage for stage in reversed(STAGES) if seen >= stage.start)


def lessons(rng: random.Random, seen: float) -> Iterator[Lesson]:
    """Endless lessons in the mixture that suits the number of tokens seen."""
    stage = stage_at(seen)
    while True:
        way = rng.random()
        if way < stage.drills:
            yield comparisons(rng) if stage.stated else drill(rng)
        elif way < stage.drills + stage.text:
            yield known_text(rng)
        elif rng.random() < stage.known:
            for _ in range(6):
                yield recital(rng, stage)
        else:
            yield reading(rng, rng.choices((1, 2, 3, 4, 5), stage.clauses)[0], stage)
