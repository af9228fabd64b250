"""A real student, trained on examples by hand, before and after: no judge, no expert.

    elenchus bench students --train FILE --exam FILE --documents FOLDER --title TEXT    # hours
    elenchus bench students … --quick    # minutes: a little of everything, of no worth as figures

A line of `--train` has `question`, `explanation` and `result`; one of `--exam` has `question`,
`answer` and `document`. `--train` may be the folder of a run instead, for the examples it made. How
much of the exam a student knows is measured by how likely it holds the right answer to be (mean
log-likelihood of a token), and by how often that is likelier than each of three other answers to
questions on the same document. With `--answers` it is asked the exam as well, without passages,
and is right where its result is the right answer, word for word: for exams with short answers, in
the form that `--set answers.template=…` names.

`--rows`: the examples with replay of the student's own answers to general prompts, of half of them
or, with `--all-replayed`, of all, as a run replays them; the examples alone; distilled, with the
student that has the passages as its teacher; preferred, a pass of pairs after the examples alone,
which are trained first; the raw documents at as many tokens.

Keys of the JSON: `student`, `questions`, `examples`, `seeds`, `settings` (of the training);
`before` and, by row, `after` (`likelihood`, `right_of_four`, with `--answers` `right`, and their
paired gains over questions and seeds); `reading`, the untouched student's share right of four with
the passages; `over_alone` (by row, all measures beside those of the examples alone); `general`
(share right of the general exam before and by row after, with the gain, and the mean log-likelihood
of the untouched student's own answers to those general prompts whose answers are not replayed);
`tokens_per_cpu_second` of training, and `tokens_per_second` of wall time, null where nothing was
left to train. With `--speed`, which needs TRL: `answers_per_cpu_second`, `answers_per_second`, and
their ratios to plain `generate` of transformers in batches of 16, `answers_over_generate` and
`answers_per_second_over_generate`; beside TRL's SFTTrainer `tokens_per_cpu_second_over_trl` and
`tokens_per_second_over_trl`, with `peak_mb` and `peak_mb_of_trl` of memory, on a GPU the GPU's.

What is finished in `--out` is not done again: further `--rows` and `--seeds` are added to it.
Other inputs or settings are refused there.
"""

import argparse
import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from agents.matchers import Contains, Exact, Matcher
from agents.prompting import Subject
from benchmarks import harness, speeds, tables
from benchmarks.lessons import Base, Lesson, alone, lessons, likely, of_run, right_reading
from benchmarks.speeds import Pace
from benchmarks.teaching import (
    ALONE,
    DISTILLED,
    ROWS,
    Maker,
    answers,
    in_order,
    once,
    own_answers,
)
from elenchus.errors import UserError
from elenchus.loading import as_change, merged, read_text
from elenchus.records import Gold, digest
from elenchus.sections import ModelConfig
from graphs.config import DomainConfig, validate
from models.backend import Exchange, backend, precision_of, weights
from models.general import GeneralPrompts
from models.weights import file_hash, weights_hash
from training.encoding import Sample
from training.likelihood import likelihoods

Floats = NDArray[np.float64]
RESAMPLES = 2000
ASKED = 96  # prompts that measure the speed


class Size(NamedTuple):
    """How much is trained on and asked, at most; None is all."""

    rows: Sequence[str] = ROWS
    examples: int | None = None
    questions: int | None = None
    general: int = 1000  # prompts of the general exam, and again of further ones
    changes: Mapping[str, Any] = MappingProxyType({})  # of settings


WHOLE = Size()
BRIEF = {"training": {"epochs": 1, "least_steps": 1, "batch_size": 3}}
SHORT = {"student": {"options": {"max_new_tokens": 32}}}
QUICK = Size((ALONE, DISTILLED), 6, 6, 6, BRIEF | SHORT)


class Exam(NamedTuple):
    """Questions on the documents, general ones, and the student's own answers to further ones."""

    subject: Subject
    asked: list[Lesson]
    general: list[Exchange]
    own: list[Sample]
    answered: bool  # whether the student is asked the questions, or likelihoods alone are taken


class Taken(NamedTuple):
    """What an exam came to, a value for each question."""

    likelihood: Floats
    right_of_four: Floats
    general: Floats
    own: Floats
    right: Floats  # empty where the questions are not answered


def main(arguments: list[str] | None = None) -> int:
    """Train the student by each row and seed, and print what it gained beside what it lost."""
    options = _options(arguments)
    if options.speed:
        speeds.check_comparable()
    size = QUICK if options.quick else WHOLE
    config = _config(options, size)
    base = Base(weights(config.student), precision_of(config.student))
    subject = Subject(options.title, "English", form=config.answer_form)
    documents = _paragraphs(options.documents)
    taught = (
        of_run(options.train)
        if options.train.is_dir()
        else lessons(options.train, documents, subject)
    )[: options.examples or size.examples]
    asked = lessons(options.exam, documents, subject)[: size.questions]
    harness.keep_to(options.out, _made_of(options, config, base, documents))
    further = GeneralPrompts().unanswered()[: size.general]
    own = own_answers(config.student, further, options.out / "own.json")
    kept, replayed = ([], own) if options.all_replayed else (own[::2], own[1::2])
    general = list(GeneralPrompts().exam(size.general, 0))
    exam = Exam(subject, asked, general, kept, options.answers)
    before = _taken(base, config.student, exam, None, options.out / "before.json")
    maker = Maker(config, base, subject, taught, replayed, documents, options.out)
    after: dict[str, list[Taken]] = {}
    learnt = []
    for name, seed in itertools.product(in_order(options.rows or size.rows), options.seeds):
        adapter = maker.place(name, seed)
        if not adapter.exists():
            learnt.append(maker.train(name, seed))
        taken = _taken(base, config.student, exam, adapter, adapter.with_suffix(".json"))
        after.setdefault(name, []).append(taken)
    reads = once(options.out / "reading.json", lambda: right_reading(base, asked, subject))
    figures = {
        **(_speeds(base, config, taught, exam) if options.speed else {}),
        "student": config.student.model,
        "questions": len(asked),
        "examples": len(taught),
        "seeds": len(options.seeds),
        "settings": config.training.model_dump(),
        "reading": round(len(reads) / len(asked), 4),
        **_changes(before, after),
        **_paces(learnt),
    }
    harness.publish(figures, options, show)
    return 0


def _config(options: argparse.Namespace, size: Size) -> DomainConfig:
    tree = {
        "domain": "students",
        "title": options.title,
        "corpus": {"sources": ["."]},
        "student": {"model": options.student},
    }
    return validate(merged(tree, dict(size.changes), *map(as_change, options.set)), "--set")


def _made_of(
    options: argparse.Namespace, config: DomainConfig, base: Base, documents: dict[str, list[str]]
) -> dict[str, Any]:
    """Return what all files in `--out` depend on, by the option that says it."""
    train = options.train
    student = config.student.model_dump(mode="json")
    return {
        "--train": file_hash(train / "dataset" / "train.jsonl" if train.is_dir() else train),
        "--exam": file_hash(options.exam),
        "--documents": digest(repr(documents)),
        "--title": options.title,
        "--examples": options.examples,
        "--quick": options.quick,
        "--answers": options.answers,
        "--all-replayed": options.all_replayed,
        "--student": [student.pop("model"), weights_hash(base.folder)],
        "--set": [
            student,
            *(part.model_dump(mode="json") for part in (config.training, config.answers)),
        ],
        "precision": str(base.precision),
    }


MEASURES = ("likelihood", "right_of_four", "right")
KEPT = ("general", "own")


def _taken(base: Base, student: ModelConfig, exam: Exam, adapter: Path | None, to: Path) -> Taken:
    """Take all exams, once."""

    def values() -> dict[str, list[float]]:
        taken = take(base, student, exam, adapter)._asdict()
        return {key: list(value) for key, value in taken.items()}

    return Taken(**{key: np.array(value) for key, value in once(to, values).items()})


def take(base: Base, student: ModelConfig, exam: Exam, adapter: Path | None) -> Taken:
    """Take all exams with an adapter, or with the untouched student."""
    odds, right = likely(base, exam.asked, lambda lesson: lesson.asked(exam.subject), adapter)
    own = np.array(likelihoods(base.folder, exam.own, adapter, base.precision))
    said = answers(student, [messages for messages, _ in exam.general], adapter)
    general = _matched(Contains, Subject("", "English"), said, [gold for _, gold in exam.general])
    return Taken(odds, right.astype(float), general, own, _right(student, exam, adapter))


def _right(student: ModelConfig, exam: Exam, adapter: Path | None) -> Floats:
    """Ask the questions without passages, and tell which results are the right ones."""
    asked = exam.asked if exam.answered else []
    said = answers(student, [lesson.asked(exam.subject) for lesson in asked], adapter)
    return _matched(Exact, exam.subject, said, [lesson.result for lesson in asked])


def _matched(
    matcher: type[Matcher], subject: Subject, said: Sequence[str], wanted: Sequence[str]
) -> Floats:
    grade = matcher(None, subject).grade  # type: ignore[arg-type]  # asks nobody
    right = [
        asyncio.run(grade("", Gold(text=gold, result=gold), [answer])).results[0]
        for answer, gold in zip(said, wanted, strict=True)
    ]
    return np.array(right, float)


def _speeds(
    base: Base, config: DomainConfig, taught: Sequence[Lesson], exam: Exam
) -> dict[str, float]:
    """Return how fast the student answers and learns, beside others."""
    prompts = [lesson.asked(exam.subject) for lesson in [*taught, *exam.asked]][:ASKED]
    limit = backend(config.student.model).max_new_tokens(config.student)
    assert limit is not None, "what runs here has a limit"
    beside = speeds.training_beside_trl(base, alone(taught, exam.subject), config.training)
    return speeds.answering(base, limit, prompts) | beside


def _paces(learnt: Sequence[Pace]) -> dict[str, float | None]:
    """Return the mean speed of trainings, by wall time too."""
    return {
        f"tokens_{key}": round(float(np.mean([getattr(pace, key) for pace in learnt])), 1)
        if learnt
        else None
        for key in Pace._fields
    }


def _paragraphs(folder: Path) -> dict[str, list[str]]:
    """Return the paragraphs of the documents in a folder, by the document's name."""
    texts = {path.name: read_text(path) for path in sorted(folder.rglob("*.md"))}
    if not texts:
        raise UserError(f"--documents: there is no Markdown (*.md) in {folder}")
    return {
        name: [part.strip() for part in text.split("\n\n") if part.strip()]
        for name, text in texts.items()
    }


def _changes(before: Taken, after: dict[str, list[Taken]]) -> dict[str, Any]:
    """Return all measures before, and by row after."""

    def measured(keys: Sequence[str]) -> dict[str, Any]:
        return {
            "before": {key: round(float(getattr(before, key).mean()), 4) for key in keys},
            "after": {
                name: {key: _gain(before, taken, key) for key in keys}
                for name, taken in after.items()
            },
        }

    known, kept = ([k for k in keys if getattr(before, k).size] for keys in (MEASURES, KEPT))
    return measured(known) | {"over_alone": _over_alone(after), "general": measured(kept)}


def _over_alone(after: dict[str, list[Taken]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return what other rows gain over the examples alone, where these were trained."""
    if ALONE not in after:
        return {}
    base = Taken(*(np.mean(values, axis=0) for values in zip(*after[ALONE], strict=True)))
    return {
        name: {
            key: _gain(base, taken, key) for key in (*MEASURES, *KEPT) if getattr(base, key).size
        }
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
    general = figures["general"]
    measured = [(figures, key) for key in figures["before"]]
    for of, key in [*measured, *((general, key) for key in general["before"])]:
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
    console.print(
        f"tokens trained on a CPU second: {figures['tokens_per_cpu_second']}, "
        f"a second: {figures['tokens_per_second']}"
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    about = "A real student, before and after."
    parser = harness.parser("students", about, seeds=3, in_processes=False)
    add = parser.add_argument
    add("--train", type=Path, required=True, help="JSONL of examples, or the folder of a run")
    add("--exam", type=Path, required=True, help="JSONL of questions and answers")
    add("--documents", type=Path, required=True, help="folder of the documents, as Markdown")
    add("--title", required=True, help="what the documents are about, in a line")
    add("--student", default="smollm2", help="model to train")
    add("--examples", type=harness.count, help="examples to train on, from the first; else all")
    add("--rows", nargs="+", choices=ROWS, help="what to train on; else all")
    add("--answers", action="store_true", help="also ask the exam, and match short answers")
    add("--speed", action="store_true", help="measure answers and tokens a second beside others'")
    add("--all-replayed", action="store_true", help="replay all own answers, and measure by none")
    add("--set", action="append", default=[], help="a setting, as training.epochs=8")
    return harness.parsed(parser, arguments)


if __name__ == "__main__":
    harness.run_program(main)
