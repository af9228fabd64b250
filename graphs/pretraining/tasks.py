"""The problems of tasks, read from tables and checked before anything is paid for.

Rows that cannot be used are left out and counted; a task without a problem to write about or to be
tested on is refused.
"""

import hashlib
import random
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agents.graders import GRADERS
from agents.matchers import Matcher
from elenchus.errors import UserError
from elenchus.own_tests import COLUMN
from graphs.pretraining.config import TaskConfig
from graphs.pretraining.records import Problem
from retrieval import tables
from retrieval.selection.overlap import Overlap

SHOWN = 3  # examples in a message
LETTERS = string.ascii_uppercase
Split = Literal["train", "test"]


class Collected(NamedTuple):
    """Problems to write about and test problems, in the order drawn; rows left out, by reason."""

    train: list[Problem]
    test: list[Problem]
    left_out: Counter[str]


def collect(tasks: Mapping[str, TaskConfig], folder: Path, seed: int) -> Collected:
    """Read the problems of all tasks, and draw as many of each as are wanted.

    Problems of a training table that stand in any test table, or copy one of it, are left out.

    Raises:
        UserError: a table cannot be read, or gives a task no problem.
    """
    left_out: Counter[str] = Counter()
    tables_of_tests = {n: _table(n, task, "test", folder, left_out) for n, task in tasks.items()}
    bare = [problem.bare for tests in tables_of_tests.values() for problem in tests]
    tested, overlap = set(map(_plain, bare)), Overlap.of(bare)
    train, test = [], []
    for name, task in tasks.items():
        rows = _table(name, task, "train", folder, left_out)
        apart = [p for p in rows if _plain(p.bare) not in tested and not overlap.copies(p.bare)]
        left_out["stands in a test, too"] += len(rows) - len(apart)
        if not apart:
            raise UserError(f"tasks.{name}.train: every problem stands in a test table, too")
        train += _drawn(apart, task.problems, f"problems/{seed}/{name}")
        test += _drawn(tables_of_tests[name], task.tests, f"tests/{name}")
    return Collected(train, test, +left_out)


def fingerprint(collected: Collected) -> str:
    """Return the SHA-256 of all that was collected."""
    ids = sorted(problem.id for problem in (*collected.train, *collected.test))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def matcher(task: TaskConfig) -> type[Matcher] | None:
    """Return the matcher that grades answers of a task; None for a grader that is no matcher."""
    grader = GRADERS.get(task.grader)
    return grader if issubclass(grader, Matcher) else None


def _table(
    name: str, task: TaskConfig, split: Split, folder: Path, left_out: Counter[str]
) -> list[Problem]:
    """Read the problems of a table, each once."""
    source = task.train if split == "train" else task.test
    key, test = f"tasks.{name}.{split}", split == "test"
    asked = COLUMN.findall(task.template) if task.template else [source.text or "question"]
    columns = [task.answer, *([task.choices] if task.choices else []), *asked]
    problems: dict[str, Problem] = {}
    unusable: list[str] = []
    for place, row in tables.placed_rows(source, columns, folder, key):
        try:
            bare, question, answer = _problem(_cells(row, columns), asked, task)
        except ValueError as error:
            unusable.append(f"{place}: {error}")
            continue
        problem = Problem(
            task=name, question=question, answer=answer, place=place, bare=bare, test=test
        )
        if problems.setdefault(_plain(bare), problem) is not problem:
            left_out["repeats another problem"] += 1
    examples = "; ".join(unusable[:SHOWN])
    if not problems:
        why = f": {examples}" if unusable else ""
        raise UserError(f"{key}: {tables.named(source)} has no row that can be used{why}")
    if unusable:
        left_out[f"{key}: no problem ({examples})"] += len(unusable)
    return list(problems.values())


def _cells(row: dict[str, Any] | str, columns: Sequence[str]) -> dict[str, Any]:
    """Return a row whose columns all hold something; ValueError says what is wrong with it."""
    if isinstance(row, str):
        raise ValueError(row)
    for column in columns:
        if row.get(column) is None or not str(row[column]).strip():
            raise ValueError(f"nothing in the column {column!r}")
    return row


def _problem(row: dict[str, Any], asked: Sequence[str], task: TaskConfig) -> tuple[str, str, str]:
    """Return the bare question, made of the columns `asked`, the whole question, and the answer.

    Raises:
        ValueError: says why the row is no problem.
    """
    answer = str(row[task.answer]).strip()
    template = task.template or f"{{{asked[0]}}}"
    question = COLUMN.sub(lambda column: str(row[column[1]]).strip(), template)
    bare = "\n".join(str(row[column]).strip() for column in asked)
    if task.choices:
        lettered, answer = _with_choices(row[task.answer], row[task.choices])
        question, bare = f"{question}\n{lettered}", f"{bare}\n{lettered}"
    elif (grader := matcher(task)) and not grader.matches(answer, answer, True):
        raise ValueError(f"no answer can be compared with {answer!r} by match: {task.match}")
    (question + answer).encode()  # half a character, as JSON can have it, is a ValueError
    return bare, "\n".join(filter(None, (task.instruction, question))), answer


def _with_choices(answer: Any, choices: Any) -> tuple[str, str]:
    """Return the choices with letters, a line each, and the letter of the right one.

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
    given, letters = str(answer).strip(), list(LETTERS[: len(texts)])
    places = [str(n) for n in range(len(texts))]
    readings = [labels, texts, letters, [letter.lower() for letter in letters], places]
    if isinstance(answer, int) and not labels:
        readings.insert(0, places)
    for names in readings:
        if given in names[: len(texts)]:
            lines = (f"{letter}. {text}" for letter, text in zip(letters, texts, strict=True))
            return "\n".join(lines), letters[names.index(given)]
    raise ValueError(f"the answer {given!r} is none of the choices")


def _drawn(problems: Sequence[Problem], most: int | None, seed: str) -> list[Problem]:
    """Draw so many problems, in an order that tells nothing about the table."""
    shuffled = sorted(problems, key=lambda problem: problem.id)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:most]


def _plain(question: str) -> str:
    return " ".join(question.split()).casefold()
