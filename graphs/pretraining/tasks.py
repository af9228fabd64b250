"""The problems of tasks, from tables: read and checked before anything is paid for.

What cannot be used is left out and counted; a task without a problem to learn or to be judged on is
refused.
"""

import hashlib
import random
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agents.matching import matches

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from graphs.pretraining.config import COLUMN, TaskConfig
from graphs.pretraining.records import Problem
from retrieval import tables
from retrieval.selection.overlap import Overlap

SHOWN = 3  # examples in a message
LETTERS = string.ascii_uppercase
Split = Literal["train", "test"]


class Collected(NamedTuple):
    """Problems to write about, and by task those to be judged on; rows left out, by reason."""

    train: list[Problem]
    test: list[Problem]
    left_out: Counter[str]


def collect(tasks: Mapping[str, TaskConfig], folder: Path, seed: int) -> Collected:
    """The problems of all tasks, as many of each as are wanted, drawn by the seed.

    Problems of a training table that stand in any test table, or copy one of it, are left out.

    Raises:
        UserError: a table cannot be read, or gives a task no problem.
    """
    left_out: Counter[str] = Counter()
    test = [p for name in tasks for p in _table(name, tasks[name], "test", folder, left_out)]
    tested, overlap = {_plain(p.bare) for p in test}, Overlap.of(p.bare for p in test)
    train = []
    for name, task in tasks.items():
        found = _table(name, task, "train", folder, left_out)
        apart = [p for p in found if _plain(p.bare) not in tested and not overlap.copies(p.bare)]
        left_out["stands in a test, too"] += len(found) - len(apart)
        if not apart:
            raise UserError(f"tasks.{name}.train: every problem stands in a test table, too")
        train += _drawn(apart, task.problems, f"problems/{seed}/{name}")
    kept = [
        problem
        for name, task in tasks.items()
        for problem in _drawn([p for p in test if p.task == name], task.tests, f"tests/{name}")
    ]
    return Collected(train, kept, +left_out)


def fingerprint(collected: Collected) -> str:
    """SHA-256 over all that was collected."""
    ids = sorted(problem.id for problem in (*collected.train, *collected.test))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _table(
    name: str, task: TaskConfig, split: Split, folder: Path, left_out: Counter[str]
) -> list[Problem]:
    """The problems of a table, each once."""
    source: SourceConfig = task.train if split == "train" else task.test
    key = f"tasks.{name}.{split}"
    columns = [task.answer, *([task.choices] if task.choices else [])]
    columns += COLUMN.findall(task.template) if task.template else [source.text or "question"]
    found: dict[str, Problem] = {}
    bad: list[str] = []
    for place, row in tables.placed_rows(source, columns, folder, key):
        try:
            problem = _problem(row, columns, name, task, place, split == "test")
        except ValueError as error:
            bad.append(f"{place}: {error}")
            continue
        if found.setdefault(_plain(problem.bare), problem) is not problem:
            left_out["repeats another problem"] += 1
    if not found:
        why = f": {'; '.join(bad[:SHOWN])}" if bad else ""
        raise UserError(f"{key}: {tables.named(source)} has no row that can be used{why}")
    if bad:
        left_out[f"{key}: no problem ({'; '.join(bad[:SHOWN])})"] += len(bad)
    return list(found.values())


def _problem(
    row: dict[str, Any] | str,
    columns: Sequence[str],
    name: str,
    task: TaskConfig,
    place: str,
    test: bool,
) -> Problem:
    """A row as a problem; ValueError says why it is none."""
    if isinstance(row, str):
        raise ValueError(row)
    for column in columns:
        if row.get(column) is None or not str(row[column]).strip():
            raise ValueError(f"nothing in the column {column!r}")
    told, answer = row, str(row[task.answer]).strip()
    asked = columns[2:] if task.choices else columns[1:]
    template = task.template or f"{{{asked[0]}}}"
    question = COLUMN.sub(lambda column: str(told[column[1]]).strip(), template)
    bare = "\n".join(str(row[column]).strip() for column in asked)
    if task.choices:
        lettered, answer = _with_choices(row[task.answer], row[task.choices])
        question, bare = f"{question}\n{lettered}", f"{bare}\n{lettered}"
    elif task.how != "grader" and not matches(task.how, answer, answer):
        raise ValueError(f"no answer can be compared with {answer!r} by match: {task.how}")
    (question + answer).encode()  # half a character, as JSON can have it, is a ValueError
    if task.instruction:
        question = f"{task.instruction}\n{question}"
    return Problem(task=name, question=question, answer=answer, place=place, bare=bare, test=test)


def _with_choices(answer: Any, choices: Any) -> tuple[str, str]:
    """The choices with letters, a line each, and the letter of the right one.

    The answer is a place from 0, one of the labels that the choices bring, a letter, or the text.
    """
    labels: list[str] = []
    if isinstance(choices, dict):  # as several sets on the hub have them
        labels = [str(label).strip() for label in choices.get("label") or ()]
        choices = choices.get("text")
    if not isinstance(choices, list) or not 2 <= len(choices) <= len(LETTERS):
        raise ValueError(f"the choices are no list of 2 to {len(LETTERS)}")
    texts = [str(choice).strip() for choice in choices]
    if all(text[:2] == f"{letter})" for text, letter in zip(texts, LETTERS, strict=False)):
        texts = [text[2:].strip() for text in texts]  # they bring letters of their own
    said, letters = str(answer).strip(), list(LETTERS[: len(texts)])
    places = [str(n) for n in range(len(texts))]
    ways = [labels, texts, letters, [letter.lower() for letter in letters], places]
    for known in [places, *ways] if isinstance(answer, int) and not labels else ways:
        if said in known[: len(texts)]:
            lines = (f"{letter}. {text}" for letter, text in zip(letters, texts, strict=True))
            return "\n".join(lines), letters[known.index(said)]
    raise ValueError(f"the answer {said!r} is none of the choices")


def _drawn(problems: Sequence[Problem], most: int | None, seed: str) -> list[Problem]:
    """So many of the problems, the same for a seed, in an order that tells nothing."""
    mixed = sorted(problems, key=lambda problem: problem.id)
    random.Random(seed).shuffle(mixed)
    return mixed[:most]


def _plain(question: str) -> str:
    return " ".join(question.split()).casefold()
