"""Trains a student by each row of the comparison of students, on the same examples."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agents.prompting import Subject
from benchmarks.lessons import Base, Lesson, alone, pairs, right_reading, with_teacher
from benchmarks.speeds import Pace, took
from elenchus import runs
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Message
from elenchus.sections import ModelConfig
from graphs.config import DomainConfig
from models.backend import make_model
from training import encoding, lora
from training.encoding import Row, Sample
from training.objectives import second_stage

EXAMPLES, ALONE, TEXTS = "examples with replay", "examples alone", "raw documents"
DISTILLED, PREFERRED = "distilled", "preferred"
ROWS = (EXAMPLES, ALONE, DISTILLED, PREFERRED, TEXTS)
OBJECTIVES = (ALONE, DISTILLED, PREFERRED)


def in_order(rows: Sequence[str]) -> list[str]:
    """Return rows, each once, those that others start from before them, asked for or not."""
    wanted = {*rows, ALONE} if PREFERRED in rows else set(rows)
    return [row for row in ROWS if row in wanted]


class Maker(NamedTuple):
    """Trains the student by a row; `own` are its answers to be replayed."""

    config: DomainConfig
    base: Base
    subject: Subject
    taught: list[Lesson]
    own: list[Sample]
    documents: dict[str, list[str]]
    folder: Path

    def place(self, name: str, seed: int) -> Path:
        """Return the folder of the adapter of a row and seed."""
        return self.folder / f"{name.replace(' ', '-')}-{seed}"

    def train(self, name: str, seed: int) -> Pace:
        """Train by a row; return how fast its tokens were learnt."""
        settings, start, out = self.config.training, None, self.place(name, seed)
        if name == PREFERRED:
            settings = second_stage(settings)
            start = self.place(ALONE, seed)
            plan = encoding.batches(self._pairs(), settings, seed)
        else:
            objective = "distil" if name == DISTILLED else "sft"
            settings = settings.model_copy(update={"objective": objective})
            plan = self._plan(name, seed)
        seconds = took(
            lambda: lora.train(
                self.base.folder, plan, settings, seed, out, unseen, start,
                precision=self.base.precision,
            )
        )  # fmt: skip
        return seconds.pace(encoding.tokens(plan))

    def _plan(self, name: str, seed: int) -> list[list[Row]]:
        """Return the batches of a row; those of raw documents have as many tokens as examples."""
        settings = self.config.training
        made = alone(self.taught, self.subject)
        if name == DISTILLED:
            known = once(
                self.folder / "taught.json",
                lambda: right_reading(self.base, self.taught, self.subject),
            )
            made = with_teacher(self.taught, self.subject, known)
        count = min(round(settings.replay * len(made)), len(self.own))
        replayed = random.Random(f"replay/{seed}").sample(self.own, count)
        plan = encoding.batches(
            self._rows([*made, *(replayed if name == EXAMPLES else ())]), settings, seed
        )
        if name != TEXTS:
            return plan
        paragraphs = [Sample((), text) for texts in self.documents.values() for text in texts]
        long = settings.model_copy(update={"epochs": 100.0})
        whole = encoding.batches(self._rows(paragraphs), long, seed)
        wanted, taken = encoding.tokens(plan), 0
        for step, batch in enumerate(whole, 1):
            taken += encoding.tokens([batch])
            if taken >= wanted:
                return whole[:step]
        return whole

    def _pairs(self) -> list[Row]:
        prompts = [lesson.asked(self.subject) for lesson in self.taught]
        wrong = own_answers(self.config.student, prompts, self.folder / "wrong.json")
        answered = {sample.prompt: sample.completion for sample in wrong}
        said = [answered.get(prompt, "") for prompt in prompts]
        made = pairs(self.taught, self.subject, said)
        if not made:
            raise UserError(f"the student's own answers are all right: leave {PREFERRED!r} out")
        return self._rows(made)

    def _rows(self, made: Sequence[Sample]) -> list[Row]:
        rows = encoding.encoded(self.base.folder, made)
        return [row for row in rows if len(row["input_ids"]) <= self.config.training.max_tokens]


def once(file: Path, make: Callable[[], Any]) -> Any:
    """Return what a file holds; what it should hold is made where there is none."""
    if not file.exists():
        runs.write_json(file, make())
    return json.loads(file.read_text(encoding="utf-8"))


def own_answers(
    student: ModelConfig, prompts: Sequence[tuple[Message, ...]], file: Path
) -> list[Sample]:
    """Return the untouched student's answers to prompts, which it is asked for once."""
    said = once(file, lambda: answers(student, prompts))
    both = zip(prompts, said, strict=True)
    return [Sample(messages, answer) for messages, answer in both if answer]


def answers(student: ModelConfig, prompts: Sequence[Any], adapter: Path | None = None) -> list[str]:
    """Return the student's most likely answers."""
    chat = make_model(student.model_copy(update={"temperature": 0.0}), adapter).chat
    chats = [[(m.role, m.content) for m in messages] for messages in prompts]

    async def ask() -> list[str]:
        return [reply.text for reply in await chat.abatch(chats)]

    return asyncio.run(ask())
