"""The published setting: contract questions of LegalBench, before and after adaptation.

    elenchus bench legalbench --tasks FOLDER --student PROVIDER:MODEL --expert PROVIDER:MODEL

A folder of tasks has one folder for each, as a clone of LegalBench has them: `base_prompt.txt`,
whose first line is the question, and `test.tsv` with the columns `answer` (or `label`) and `text`;
without the latter, the questions are downloaded from the hub. With `--documents` (whole contracts)
only clauses that stand in them, however their lines are broken, are asked about, and the contracts
are what the expert reads; without, it reads the clauses themselves, without their labels. The
student never sees a label or a question of the exam, and is given the clause with each question.

Keys of the JSON: `questions`, `chance` (share right of who always gives a task's commonest answer),
`table` (by strategy: share right), `over_base`, `over_entity_pairs` and `over_chance` (paired
differences of the adversarial strategies), all with intervals over seeds and questions; `tokens`
(of the data, by strategy), `published`, `rows` (`accuracy` is on the exam that the run wrote,
`hand` has the tasks' questions).
"""

import argparse
import csv
import functools
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import cells, comparison, harness, strategies, tables
from benchmarks.cells import Changes, Row
from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import merged
from elenchus.records import ExamItem, Score, digest
from elenchus.sections import ModelConfig
from graphs.config import validate
from models.backend import weights
from retrieval.index import contents
from training.evaluation import RIGHT

# arXiv 2602.18137, as reported: points of accuracy with Llama-3-8B on 491 questions on three
# contracts, and how many times fewer training tokens than EntiGraph.
PUBLISHED = {"over_base": 0.1899, "over_entity_pairs": 0.0389, "fewer_tokens": 70}
QUESTIONS, QUICK_QUESTIONS = 491, 60
SIZES = (25, 50, 100)  # of the dataset of the adversarial strategy, round by round
HUB = "nguha/legalbench"
NAMES = ("adversarial", "plain", "entity pairs x70")
QUICK = ("adversarial",)
CLAUSE = " Clause: "  # between the question of a task and what it is about


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
    wanted = QUICK_QUESTIONS if options.quick else QUESTIONS
    asked = read_tasks(options.tasks, options.match)
    weights(ModelConfig(model=options.student))  # trained here, so they must be here
    domain = write_domain(options.out / "domains", asked, wanted, options.documents)
    names = QUICK if options.quick else NAMES
    job = functools.partial(group, names, _models(options), options.out)
    rows = harness.in_processes(job, [domain], options.seeds, options.workers)
    found = report(rows) | {"rows": rows}
    runs.write_json(options.out / "legalbench.json", found)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)
    return 0


def read_tasks(folder: Path, match: str = "*") -> list[Question]:
    """All test questions of the tasks below a folder whose names match, in their order.

    Raises:
        UserError: there is no task, or a file is not laid out as one.
    """
    tasks = sorted(path.parent for path in folder.glob(f"{match}/base_prompt.txt"))
    if not tasks:
        raise UserError(
            f"--tasks: no task {match} in {folder}: each is a folder with base_prompt.txt"
        )
    return [question for task in tasks for question in _read_task(task)]


def write_domain(root: Path, asked: Sequence[Question], count: int, documents: Path | None) -> Path:
    """The domain.yaml of the clauses asked about, with `count` questions as its exam by hand.

    Its folder is named after them, so that other questions are another domain. How many clauses
    stand in no document is told.

    Raises:
        UserError: no clause stands in the documents.
    """
    corpus = "documents" if documents is None else str(documents.resolve())
    held = asked if documents is None else _held(asked, documents)
    chosen = random.Random("legalbench").sample(held, min(count, len(held)))
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
    questions = "".join(json.dumps(line) + "\n" for line in lines)
    runs.write_atomic(folder / "questions.jsonl", questions)
    tree = {"domain": "contracts", "title": "clauses of contracts", "corpus": {"sources": [corpus]}}
    runs.write_atomic(folder / "domain.yaml", yaml.safe_dump(tree))
    return folder / "domain.yaml"


def group(names: Sequence[str], models: Changes, out: Path, domain: Path, seed: int) -> list[Row]:
    """The rows of one seed; last ones have the answers to the tasks' questions as `hand`."""
    own = merged(models, {"exam": {"questions": 40, "hand": "questions.jsonl"}})
    rows: list[Row] = []
    for name in names:
        for cell in strategies.cells(name, domain, seed, SIZES, rows):
            cell = replace(cell, changes=json.dumps(merged(json.loads(cell.changes), own)))
            made = cells.run(cell, out)
            rows += [*made[:-1], made[-1] | {"hand": _answers(cells.finished(cell, out))}]
    return rows


def _answers(run: runs.RunFolder) -> dict[str, list[bool]]:
    """Which questions were right `before` and `after`, and would be by the task's `commonest`."""
    ledger = Ledger(run.ledger, read_only=True)
    try:
        items = sorted(ledger.all(ExamItem, exam="hand"), key=lambda item: item.id)
        scores = sorted(ledger.all(Score, exam="hand"), key=lambda score: score.round)
    finally:
        ledger.close()
    tasks = [item.prompt[-1].content.partition(CLAUSE)[0] for item in items]
    golds: dict[str, Counter[str]] = {task: Counter() for task in tasks}
    for task, item in zip(tasks, items, strict=True):
        golds[task][item.gold] += 1
    before = {s.item_id: s.grade in RIGHT for s in reversed(scores)}
    after = {s.item_id: s.grade in RIGHT for s in scores}
    return {
        "commonest": [
            item.gold == golds[task].most_common(1)[0][0]
            for task, item in zip(tasks, items, strict=True)
        ],
        "before": [before[item.id] for item in items],
        "after": [after[item.id] for item in items],
    }


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures named in this module's docstring, but for `rows`."""
    last = {(r["strategy"], r["seed"]): r for r in rows if "hand" in r}
    names = [name for name in NAMES if any(known == name for known, _ in last)]
    own = [name for name in names if name in ("adversarial", "plain")]
    texts = "entity pairs x70"

    def right(name: str, which: str) -> NDArray[np.float64]:
        """By seed and question."""
        found = [r["hand"][which] for (known, _), r in sorted(last.items()) if known == name]
        return np.array(found, dtype=float)

    after = {name: right(name, "after") for name in names}
    before, commonest = right(names[0], "before"), right(names[0], "commonest")
    return {
        "questions": commonest.shape[1],
        "chance": float(commonest.mean()),
        "table": {"base": comparison.crossed(before)}
        | {name: comparison.crossed(after[name]) for name in names},
        "over_base": {name: comparison.crossed(after[name] - before) for name in own},
        "over_chance": {name: comparison.crossed(after[name] - commonest) for name in own},
        "over_entity_pairs": {
            name: comparison.crossed(after[name] - after[texts]) for name in own if texts in names
        },
        "tokens": {
            name: sum(r["data_tokens"] for (known, _), r in last.items() if known == name)
            // sum(known == name for known, _ in last)
            for name in names
        },
        "published": PUBLISHED,
    }


def show(found: dict[str, Any]) -> None:
    """Print the accuracies, and the differences beside the published ones."""
    console = tables.wide()
    table = Table("", "right, %", "tokens of the data", box=None)
    for name, cell in found["table"].items():
        table.add_row(name, tables.percent(cell), str(found["tokens"].get(name, "")))
    console.print(table)
    console.print(f"{found['questions']} questions; always a task's commonest answer: "
                  f"{100 * found['chance']:.1f} %")  # fmt: skip
    for key, what in (("over_base", "base"), ("over_entity_pairs", "entity pairs x70")):
        for name, cell in found[key].items():
            published = f"published: {100 * found['published'][key]:+.2f}"
            console.print(f"{name} minus {what}: {tables.percent(cell, '+')}; {published}")
    for name, cell in found["over_chance"].items():
        if cell["low"] <= 0:
            what = "always giving the commonest answer: this student is too small for it"
            console.print(f"{name} is not above {what}")


def _held(asked: Sequence[Question], documents: Path) -> list[Question]:
    """The questions whose clauses stand in the documents, with the words as they stand there."""
    whole = validate(
        {"domain": "contracts", "title": "contracts", "corpus": {"sources": ["."]}}, ""
    )
    texts = [d.text for d in contents(whole, documents)[0]]
    known = [(text, " ".join(text.split())) for text in texts]
    quotes = {clause: _quote(clause, known) for clause in {q.clause for q in asked}}
    held = [replace(q, quote=quote) for q in asked if (quote := quotes[q.clause])]
    if not held:
        raise UserError(f"--documents: no clause of the tasks stands in {documents}")
    if missing := sum(not quote for quote in quotes.values()):
        left_out = f"{missing} of {len(quotes)} clauses stand in none of {documents}"
        print(f"{left_out}: they are not asked about", file=sys.stderr)
    return held


def _quote(clause: str, known: Sequence[tuple[str, str]]) -> str | None:
    """Where a clause stands, but for white space, in one of the texts, each given flat as well."""
    words = r"\s+".join(map(re.escape, clause.split()))
    for text, flat in known:
        # The plain look is fast, and spares most texts the other.
        if clause in flat and (found := re.search(words, text)):
            return found[0]
    return None


def _read_task(folder: Path) -> Iterator[Question]:
    asked = (folder / "base_prompt.txt").read_text(encoding="utf-8").partition("\n")[0].strip()
    path = folder / "test.tsv"
    path = path if path.exists() else _downloaded(folder.name)
    for number, row in enumerate(_rows(path), 1):
        answer = row.get("answer") or row.get("label")
        if not answer or not row.get("text"):
            raise UserError(f"{path}, row {number}: the columns are answer (or label) and text")
        clause = " ".join(row["text"].split())
        yield Question(folder.name, asked, clause, answer, quote=clause)


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".tsv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    from pyarrow import parquet

    rows: list[dict[str, str]] = parquet.read_table(path).to_pylist()
    return rows


def _downloaded(task: str) -> Path:
    """The test questions of a task, from the hub's conversion: its own loader is a script."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    file = f"{task}/test/0000.parquet"
    try:
        found = hf_hub_download(HUB, file, repo_type="dataset", revision="refs/convert/parquet")
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise UserError(
            f"--tasks: {task} has no test.tsv, and {HUB} on the hub has no {file}: {error}"
        ) from error
    return Path(found)


def _models(options: argparse.Namespace) -> Changes:
    expert = {role: {"model": options.expert} for role in ("expert", "examiner", "grader")}
    return {"student": {"model": options.student}, **expert}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = harness.parser("legalbench", "Contract questions of LegalBench.", seeds=3)
    parser.add_argument("--tasks", type=Path, required=True, help="folder of LegalBench tasks")
    parser.add_argument("--match", default="*", help="names of the tasks, for instance 'cuad_*'")
    parser.add_argument("--documents", type=Path, help="folder of the contracts asked about")
    parser.add_argument("--student", default="builtin:nano", help="model to adapt")
    parser.add_argument("--expert", default="builtin:reader", help="model that knows better")
    return harness.parsed(parser, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"elenchus: {error}")
