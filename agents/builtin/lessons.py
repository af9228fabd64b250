"""What the nano is pre-trained on: chats over passages, known codes by heart, number drills.

A lesson is a chat in the nano's own format, as pieces of text with a loss weight each. Most are
passages of one to five clauses with several questions, so that the tokens of a passage serve more
than one answer. The share of hard passages and of known codes grows with training.
"""

import random
from collections.abc import Iterator

from agents.builtin import codes, drafting
from agents.builtin.questions import KINDS
from agents.builtin.rules import Rule
from agents.builtin.wording import Style

Piece = tuple[str, float]
Lesson = list[Piece]

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
ANSWER, KNOWN_TEXT, PASSAGE, QUESTION = 1.0, 1.0, 0.1, 0.05

# Shares of passages by number of clauses, at the start, from 12 % on, and from 30 % on.
CURRICULUM = (
    (0.0, (0.6, 0.4, 0.0, 0.0, 0.0)),
    (0.06, (0.2, 0.4, 0.4, 0.0, 0.0)),
    (0.15, (0.1, 0.15, 0.35, 0.2, 0.2)),
)


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
    """Comparisons of numbers."""
    parts = []
    for _ in range(6):
        limit = rng.randint(2, 99)
        number = max(0, limit + rng.choice((-1, 1)) * rng.randint(1, 8))
        word = rng.choice(("over", "under"))
        true = number > limit if word == "over" else number < limit
        parts.append(f"{number} is {'' if true else 'not '}{word} {limit}.")
    return [(f"{' '.join(parts)}{END}", ANSWER)]


def lessons(rng: random.Random, progress: float) -> Iterator[Lesson]:
    """Endless lessons in the mixture that suits the progress, 0 to 1."""
    known = 0.08 if progress < 0.15 else 0.24
    while True:
        way = rng.random()
        if way < (0.12 if progress < 0.1 else 0.02):
            yield drill(rng)
        elif way < 0.14 and progress > 0.1:
            yield known_text(rng)
        elif rng.random() < known:
            for _ in range(6):
                yield recital(rng)
        else:
            weights = next(w for start, w in reversed(CURRICULUM) if progress >= start)
            yield reading(rng, rng.choices((1, 2, 3, 4, 5), weights)[0])
