"""A real student, trained on examples by hand, before and after: no judge, no expert.

    python -m benchmarks.students --train FILE --exam FILE --documents FOLDER --title TEXT

A line of `--train` has `question`, `explanation` and `result`; one of `--exam` has `question`,
`answer` and `document`. `--train` may be the folder of a run instead, for the examples it made. How
much of the exam a student knows is measured by how likely it holds the right answer to be (mean
log-likelihood of a token), and by how often that is likelier than each of three other answers to
questions on the same document. Rows: the examples with replay of the student's own answers to
general prompts; the examples alone; distilled, with the student that has the passages as its
teacher; preferred, a pass of pairs after the examples alone; the raw documents at as many tokens.

Keys of the JSON: `student`, `questions`, `examples`, `seeds`, `settings` (of the training);
`before` and, by row, `after` (`likelihood`, `right_of_four`, and the paired gains of both over
questions and seeds); `reading`, the untouched student's share right of four with the passages;
`over_alone` (by row, all measures beside those of the examples alone); `general` (share right of
the general exam before and by row after, with the gain, and the mean log-likelihood of the
untouched student's own answers to general prompts);
`tokens_per_cpu_second` of training; with `--speed`, `answers_per_cpu_second` and
`answers_over_generate`, its ratio to plain `generate` of transformers in batches of 16, and
`tokens_per_cpu_second_over_trl`, with `peak_mb` and `peak_mb_of_trl`, of one pass by TRL's
SFTTrainer, which has to be installed. Trainings that are finished in `--out` are not done again.
"""

import argparse
import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from agents.matchers import Contains
from agents.prompting import Subject
from benchmarks import harness, speeds, tables
from benchmarks.lessons import (
    Base,
    Lesson,
    alone,
    lessons,
    likely,
    of_run,
    pairs,
    right_reading,
    with_teacher,
)
from elenchus import runs
from elenchus.loading import as_change, merged
from elenchus.progress import unseen
from elenchus.records import Gold, Message
from elenchus.sections import ModelConfig
from graphs.config import DomainConfig, validate
from models.backend import Exchange, make_model, precision_of, weights
from models.general import GeneralPrompts
from training import encoding, lora
from training.encoding import Row, Sample
from training.likelihood import likelihoods
from training.objectives import second_stage

Floats = NDArray[np.float64]
EXAMPLES, ALONE, TEXTS = "examples with replay", "examples alone", "raw documents"
DISTILLED, PREFERRED = "distilled", "preferred"
ROWS = (EXAMPLES, ALONE, DISTILLED, PREFERRED, TEXTS)
RESAMPLES = 2000
ASKED = 96  # prompts that measure the speed


class Exam(NamedTuple):
    """Questions on the documents, general ones, and the student's own answers to further ones."""

    subject: Subject
    asked: list[Lesson]
    general: list[Exchange]
    own: list[Sample]


class Taken(NamedTuple):
    """What an exam came to, a value for each question."""

    likelihood: Floats
    right_of_four: Floats
    general: Floats
    own: Floats


def main(arguments: list[str] | None = None) -> int:
    """Train the student by each row and seed, and print what it gained beside what it lost."""
    options = _options(arguments)
    tree = {"domain": "students", "title": options.title, "corpus": {"sources": ["."]}}
    student = {"student": {"model": options.student}}
    config = validate(merged(tree, student, *map(as_change, options.set)), "--set")
    base = Base(weights(config.student), precision_of(config.student))
    subject, documents = Subject(options.title, "English"), _paragraphs(options.documents)
    if options.train.is_dir():
        taught = of_run(options.train)[: options.examples]
    else:
        taught = lessons(options.train, documents, subject)[: options.examples]
    own = _own_answers(config.student, GeneralPrompts().unanswered(), options.out / "own.json")
    asked = lessons(options.exam, documents, subject)
    exam = Exam(subject, asked, list(GeneralPrompts().exam(1000, 0)), own[::2])
    before = _taken(base, config.student, exam, None, options.out / "before.json")
    maker = Maker(config, base, subject, taught, own[1::2], documents, options.out)
    after: dict[str, list[Taken]] = {}
    learnt = []
    for name, seed in itertools.product(options.rows, options.seeds):
        out = options.out / f"{name.replace(' ', '-')}-{seed}"
        if not out.exists():
            learnt.append(maker.train(name, seed, out))
        after.setdefault(name, []).append(
            _taken(base, config.student, exam, out, out.with_suffix(".json"))
        )
    prompts = [lesson.asked(subject) for lesson in [*taught, *asked]][:ASKED]
    reads = _once(options.out / "reading.json", lambda: right_reading(base, asked, subject))
    figures = {
        **(_speeds(base, config, prompts, alone(taught, subject)) if options.speed else {}),
        "student": config.student.model,
        "questions": len(asked),
        "examples": len(taught),
        "seeds": len(options.seeds),
        "settings": config.training.model_dump(),
        "reading": round(len(reads) / len(asked), 4),
        "before": {key: round(float(getattr(before, key).mean()), 4) for key in MEASURES},
        "after": {
            name: {key: _gain(before, taken, key) for key in MEASURES}
            for name, taken in after.items()
        },
        "over_alone": _over_alone(after),
        "general": {
            "before": {key: round(float(getattr(before, key).mean()), 4) for key in KEPT},
            "after": {
                name: {key: _gain(before, taken, key) for key in KEPT}
                for name, taken in after.items()
            },
        },
        "tokens_per_cpu_second": round(float(np.mean(learnt)), 1) if learnt else None,
    }
    harness.publish(figures, options, show)
    return 0


MEASURES = ("likelihood", "right_of_four")
KEPT = ("general", "own")


def _taken(base: Base, student: ModelConfig, exam: Exam, adapter: Path | None, to: Path) -> Taken:
    """Take all exams, once."""

    def values() -> dict[str, list[float]]:
        taken = take(base, student, exam, adapter)._asdict()
        return {key: list(value) for key, value in taken.items()}

    return Taken(**{key: np.array(value) for key, value in _once(to, values).items()})


def _once(file: Path, make: Callable[[], Any]) -> Any:
    """Return what a file holds; what it should hold is made where there is none."""
    if not file.exists():
        runs.write_json(file, make())
    return json.loads(file.read_text(encoding="utf-8"))


def take(base: Base, student: ModelConfig, exam: Exam, adapter: Path | None) -> Taken:
    """Take all exams with an adapter, or with the untouched student."""
    odds, right = likely(base, exam.asked, lambda lesson: lesson.asked(exam.subject), adapter)
    own = np.array(likelihoods(base.folder, exam.own, adapter, base.precision))
    answers = _answers(student, [messages for messages, _ in exam.general], adapter)
    matched = [_matches(text, gold) for text, (_, gold) in zip(answers, exam.general, strict=True)]
    return Taken(odds, right.astype(float), np.array(matched, float), own)


def _matches(answer: str, gold: str) -> bool:
    grade = Contains(None, Subject("", "English")).grade  # type: ignore[arg-type]  # asks nobody
    return asyncio.run(grade("", Gold(text=gold, result=gold), [answer])).results[0]


def _answers(
    student: ModelConfig, prompts: Sequence[Any], adapter: Path | None = None
) -> list[str]:
    """Return the student's most likely answers."""
    chat = make_model(student.model_copy(update={"temperature": 0.0}), adapter).chat
    chats = [[(m.role, m.content) for m in messages] for messages in prompts]

    async def ask() -> list[str]:
        return [reply.text for reply in await chat.abatch(chats)]

    return asyncio.run(ask())


def _speeds(
    base: Base,
    config: DomainConfig,
    prompts: Sequence[tuple[Message, ...]],
    samples: Sequence[Sample],
) -> dict[str, float]:
    limit = int(config.student.options["max_new_tokens"])
    beside = speeds.training_beside_trl(base, samples, config.training)
    return speeds.answering(base, limit, prompts) | beside


def _own_answers(
    student: ModelConfig, prompts: Sequence[tuple[Message, ...]], file: Path
) -> list[Sample]:
    """Return the untouched student's answers to prompts, which it is asked for once."""
    answers = _once(file, lambda: _answers(student, prompts))
    pairs = zip(prompts, answers, strict=True)
    return [Sample(messages, answer) for messages, answer in pairs if answer]


class Maker(NamedTuple):
    """Trains the student by a row; `own` are its answers to be replayed."""

    config: DomainConfig
    base: Base
    subject: Subject
    taught: list[Lesson]
    own: list[Sample]
    documents: dict[str, list[str]]
    folder: Path

    def train(self, name: str, seed: int, out: Path) -> float:
        """Train by a row; return the tokens learnt in a CPU second."""
        settings, start = self.config.training, None
        if name == PREFERRED:
            settings = second_stage(settings)
            start = self.folder / f"{ALONE.replace(' ', '-')}-{seed}"
            plan = encoding.batches(self._pairs(), settings, seed)
        else:
            plan = self._plan(name, seed)
        began = time.process_time()
        lora.train(
            self.base.folder, plan, settings, seed, out, unseen, start,
            precision=self.base.precision,
        )  # fmt: skip
        return encoding.tokens(plan) / (time.process_time() - began)

    def _plan(self, name: str, seed: int) -> list[list[Row]]:
        """Return the batches of a row; those of raw documents have as many tokens as examples."""
        settings = self.config.training
        made = alone(self.taught, self.subject)
        if name == DISTILLED:
            known = _once(
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
        wrong = _own_answers(self.config.student, prompts, self.folder / "wrong.json")
        answers = {sample.prompt: sample.completion for sample in wrong}
        said = [answers.get(prompt, "") for prompt in prompts]
        return self._rows(pairs(self.taught, self.subject, said))

    def _rows(self, made: Sequence[Sample]) -> list[Row]:
        rows = encoding.encoded(self.base.folder, made)
        return [row for row in rows if len(row["input_ids"]) <= self.config.training.max_tokens]


def _paragraphs(folder: Path) -> dict[str, list[str]]:
    """Return the paragraphs of the documents in a folder, by the document's name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))}
    return {
        name: [part.strip() for part in text.split("\n\n") if part.strip()]
        for name, text in texts.items()
    }


def _over_alone(after: dict[str, list[Taken]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return what other rows gain over the examples alone, where these were trained."""
    if ALONE not in after:
        return {}
    base = Taken(*(np.mean(values, axis=0) for values in zip(*after[ALONE], strict=True)))
    return {
        name: {key: _gain(base, taken, key) for key in (*MEASURES, *KEPT)}
        for name, taken in after.items()
        if name != ALONE
    }


def _gain(before: Taken, after: Sequence[Taken], key: str) -> dict[str, float]:
    """Return a mean after training, and its paired gain with an interval over questions."""
    values = np.mean([getattr(taken, key) for taken in after], axis=0)
    change = values - getattr(before, key)
    interval = stats.bootstrap(
        (change,), np.mean, n_resamples=RESAMPLES, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    named: dict[str, Callable[[], float]] = {
        "value": values.mean,
        "gain": change.mean,
        "low": lambda: interval.low,
        "high": lambda: interval.high,
    }
    return {name: round(float(number()), 4) for name, number in named.items()}


def show(figures: dict[str, Any]) -> None:
    """Print the measures before, and by row after, with their gains."""
    console = tables.wide()
    console.print(
        f"{figures['student']}: {figures['examples']} examples, {figures['questions']} questions, "
        f"{figures['seeds']} seeds"
    )
    for key, where in (*((k, "") for k in MEASURES), *((k, "general") for k in KEPT)):
        of = figures[where] if where else figures
        console.print(f"{key}: before {of['before'][key]:.3f}")
        for name, cells in of["after"].items():
            cell = cells[key]
            interval = f"{cell['gain']:+.3f} [{cell['low']:+.3f}, {cell['high']:+.3f}]"
            console.print(f"  {name}: {cell['value']:.3f}, {interval}")
    for name, cells in figures["over_alone"].items():
        told = (f"{key} {c['gain']:+.3f} [{c['low']:+.3f}, {c['high']:+.3f}]"
                for key, c in cells.items())  # fmt: skip
        console.print(f"{name}, beside the examples alone: {', '.join(told)}")
    console.print(f"right of four with the passages, before: {figures['reading']:.3f}")
    console.print(f"tokens trained on a CPU second: {figures['tokens_per_cpu_second']}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = harness.parser("students", "A real student, before and after.", seeds=3)
    add = parser.add_argument
    add("--train", type=Path, required=True, help="JSONL of examples, or the folder of a run")
    add("--exam", type=Path, required=True, help="JSONL of questions and answers")
    add("--documents", type=Path, required=True, help="folder of the documents, as Markdown")
    add("--title", required=True, help="what the documents are about, in a line")
    add("--student", default="smollm2", help="model to train")
    add("--examples", type=int, help="examples to train on, from the first; else all")
    add(
        "--rows",
        nargs="+",
        default=[EXAMPLES, ALONE, DISTILLED, PREFERRED, TEXTS],
        help="what to train on",
    )
    add("--speed", action="store_true", help="measure answers a CPU second, too")
    add("--set", action="append", default=[], help="a setting, as training.epochs=8")
    return harness.parsed(parser, arguments)


if __name__ == "__main__":
    harness.run_program(main)
