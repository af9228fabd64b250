"""General prompts, for students that bring no questions of their own on what they can do already.

Half of them are never trained on: those of that half whose answer can be matched are the general
exam. The untouched student's own answers to the other half are replayed in training.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from elenchus.errors import UserError
from elenchus.loading import read_text
from elenchus.records import Message
from elenchus.sections import Section
from models.backend import Exchange

SHIPPED = Path(__file__).with_name("general.jsonl")
OR = " | "  # between answers of which each is right


class GeneralPrompt(Section):
    """A prompt, with the answers of which each is right, where it has any that can be matched."""

    prompt: str
    answer: tuple[str, ...] = ()
    kind: str = ""


class GeneralPrompts:
    """The prompts in a file: see `models.backend.General`.

    Raises:
        UserError: a line is no prompt, or there are fewer than two.
    """

    grader = "contains"

    def __init__(self, path: Path = SHIPPED) -> None:
        self._prompts = read(path)

    def exam(self, count: int, seed: int) -> Sequence[Exchange]:
        """Return so many prompts whose answer can be matched, or all where they are fewer."""
        known = [one for one in self._prompts[::2] if one.answer]
        chosen = random.Random(f"general/{seed}").sample(known, min(count, len(known)))
        return [(_messages(one), OR.join(one.answer)) for one in chosen]

    def replay(self, count: int, seed: str) -> Sequence[Exchange]:
        """Return none: a student's own answers are replayed."""
        return ()

    def open(self) -> Sequence[tuple[Message, ...]]:
        """Return the prompts of the exam's half whose answer cannot be matched."""
        return [_messages(one) for one in self._prompts[::2] if not one.answer]

    def unanswered(self) -> Sequence[tuple[Message, ...]]:
        """Return the prompts that the untouched student answers, to be replayed."""
        return [_messages(one) for one in self._prompts[1::2]]


def read(path: Path) -> list[GeneralPrompt]:
    """Read general prompts; UserError where the file cannot be used."""
    try:
        lines = read_text(path).splitlines()
    except UserError as error:
        raise UserError(f"exam.general_prompts: {error}") from error
    prompts = [_prompt(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if len({one.prompt for one in prompts}) < max(len(prompts), 2):
        raise UserError(f"exam.general_prompts: {path} wants two prompts at least, each once")
    return prompts


def _prompt(path: Path, number: int, line: str) -> GeneralPrompt:
    try:
        row = json.loads(line)
        if isinstance(row, dict) and isinstance(row.get("answer"), str):
            row["answer"] = (row["answer"],)
        return GeneralPrompt.model_validate(row)
    except (ValueError, ValidationError) as error:
        raise UserError(
            f"exam.general_prompts: {path}, line {number}: write "
            '{"prompt": "…"}, with "answer": "…" where it can be matched'
        ) from error


def _messages(one: GeneralPrompt) -> tuple[Message, ...]:
    return (Message(role="user", content=one.prompt),)
