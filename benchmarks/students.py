"""A real student, trained on examples by hand, before and after: no judge, no expert.

    python -m benchmarks.students --train FILE --exam FILE --documents FOLDER --title TEXT

A line of `--train` has `question`, `explanation` and `result`; one of `--exam` has `question`,
`answer` and `document`. How much of the exam a student knows is measured by how likely it holds the
right answer to be (mean log-likelihood of a token), and by how often that is likelier than each of
three answers to other questions on the same document. Rows: the examples with replay of the
student's own answers to general prompts, the examples alone, the raw documents at as many tokens.

Keys of the JSON: `student`, `questions`, `examples`, `seeds`, `settings` (of the training);
`before` and, by row, `after` (`likelihood`, `right_of_four`, and the paired gains of both over
questions and seeds); `general` (share right of the general exam before and by row after, with the
gain, and the mean log-likelihood of the untouched student's own answers to general prompts);
`tokens_per_cpu_second` of training; with `--speed`, `answers_per_cpu_second` and
`answers_over_generate`, its ratio to plain `generate` of transformers in batches of 16. Trainings
that are finished in `--out` are not done again.
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
from agents.student import prompted
from benchmarks import harness, tables
from elenchus import runs
from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.loading import as_change, merged
from elenchus.progress import unseen
from elenchus.records import Gold, Message
from elenchus.sections import ModelConfig
from graphs.config import validate
from models.backend import Exchange, make_model, weights
from models.general import GeneralPrompts
from models.pretrained import load_causal, load_tokenizer
from models.templates import rendered
from training import encoding, lora
from training.encoding import Sample
from training.likelihood import likelihoods

Floats = NDArray[np.float64]
OTHERS = 3  # answers to other questions that a right one is compared with
EXAMPLES, ALONE, TEXTS = "examples with replay", "examples alone", "raw documents"
RESAMPLES = 2000
ASKED, PLAIN_BATCH = 96, 16  # prompts that measure the speed, and a batch of plain `generate`


class Exam(NamedTuple):
    """Questions with their right answers, and three others for each; and general ones."""

    right: list[Sample]
    others: list[Sample]
    general: list[Exchange]
    own: list[Sample]  # the untouched student's answers to general prompts that are not replayed


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
    base = weights(config.student)
    subject = Subject(options.title, "English")
    samples = [
        Sample(
            prompted(subject, row["question"]).messages,
            subject.form.text(row["explanation"], row["result"]),
        )
        for row in _rows(options.train, "question", "explanation", "result")[: options.examples]
    ]
    exam = _exam(subject, _rows(options.exam, "question", "answer", "document"))
    own = _own_answers(config.student, options.out / "own.json")
    exam = exam._replace(own=own[::2])
    before = _taken(base, config.student, exam, None, options.out / "before.json")
    after: dict[str, list[Taken]] = {}
    speeds = []
    for name, seed in itertools.product(options.rows, options.seeds):
        plan = _plan(name, base, samples, own[1::2], options.documents, config.training, seed)
        out = options.out / f"{name.replace(' ', '-')}-{seed}"
        began = time.process_time()
        if not out.exists():
            lora.train(base, plan, config.training, seed, out, unseen)
            speeds.append(encoding.tokens(plan) / (time.process_time() - began))
        after.setdefault(name, []).append(
            _taken(base, config.student, exam, out, out.with_suffix(".json"))
        )
    prompts = [sample.prompt for sample in [*samples, *exam.right]][:ASKED]
    figures = {
        **(_speed(base, config.student, prompts) if options.speed else {}),
        "student": config.student.model,
        "questions": len(exam.right),
        "examples": len(samples),
        "seeds": len(options.seeds),
        "settings": config.training.model_dump(),
        "before": {key: round(float(getattr(before, key).mean()), 4) for key in MEASURES},
        "after": {
            name: {key: _gain(before, taken, key) for key in MEASURES}
            for name, taken in after.items()
        },
        "general": {
            "before": {key: round(float(getattr(before, key).mean()), 4) for key in KEPT},
            "after": {
                name: {key: _gain(before, taken, key) for key in KEPT}
                for name, taken in after.items()
            },
        },
        "tokens_per_cpu_second": round(float(np.mean(speeds)), 1) if speeds else None,
    }
    harness.publish(figures, options, show)
    return 0


MEASURES = ("likelihood", "right_of_four")
KEPT = ("general", "own")


def _taken(base: Path, student: ModelConfig, exam: Exam, adapter: Path | None, to: Path) -> Taken:
    """Take all exams, once: what they came to is kept in a file."""
    if not to.exists():
        values = take(base, student, exam, adapter)._asdict()
        runs.write_json(to, {key: list(value) for key, value in values.items()})
    return Taken(**{key: np.array(v) for key, v in json.loads(to.read_text()).items()})


def take(base: Path, student: ModelConfig, exam: Exam, adapter: Path | None) -> Taken:
    """Take all exams with an adapter, or with the untouched student."""
    odds = np.array(likelihoods(base, [*exam.right, *exam.others, *exam.own], adapter))
    count = len(exam.right)
    right, rest = odds[:count], odds[count:]
    others = rest[: count * OTHERS].reshape(count, OTHERS)
    answers = _answers(student, [messages for messages, _ in exam.general], adapter)
    matched = [_matches(text, gold) for text, (_, gold) in zip(answers, exam.general, strict=True)]
    best = right > others.max(axis=1)
    return Taken(right, best.astype(float), np.array(matched, float), rest[count * OTHERS :])


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


def _speed(
    base: Path, student: ModelConfig, prompts: Sequence[tuple[Message, ...]]
) -> dict[str, float]:
    """Return the answers that the untouched student gives in a CPU second, and by `generate`."""
    import torch

    tokenizer, model = load_tokenizer(base), load_causal(base).eval()
    limit = int(student.options["max_new_tokens"])
    texts = [
        rendered(tokenizer, [m.model_dump() for m in messages], tokenize=False,
                 add_generation_prompt=True)
        for messages in prompts
    ]  # fmt: skip
    _answers(student, prompts[:1])  # loads the model
    began = time.process_time()
    _answers(student, prompts)
    ours = len(prompts) / (time.process_time() - began)
    began = time.process_time()
    for start in range(0, len(texts), PLAIN_BATCH):
        batch = tokenizer(texts[start : start + PLAIN_BATCH], return_tensors="pt", padding=True,
                          padding_side="left", add_special_tokens=False)  # fmt: skip
        with torch.inference_mode():
            model.generate(**batch, max_new_tokens=limit, do_sample=False)
    plain = len(prompts) / (time.process_time() - began)
    return {
        "answers_per_cpu_second": round(ours, 3),
        "answers_over_generate": round(ours / plain, 2),
    }


def _own_answers(student: ModelConfig, file: Path) -> list[Sample]:
    """Return the untouched student's answers to general prompts, which it is asked for once."""
    prompts = GeneralPrompts().unanswered()
    if not file.exists():
        runs.write_json(file, _answers(student, prompts))
    answers = json.loads(file.read_text(encoding="utf-8"))
    pairs = zip(prompts, answers, strict=True)
    return [Sample(messages, answer) for messages, answer in pairs if answer]


def _exam(subject: Subject, rows: list[dict[str, str]]) -> Exam:
    """Make the exam: each question with its answer, and with others on its document."""
    rng = random.Random("students")
    right, others = [], []
    for row in rows:
        prompt = prompted(subject, row["question"]).messages
        of_document = [
            other["answer"]
            for other in rows
            if other["document"] == row["document"] and other is not row
        ]
        if len(of_document) < OTHERS:
            raise UserError(f"--exam: {row['document']} wants {OTHERS + 1} questions at least")
        right.append(Sample(prompt, row["answer"]))
        others += [Sample(prompt, answer) for answer in rng.sample(of_document, OTHERS)]
    return Exam(right, others, list(GeneralPrompts().exam(1000, 0)), [])


def _plan(
    name: str,
    base: Path,
    samples: list[Sample],
    own: list[Sample],
    documents: Path,
    config: TrainingConfig,
    seed: int,
) -> list[list[encoding.Row]]:
    """Return the batches of a row; those of raw documents have as many tokens as the examples."""
    count = min(round(config.replay * len(samples)), len(own))
    replay = random.Random(f"replay/{seed}").sample(own, count) if name == EXAMPLES else []
    rows = encoding.encoded(base, [*samples, *replay])
    plan = encoding.batches([row for row in rows if _fits(row, config)], config, seed)
    if name != TEXTS:
        return plan
    rows = [row for row in encoding.encoded(base, _texts(documents)) if _fits(row, config)]
    long = config.model_copy(update={"epochs": 100.0})
    whole, wanted, taken = encoding.batches(rows, long, seed), encoding.tokens(plan), 0
    for step, batch in enumerate(whole, 1):
        taken += encoding.tokens([batch])
        if taken >= wanted:
            return whole[:step]
    return whole


def _fits(row: encoding.Row, config: TrainingConfig) -> bool:
    return len(row["input_ids"]) <= config.max_tokens


def _texts(documents: Path) -> list[Sample]:
    """Return the paragraphs of all documents, to be learnt as they stand."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(documents.rglob("*.md"))]
    paragraphs = [part.strip() for text in texts for part in text.split("\n\n")]
    return [Sample((), paragraph) for paragraph in paragraphs if paragraph]


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


def _rows(file: Path, *columns: str) -> list[dict[str, str]]:
    """Read lines of JSON; UserError where one lacks a column."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    for number, row in enumerate(rows, 1):
        if missing := [name for name in columns if not row.get(name)]:
            raise UserError(f"{file}, line {number}: no {', '.join(missing)}")
    return rows


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
    console.print(f"tokens trained on a CPU second: {figures['tokens_per_cpu_second']}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = harness.parser("students", "A real student, before and after.", seeds=3)
    add = parser.add_argument
    add("--train", type=Path, required=True, help="JSONL of examples")
    add("--exam", type=Path, required=True, help="JSONL of questions and answers")
    add("--documents", type=Path, required=True, help="folder of the documents, as Markdown")
    add("--title", required=True, help="what the documents are about, in a line")
    add("--student", default="smollm2", help="model to train")
    add("--examples", type=int, help="examples to train on, from the first; else all")
    add("--rows", nargs="+", default=[EXAMPLES, ALONE, TEXTS], help="what to train on")
    add("--speed", action="store_true", help="measure answers a CPU second, too")
    add("--set", action="append", default=[], help="a setting, as training.epochs=8")
    return harness.parsed(parser, arguments)


if __name__ == "__main__":
    harness.run_program(main)
