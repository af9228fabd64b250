"""The published setting: contract questions of LegalBench, before and after adaptation.

    elenchus bench legalbench --tasks FOLDER --student PROVIDER:MODEL --expert PROVIDER:MODEL

A folder of tasks has one folder for each, as a clone of LegalBench has them: `base_prompt.txt`,
whose first line is the question, and `test.tsv` with the columns `answer` (or `label`) and `text`;
without the latter, the questions are downloaded from the hub. With `--documents` (whole contracts)
only clauses that stand in them, however their lines are broken, are asked about, and the contracts
are what the expert reads; without, it reads the clauses themselves, without their labels. The
student never sees a label or a question of the exam, and is given the clause with each question. It
is trained at the learning rate that its backend begins with; that of text strategies was chosen for
the default student, and is left out with another.

Keys of the JSON: `questions`, `chance` (share right of who always gives a task's commonest answer),
`table` (by strategy: share right), `over_base`, `over_entity_pairs` and `over_chance` (paired
differences of the adversarial strategies), all with intervals over seeds and questions; `tokens`
(of the data, by strategy), `published`, `rows` (`accuracy` is on the exam that the run wrote,
`hand` has the tasks' questions).
"""

import argparse
import functools
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.table import Table

from agents.prompting import flat
from benchmarks import cells, comparison, harness, strategies, tables
from benchmarks.cells import Changes, Row
from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import merged
from elenchus.outcomes import ExamItem, Score
from elenchus.records import digest
from elenchus.sections import ModelConfig
from graphs.config import validate
from models.backend import DEFAULT, DEFAULTS, weights
from retrieval import tasks
from retrieval.index import contents
from training.evaluation import RIGHT

# arXiv 2602.18137, as reported: points of accuracy with Llama-3-8B on 491 questions on three
# contracts, and how many times fewer training tokens than EntiGraph.
PUBLISHED = {"over_base": 0.1899, "over_entity_pairs": 0.0389, "fewer_tokens": 70}
QUESTIONS, QUICK_QUESTIONS = 491, 60
SIZES = (25, 50, 100)  # of the dataset of the adversarial strategy, round by round
ADVERSARIAL, TEXTS = ("adversarial", "plain"), "entity pairs x70"
NAMES = (*ADVERSARIAL, TEXTS)
QUICK = ("adversarial",)
CLAUSE = " Clause: "  # between the question of a task and what it is about
STUDENT = DEFAULTS["student"]


@dataclass(frozen=True)
class Question:
    """One question of a task; `answer` is its label."""

    task: str
    asked: str
    clause: str  # in one line
    answer: str
    quote: str  # the clause as it stands in the documents


def main(arguments: list[str] | None = None) -> int:
    """Adapt the student to the clauses, and print what it gained beside what was published."""
    options = _options(arguments)
    count = QUICK_QUESTIONS if options.quick else QUESTIONS
    questions = read_tasks(options.tasks, options.match)
    weights(ModelConfig(model=options.student))  # trained here, so they must be here
    domain = write_domain(options.out / "domains", questions, count, options.documents)
    names = QUICK if options.quick else NAMES
    job = functools.partial(group, names, _models(options), options.out)
    rows = harness.in_processes(job, [domain], options.seeds, options.workers)
    harness.publish(report(rows) | {"rows": rows}, options, show)
    return 0


def read_tasks(folder: Path, match: str = "*") -> list[Question]:
    """Return all test questions of the tasks below a folder whose names match, in their order.

    Raises:
        UserError: there is no task, or a file is not laid out as one.
    """
    found = tasks.tasks(folder, match, "--tasks")
    return [question for task in found for question in _read_task(task)]


def write_domain(
    root: Path, questions: Sequence[Question], count: int, documents: Path | None
) -> Path:
    """Write the domain of the clauses asked about, with `count` questions as its exam by hand.

    Its folder is named after them, so that other questions are another domain. How many clauses
    stand in no document is said on standard error.

    Returns:
        Its domain.yaml.

    Raises:
        UserError: no clause stands in the documents.
    """
    corpus = "documents" if documents is None else str(documents.resolve())
    usable = questions if documents is None else _quoted(questions, documents)
    chosen = random.Random("legalbench").sample(usable, min(count, len(usable)))
    folder = root / f"contracts-{digest(json.dumps([corpus, *map(astuple, chosen)]))}"
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    for task in sorted({q.task for q in chosen}) if documents is None else ():
        clauses = list(dict.fromkeys(q.clause for q in chosen if q.task == task))
        text = "\n\n".join([f"# {task.replace('_', ' ').capitalize()}", *clauses]) + "\n"
        runs.write_atomic(folder / "documents" / f"{task}.md", text)
    lines = [
        {"question": f"{q.asked}{CLAUSE}{q.clause}", "answer": q.answer, "quote": q.quote}
        for q in chosen
    ]
    # In ASCII: some of the line breaks that a quote may have would end the line otherwise.
    exam = "".join(json.dumps(line) + "\n" for line in lines)
    runs.write_atomic(folder / "questions.jsonl", exam)
    tree = {"domain": "contracts", "title": "clauses of contracts", "corpus": {"sources": [corpus]}}
    runs.write_atomic(folder / "domain.yaml", yaml.safe_dump(tree))
    return folder / "domain.yaml"


def group(names: Sequence[str], models: Changes, out: Path, domain: Path, seed: int) -> list[Row]:
    """Return the rows of one seed; the last of a cell has `hand`, the answers to the questions."""
    rows: list[Row] = []
    for name in names:
        for cell in strategies.cells(name, domain, seed, SIZES, rows):
            cell = _with_models(cell, models)
            *earlier, last = cells.run(cell, out)
            rows += [*earlier, last | {"hand": _answers(cells.finished(cell, out))}]
    return rows


def _with_models(cell: cells.Cell, models: Changes) -> cells.Cell:
    """Return a cell whose roles are taken by these models, with the tasks' questions as an exam."""
    exam = {"exam": {"questions": 40, "hand": "questions.jsonl"}}
    changes = merged(json.loads(cell.changes), models, exam)
    if models.get("student", {}).get("model", STUDENT) != STUDENT:
        changes["training"].pop("learning_rate", None)  # chosen for the default student
    return replace(cell, changes=json.dumps(changes))


def _answers(run: runs.RunFolder) -> dict[str, list[bool]]:
    """Return by question whether it was right `before` and `after`, and is the `commonest` answer.

    The latter is of its task.
    """
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        items = sorted(ledger.all(ExamItem, exam="hand"), key=lambda item: item.id)
        scores = sorted(ledger.all(Score, exam="hand"), key=lambda score: score.round)
    asked = [item.prompt[-1].content.partition(CLAUSE)[0] for item in items]
    golds: dict[str, Counter[str]] = {task: Counter() for task in asked}
    for task, item in zip(asked, items, strict=True):
        golds[task][item.gold.result] += 1
    before = {s.item_id: s.grade in RIGHT for s in reversed(scores)}
    after = {s.item_id: s.grade in RIGHT for s in scores}
    return {
        "commonest": [
            item.gold.result == golds[task].most_common(1)[0][0]
            for task, item in zip(asked, items, strict=True)
        ],
        "before": [before[item.id] for item in items],
        "after": [after[item.id] for item in items],
    }


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures named in this module's docstring, but for `rows`."""
    # Rows are in the order of their sizes: of runs for each size, the largest one counts.
    largest = {(r["strategy"], r["seed"]): r for r in rows if "hand" in r}
    last = {
        name: [row for (strategy, _), row in sorted(largest.items()) if strategy == name]
        for name in NAMES
        if any(strategy == name for strategy, _ in largest)
    }
    adversarial = [name for name in last if name in ADVERSARIAL]

    def right(name: str, which: str) -> NDArray[np.float64]:
        """Return what was right, by seed and question."""
        return np.array([row["hand"][which] for row in last[name]], dtype=float)

    after = {name: right(name, "after") for name in last}
    before, commonest = (right(next(iter(last)), which) for which in ("before", "commonest"))
    return {
        "questions": commonest.shape[1],
        "chance": float(commonest.mean()),
        "table": {"base": comparison.crossed(before)}
        | {name: comparison.crossed(after[name]) for name in last},
        "over_base": {name: comparison.crossed(after[name] - before) for name in adversarial},
        "over_chance": {name: comparison.crossed(after[name] - commonest) for name in adversarial},
        "over_entity_pairs": {
            name: comparison.crossed(after[name] - after[TEXTS])
            for name in adversarial
            if TEXTS in last
        },
        "tokens": {
            name: sum(row["data_tokens"] for row in by_seed) // len(by_seed)
            for name, by_seed in last.items()
        },
        "published": PUBLISHED,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the accuracies, and the differences beside the published ones."""
    console = tables.wide()
    table = Table("", "right, %", "tokens of the data", box=None)
    for name, cell in figures["table"].items():
        table.add_row(name, tables.percent(cell), str(figures["tokens"].get(name, "")))
    console.print(table)
    chance = f"always a task's commonest answer: {100 * figures['chance']:.1f} %"
    console.print(f"{figures['questions']} questions; {chance}")
    for key, what in (("over_base", "base"), ("over_entity_pairs", TEXTS)):
        for name, cell in figures[key].items():
            published = f"published: {100 * figures['published'][key]:+.2f}"
            console.print(f"{name} minus {what}: {tables.percent(cell, '+')}; {published}")
    for name, cell in figures["over_chance"].items():
        if cell["low"] <= 0:
            what = "always giving the commonest answer: this student is too small for it"
            console.print(f"{name} is not above {what}")


def _quoted(questions: Sequence[Question], documents: Path) -> list[Question]:
    """Return the questions whose clauses stand in the documents, quoted as they stand there."""
    tree = {"domain": "contracts", "title": "contracts", "corpus": {"sources": ["."]}}
    texts = [document.text for document in contents(validate(tree, ""), documents)[0]]
    texts_flat = [(text, flat(text)) for text in texts]
    quotes = {clause: _quote(clause, texts_flat) for clause in {q.clause for q in questions}}
    quoted = [replace(q, quote=quote) for q in questions if (quote := quotes[q.clause])]
    if not quoted:
        raise UserError(f"--documents: no clause of the tasks stands in {documents}")
    if missing := sum(not quote for quote in quotes.values()):
        left_out = f"{missing} of {len(quotes)} clauses stand in none of {documents}"
        print(f"{left_out}: they are not asked about", file=sys.stderr)
    return quoted


def _quote(clause: str, texts: Sequence[tuple[str, str]]) -> str | None:
    """Return a clause as it stands, but for white space, in one of the texts.

    Each text is given flat as well, since that is fast to look through.
    """
    words = r"\s+".join(map(re.escape, clause.split()))
    for text, flat_text in texts:
        if clause in flat_text and (match := re.search(words, text)):
            return match[0]
    return None


def _read_task(folder: Path) -> Iterator[Question]:
    """Yield the test questions of one task; UserError where a column is missing."""
    asked = (folder / tasks.PROMPT).read_text(encoding="utf-8").partition("\n")[0].strip()
    path = tasks.question_table(folder, "--tasks")
    for number, row in enumerate(tasks.rows(path), 1):
        answer = row.get("answer") or row.get("label")
        if not answer or not row.get("text"):
            raise UserError(f"{path}, row {number}: the columns are answer (or label) and text")
        clause = flat(row["text"])
        yield Question(folder.name, asked, clause, answer, quote=clause)


def _models(options: argparse.Namespace) -> Changes:
    roles = {role: {"model": options.expert} for role in ("expert", "examiner", "grader")}
    return {"student": {"model": options.student}, **roles}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = harness.parser("legalbench", "Contract questions of LegalBench.", seeds=3)
    parser.add_argument("--tasks", type=Path, required=True, help="folder of LegalBench tasks")
    parser.add_argument("--match", default="*", help="names of the tasks, for instance 'cuad_*'")
    parser.add_argument("--documents", type=Path, help="folder of the contracts asked about")
    parser.add_argument("--student", default=STUDENT, help="model to adapt")
    parser.add_argument("--expert", default=DEFAULT, help="model that knows better")
    return harness.parsed(parser, arguments)


if __name__ == "__main__":
    harness.run_program(main)
