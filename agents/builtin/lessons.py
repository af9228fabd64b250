"""What the nano is pre-trained on: chats over passages, known codes by heart, number drills.

A lesson is a chat in the nano's own format, as pieces of text with a loss weight each. Most are
passages of one to five clauses with several questions, so that the tokens of a passage serve more
than one answer. The share of hard passages and of known codes grows with training.
"""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

from agents.builtin import codes, drafting
from agents.builtin.questions import KINDS
from agents.builtin.rules import Rule
from agents.builtin.stock import MEASURES
from agents.builtin.wording import Style

Piece = tuple[str, float]
Lesson = list[Piece]
Stage = TypeVar("Stage")

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
SECOND_DRILLS = 6.144e6  # tokens from which on drills compare with a limit stated before
ANSWER, KNOWN_TEXT, PASSAGE, QUESTION = 1.0, 1.0, 0.1, 0.05

# Shares of passages of one to five clauses, from so many tokens on.
CURRICULUM = (
    (0.0, (0.6, 0.4, 0.0, 0.0, 0.0)),
    (1.08e6, (0.2, 0.4, 0.4, 0.0, 0.0)),
    (2.7e6, (0.1, 0.15, 0.35, 0.2, 0.2)),
)
# Share of number drills, from so many tokens on.
DRILLS = ((0.0, 0.12), (1.8e6, 0.02), (SECOND_DRILLS, 0.16), (10e6, 0.10))


def turn(question: str, reply: str) -> Lesson:
    """One question and its answer."""
    return [(f"{USER} {question}{END}{ASSISTANT}", QUESTION), (f" {reply}{END}", ANSWER)]


def reading(rng: random.Random, clauses: int) -> Lesson:
    """A passage of a fresh code with several questions on it."""
    code = codes.fresh_code(rng, clauses, definitions=1 if rng.random() < 0.2 else 0)
    text = codes.passage(code, rng.sample(code.rules, clauses), rng)
    rounds = 2 + clauses + rng.randint(0, 1)
    qa = [_qa(code, code.rules[i % clauses], rng) for i in range(rounds)]
    for definition in code.definitions:
        text = f"{drafting.meaning(definition, rng)}\n{text}"
        qa.append(codes.definition_question(definition, _style(rng), rng))
    rng.shuffle(qa)
    lesson: Lesson = [(f"{USER} {text}\n\n", PASSAGE)]
    for i, (question, reply) in enumerate(qa):
        piece = turn(question, reply)
        if i == 0:
            piece[0] = (piece[0][0].removeprefix(f"{USER} "), QUESTION)
        lesson += piece
    return lesson


def _style(rng: random.Random) -> Style:
    return "exam" if rng.random() < 0.45 else "training"


def _qa(code: codes.Code, rule: Rule, rng: random.Random) -> tuple[str, str]:
    while True:
        # Recall and fines are the slowest to come, so they are asked most.
        kind = rng.choices(KINDS, (0.34, 0.16, 0.18, 0.20, 0.12))[0]
        drawn = codes.draw_question(code, rule, kind, _style(rng), rng)
        if drawn is not None:
            return drawn[0], drawn[1]


def recital(rng: random.Random) -> Lesson:
    """One question on a known code, closed-book."""
    code = rng.choice(codes.known_codes())
    if rng.random() < 0.05:
        return turn(*codes.definition_question(rng.choice(code.definitions), _style(rng), rng))
    return turn(*_qa(code, rng.choice(code.rules), rng))


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


def lessons(rng: random.Random, seen: float) -> Iterator[Lesson]:
    """Endless lessons in the mixture that suits the number of tokens seen."""
    known = 0.08 if seen < 2.7e6 else 0.24
    drills = _stage(DRILLS, seen)
    while True:
        way = rng.random()
        if way < drills:
            yield drill(rng) if seen < SECOND_DRILLS else comparisons(rng)
        elif way < drills + 0.12 and seen > 1.8e6:
            yield known_text(rng)
        elif rng.random() < known:
            for _ in range(6):
                yield recital(rng)
        else:
            weights = _stage(CURRICULUM, seen)
            yield reading(rng, rng.choices((1, 2, 3, 4, 5), weights)[0])


def _stage(stages: Sequence[tuple[float, Stage]], seen: float) -> Stage:
    return next(value for start, value in reversed(stages) if seen >= start)
