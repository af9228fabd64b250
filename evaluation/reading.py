"""Reads a test of the user's own: rows of a table become items, as they will be asked.

Rows that cannot be asked are told apart; a test that could tell nothing is refused.
"""

import random
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from agents.matchers import Contains, Exact, Matcher, Number
from agents.prompting import Subject
from agents.student import prompted
from elenchus.errors import UserError
from elenchus.loading import read_text
from elenchus.own_tests import COLUMN, LABELLED, SLOT, TestConfig
from elenchus.records import Message
from evaluation.records import TestItem, UnusableRow
from retrieval import tables
from retrieval.rows import as_text, no_column

SHOWN = 3  # examples in a message
MOST_LABELS = 50  # more different answers are free ones
MATCHERS: dict[str, type[Matcher]] = {"exact": Exact, "contains": Contains, "number": Number}


class Read(NamedTuple):
    """The items of a test, in the order of its rows, and the rows that cannot be asked."""

    items: list[TestItem]
    unusable: list[UnusableRow]


class _Row(NamedTuple):
    place: str
    question: str
    asked: str
    answer: str
    rubric: tuple[str, ...]


def read(name: str, config: TestConfig, folder: Path, subject: Subject, seed: int) -> Read:
    """Read a test.

    Args:
        name: of the test.
        folder: what paths are below.
        subject: the domain's, whose prompt of the student is used where that is wanted.
        seed: of the draw, where there are more rows than are wanted.

    Raises:
        UserError: its table or prompt cannot be read, or the test could tell nothing.
    """
    key = f"tests.{name}"
    template, asked = _template(config, folder, key)
    rows, unusable = _rows(config, template, asked, folder, key)
    if not rows:
        examples = "; ".join(f"{place}: {why}" for place, why in unusable[:SHOWN])
        raise UserError(
            f"{key}: {tables.named(config.rows)} has no row that can be asked"
            + (f": {examples}" if unusable else "")
        )
    labels = _labels(config, rows, key)
    canonical = {row.answer: _canonical(row.answer, labels) for row in rows}
    if config.count is not None and config.count < len(rows):
        rng = random.Random(f"own-tests/{name}/{seed}")
        rows = [rows[n] for n in sorted(rng.sample(range(len(rows)), config.count))]
    golds = {canonical[row.answer] for row in rows}
    if config.score in LABELLED and len(golds) == 1 and (labels or len(rows) > 1):
        raise UserError(
            f"{key}: all {len(rows)} rows have the answer {golds.pop()!r}, so that a test of one "
            "class tells nothing: add rows with other answers, or raise tests count"
        )
    items = [
        TestItem(
            test=name,
            place=row.place,
            prompt=_prompt(row.question, config, subject),
            asked=row.asked,
            answer=canonical[row.answer],
            score=config.score,
            rubric=row.rubric,
            labels=labels,
            relative=config.tolerance.relative,
            absolute=config.tolerance.absolute,
        )
        for row in rows
    ]
    return Read(items, [UnusableRow(test=name, place=p, reason=why) for p, why in unusable])


def _template(config: TestConfig, folder: Path, key: str) -> tuple[str, list[str]]:
    """Return what is asked, with columns in braces or double ones, and the columns, each once."""
    if config.prompt is None:
        template = config.template or f"{{{config.rows.text or 'question'}}}"
        return template, list(dict.fromkeys(COLUMN.findall(template)))
    try:
        template = read_text(folder / config.prompt)
    except UserError as error:
        raise UserError(f"{key}.prompt: {error}") from error
    columns = list(dict.fromkeys(SLOT.findall(template)))
    if not columns:
        raise UserError(f"{key}.prompt: {config.prompt} names no column, as in {{{{text}}}}")
    if config.answer_column in columns:
        raise UserError(f"{key}.prompt: it shows the answer, {{{{{config.answer_column}}}}}")
    return template, columns


def _rows(
    config: TestConfig, template: str, asked: Sequence[str], folder: Path, key: str
) -> tuple[list[_Row], list[tuple[str, str]]]:
    """Return the rows that can be asked; for others, their place and what is wrong."""
    answer = [config.answer_column] if config.answer_column else []
    wanted = list(dict.fromkeys([*asked, *answer, *COLUMN.findall(config.rubric or "")]))
    rows: list[_Row] = []
    unusable: list[tuple[str, str]] = []
    columns = list(dict.fromkeys([*wanted, *config.where]))
    never, known = set(columns), dict[str, None]()
    for place, row in tables.placed_rows(config.rows, columns, folder, f"{key}.rows"):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            never -= row.keys()
            known |= dict.fromkeys(row)
            if not _is_taken(row, config.where):
                continue
            rows.append(_row(place, row, config, template, asked, wanted))
        except ValueError as error:
            unusable.append((place, str(error)))
    if never and known:  # of tables that have no first line to tell it by
        missing = next(column for column in columns if column in never)
        raise UserError(f"{key}: {tables.named(config.rows)} has {no_column(missing, known)}")
    return rows, unusable


def _is_taken(row: Mapping[str, Any], where: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether each column named in `where` holds what one of its patterns says."""
    return all(
        any(fnmatchcase(as_text(row.get(column)).strip(), pattern) for pattern in patterns)
        for column, patterns in where.items()
    )


def _row(
    place: str,
    row: Mapping[str, Any],
    config: TestConfig,
    template: str,
    asked: Sequence[str],
    wanted: Sequence[str],
) -> _Row:
    """Return a row as it is asked; ValueError says why it cannot be."""
    cells = {}
    for column in wanted:
        cells[column] = as_text(row.get(column)).strip()
        if not cells[column]:
            raise ValueError(f"nothing in the column {column!r}")
    slot = SLOT if config.prompt is not None else COLUMN
    question = slot.sub(lambda column: cells[column[1]], template).strip()
    answer = _answer(row, cells, config)
    criteria = COLUMN.sub(lambda column: cells[column[1]], config.rubric or "")
    rubric = tuple(line.strip() for line in criteria.splitlines() if line.strip())
    bare = "\n".join(cells[column] for column in asked)
    "\n".join((question, answer, criteria)).encode()  # half a character is a ValueError
    question = "\n".join(filter(None, (config.instruction, question)))
    return _Row(place, question, bare, answer, rubric)


def _answer(row: Mapping[str, Any], cells: Mapping[str, str], config: TestConfig) -> str:
    """Return the right answer of a row; ValueError where nothing could be compared with it."""
    if config.answer_column is None:
        return ""
    answer, number = cells[config.answer_column], row[config.answer_column]
    # Tables of a hub may hold the place of a label.
    if config.labels and answer not in config.labels and isinstance(number, int):
        answer = config.labels[number] if 0 <= number < len(config.labels) else answer
    matcher = MATCHERS.get(config.score)
    if matcher and not matcher.matches(answer, answer, True):
        raise ValueError(f"no answer can be compared with {answer!r} by score: {config.score}")
    return answer


def _labels(config: TestConfig, rows: Sequence[_Row], key: str) -> tuple[str, ...]:
    """Return what there is to choose from; () where answers are free.

    Raises:
        UserError: labels and answers do not fit together.
    """
    if config.score not in LABELLED:
        return ()
    answers = [row.answer for row in rows]
    table = tables.named(config.rows)
    if config.labels:
        if config.score == "exact":
            _check_apart(config.labels, key)
        for row in rows:
            if _canonical(row.answer, config.labels) not in config.labels:
                raise UserError(
                    f"{key}: {row.place} has the answer {row.answer!r}, which is none of the "
                    f"labels {', '.join(config.labels)}: correct it, or add it to the labels"
                )
        found = {_canonical(answer, config.labels) for answer in answers}
        for label in config.labels:
            if label not in found:
                there = ", ".join(sorted(set(answers))[:MOST_LABELS])
                raise UserError(
                    f"{key}: no row of {table} has the label {label!r}; there are: {there}"
                )
        return config.labels
    different: dict[str, None] = {}
    for answer in sorted(set(answers)):
        if _canonical(answer, tuple(different)) not in different:
            different[answer] = None
    few = len(different) <= MOST_LABELS
    if config.score == "choice" and not few:
        raise UserError(
            f"{key}: {len(different)} different answers in the column {config.answer_column!r} are "
            f"no labels to choose from (at most {MOST_LABELS}): use score: exact, or give labels"
        )
    if config.score == "exact" and not (few and 2 * len(different) <= len(answers)):
        return ()
    return tuple(different)


def _check_apart(labels: Sequence[str], key: str) -> None:
    """Refuse labels of which one answer would be both.

    Raises:
        UserError: there are two of them.
    """
    for n, label in enumerate(labels):
        for other in labels[:n]:
            if Exact.matches(label, other, True):
                raise UserError(
                    f"{key}: labels {other!r} and {label!r} are one answer to score: exact, which "
                    "looks neither at case nor at punctuation: make them differ in words"
                )


def _canonical(answer: str, labels: Sequence[str]) -> str:
    """Return the label that an answer is, whatever its case; itself where it is none."""
    if answer in labels:
        return answer
    return next((label for label in labels if Exact.matches(answer, label, True)), answer)


def _prompt(question: str, config: TestConfig, subject: Subject) -> tuple[Message, ...]:
    if config.own_prompt:
        return prompted(subject, question).messages
    return (Message(role="user", content=question),)
