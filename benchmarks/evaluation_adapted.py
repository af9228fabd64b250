"""A student on published tests, before and after an adaptation to their documents.

    elenchus bench evaluation --only adapted --data FOLDER

The folder has `cuad` (LegalBench's tasks on clauses of contracts) and `sara` (the statutes, and
cases with what follows from them): see docs/ready-domains.md. Clauses that are documents, those of
the tasks' training tables, are asked about in no test. The prompts of these tasks are asked without
the solved examples in them: these are the documents, and would be read a thousand times.

Runs are kept below `--out`, and go on there. With the built-in expert they need no key. It reads a
few duties and limits in the clauses, so its few examples say little of what an expert could teach;
of the statutes it reads next to nothing, and the student learns them as they stand.
"""

import argparse
import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import cells
from elenchus import domains, runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import merged
from elenchus.results import Result, TestResult, TestSitting
from evaluation import figures
from evaluation.figures import Answered
from evaluation.records import BASE, TestItem, TestScore
from graphs import leaks
from graphs.config import load
from models.backend import DEFAULT, DEFAULTS
from retrieval import tasks

STUDENT = "smollm2"
EXAMPLES, QUICK_EXAMPLES = 12, 4
CLAUSES, CASES, SUMS = 40, 100, 20  # asked at most: of each task of cuad, and of sara
QUICK_COUNT, QUICK_TASKS = 12, 2
# `tokens` are more than the statutes have, which are read once a pass.
TEXTS = {"method": "rewriting", "rewriting": {"form": "raw", "tokens": 20_000}}
COMMON: dict[str, Any] = {
    "exam": {"questions": 6, "general": 0, "hand": None},
    "student": {"samples": 1, "options": {"max_new_tokens": 64}},
    "training": {"epochs": 3, "least_steps": 1, "replay": 0},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this comparison alone is told."""
    add = parser.add_argument
    add("--out", type=Path, help="adapted: folder of its runs (default runs/bench/adapted)")
    add("--student", help=f"adapted: who is adapted (default {STUDENT}; quick: the built-in one)")
    add("--expert", default=DEFAULT, help="adapted: who knows better (default %(default)s)")
    add("--examples", type=int, help=f"adapted: to learn from (default {EXAMPLES})")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of both domains, or of the one whose data the folder has.

    Raises:
        UserError: no folder is named, it has neither, or a run cannot be made.
    """
    if options.data is None:
        raise UserError("adapted wants --data FOLDER, with cuad/ and sara/ in it")
    found = {name: options.data / name for name in DOMAINS if (options.data / name).is_dir()}
    if not found:
        raise UserError(f"--data: {options.data} has neither {' nor '.join(DOMAINS)}")
    usual = Path("runs") / "bench" / ("adapted-quick" if options.quick else "adapted")
    out = (options.out or usual).resolve()
    return {name: _adapted(name, data, out, options) for name, data in found.items()}


def _adapted(name: str, data: Path, out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one domain."""
    domain, changes = DOMAINS[name](data, out, options.quick)
    if name == "sara" and options.expert == DEFAULT:
        changes = merged(changes, TEXTS, {"training": {"epochs": 2}})
    home = domains.find(domain)
    student = options.student or (DEFAULTS["student"] if options.quick else STUDENT)
    roles = {role: {"model": options.expert} for role in ("expert", "examiner", "grader")}
    examples = options.examples or (QUICK_EXAMPLES if options.quick else EXAMPLES)
    settings = merged(
        COMMON,
        roles,
        changes,
        {"student": {"model": student}, "adaptation": {"examples": [examples]}},
        {"retrieval": {"index": str(out / "indexes")}},
    )
    config = load(home, settings=settings)
    run = cells.seen_to_end(config, home.parent, out / "runs" / name)
    from graphs.runner import read_result  # loads what wants a settled environment

    return {"student": student, "expert": options.expert} | report(run, read_result(run))


def report(run: runs.RunFolder, result: Result) -> dict[str, Any]:
    """Return the figures of a finished run that are named in `benchmarks.evaluation`."""
    taken = {name: _row(test) for name, test in result.tests.items()}
    pooled = _pooled(run)
    return {
        "run": run.id,
        "seconds": result.seconds,
        "stopped": result.stopped,
        "examples": getattr(result, "candidates", 0),
        "tests": taken,
        "together": _row(pooled) if pooled else None,
    }


def _row(test: TestResult) -> dict[str, Any]:
    """Return a test's accuracies in short; `after` is None where nothing was learnt."""
    after = test.after
    return {
        "questions": test.questions,
        "leaked": test.leaked,
        "ungraded": test.ungraded,
        "chance": test.chance,
        "before": _shares(test.before),
        "after": _shares(after),
        "gain": after.gain.model_dump() if after and after.gain else None,
        "p": after.p if after else None,
    }


def _shares(sitting: TestSitting | None) -> dict[str, float | None] | None:
    if sitting is None:
        return None
    balanced = sitting.balanced.value if sitting.balanced else None
    return {"accuracy": sitting.accuracy.value, "balanced": balanced}


def _pooled(run: runs.RunFolder) -> TestResult | None:
    """Return all tests of choices as one, where there are several with the same labels.

    Chance is always giving the commonest answer of an item's own test.
    """
    seen = leaks.kept(run.path)
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        items = [item for item in ledger.all(TestItem) if item.score == "choice"]
        scores: dict[str, dict[str, TestScore]] = defaultdict(dict)
        for score in ledger.all(TestScore):
            scores[score.model][score.item_id] = score
    if len({item.test for item in items}) < 2 or len({item.labels for item in items}) > 1:
        return None
    left_out = {i for item in items for i in (seen.left_out(item.test, False) if seen else ())}
    every = [scores[BASE], *(of for model, of in scores.items() if model != BASE)]
    asked = [item for item in items if item.id not in left_out]
    graded = [item for item in asked if all(item.id in of for of in every)]
    answers = [
        [Answered(i.answer, s.given, s.right, s.likelihoods) for i in graded for s in [of[i.id]]]
        for of in every
    ]
    labels = items[0].labels
    sittings = [figures.sitting(one, labels) for one in answers]
    if len(answers) > 1:
        update = figures.compared(answers[0], answers[1])
        sittings[1] = sittings[1].model_copy(update=update)
    golds: dict[str, Counter[str]] = defaultdict(Counter)
    for item in graded:
        golds[item.test][item.answer] += 1
    commonest = sum(max(counts.values()) for counts in golds.values())
    return TestResult(
        score="choice",
        questions=len(graded),
        leaked=len(items) - len(asked),
        ungraded=len(asked) - len(graded),
        chance=commonest / len(graded),
        models=dict(zip(("before", "after"), sittings, strict=False)),
    )


def _cuad(data: Path, out: Path, quick: bool) -> tuple[str, dict[str, Any]]:
    """Prepare tasks on clauses, without solved examples, and without clauses of documents."""
    found = tasks.tasks(data, "*", "--data")
    chosen = found[:QUICK_TASKS] if quick else found
    documents = {_flat(row["text"]) for task in chosen for row in tasks.rows(task / "train.tsv")}
    place = out / "data" / "cuad"
    for task in chosen:
        (place / task.name).mkdir(parents=True, exist_ok=True)
        prompt = (task / tasks.PROMPT).read_text(encoding="utf-8")
        paragraphs = prompt.strip().split("\n\n")
        bare = f"{paragraphs[0]}\n\n{paragraphs[-1]}"
        runs.write_atomic(place / task.name / tasks.PROMPT, bare)
        rows = tasks.rows(tasks.question_table(task, "--data"))
        kept = [row for row in rows if _flat(row["text"]) not in documents]
        runs.write_atomic(place / task.name / tasks.TEST, _table(kept))
        runs.write_atomic(place / task.name / "train.tsv", _table(tasks.rows(task / "train.tsv")))
    count = QUICK_COUNT if quick else CLAUSES
    return "legalbench", {"data": str(place), "tests": {"tasks": {"count": count}}}


def _sara(data: Path, out: Path, quick: bool) -> tuple[str, dict[str, Any]]:
    cases, sums = (QUICK_COUNT, 1) if quick else (CASES, SUMS)
    tests = {"entailment": {"count": cases}, "tax": {"count": sums}}
    return "sara", {"data": str(data.resolve()), "tests": tests}


def _flat(text: str) -> str:
    return " ".join(text.split())


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as TSV with their columns' names."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


DOMAINS = {"cuad": _cuad, "sara": _sara}
