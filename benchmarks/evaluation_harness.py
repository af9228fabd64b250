"""A test weighed by us and by lm-evaluation-harness: see `benchmarks/evaluation.py`.

The test is exported as a task of the harness's, which asks the same weights, in this environment or
in another one, and both are compared item by item.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agents.prompting import Subject
from benchmarks.harness import ROOT
from elenchus import domains
from elenchus.errors import UserError
from elenchus.own_tests import TestConfig
from elenchus.printing import in_line
from elenchus.questions import AnswerForm
from elenchus.sections import ModelConfig, SourceConfig
from evaluation.choosing import Asked, Chooser, TooLong
from evaluation.reading import read
from evaluation.records import TestItem
from graphs.exporting import question_of
from models.backend import DEFAULTS, weights
from models.pretrained import SINGLE
from publishing import exports
from publishing.formats import SPLITS, Split

SIDE = ROOT / "benchmarks" / "harness_side.py"
MODEL = "smollm2"
ROWS, QUICK_ROWS = 200, 12
BUILT_IN = domains.SHIPPED / "market" / "exam.jsonl"  # questions of people
LABELS = ("breach", "no breach")
LEAST = 0.99  # share of items on which both must choose alike
LONGEST = 300  # characters of an error that are shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this comparison alone is told."""
    add = parser.add_argument
    add("--lm-eval", metavar="PYTHON", default=sys.executable, help="harness: of its environment")
    add("--test", type=Path, help="harness: a folder with test.tsv and base_prompt.txt, by label")
    add("--model", help=f"harness: the model (default {MODEL}; quick: {DEFAULTS['student']})")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return accuracies and agreement of both programs on the same items.

    Raises:
        UserError: the harness is not installed, or what is asked for cannot be read.
    """
    settings = ModelConfig(model=options.model or (DEFAULTS["student"] if options.quick else MODEL))
    folder = weights(settings)
    items = _items(options.test, QUICK_ROWS if options.quick else ROWS)
    theirs = _theirs(items, folder, options.lm_eval)
    asked = [Asked(item.prompt, item.labels) for item in items]
    weighed = dict(zip(items, Chooser(folder, None, SINGLE).weigh(asked), strict=True))
    ours = {item.id: row for item, row in weighed.items() if not isinstance(row, TooLong)}
    return compared(items, ours, theirs["likelihoods"]) | {
        "model": settings.model,
        "version": theirs["version"],
        "harness_accuracy": theirs["accuracy"],
    }


def compared(
    items: Sequence[TestItem],
    ours: Mapping[str, Sequence[float]],
    theirs: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """Return how far two programs agree on the items that both weighed.

    Args:
        ours, theirs: by item, the summed log-likelihood of each label.
    """
    both = [item for item in items if item.id in ours and item.id in theirs]
    chosen = [(_likeliest(item, ours), _likeliest(item, theirs)) for item in both]
    right = [
        (our == item.answer, their == item.answer)
        for item, (our, their) in zip(both, chosen, strict=True)
    ]
    apart = [
        abs(one - other)
        for item in both
        for one, other in zip(ours[item.id], theirs[item.id], strict=True)
    ]
    agreement = sum(our == their for our, their in chosen) / len(both) if both else 0.0
    accuracy = [sum(column) / len(both) for column in zip(*right, strict=True)] or [0.0, 1.0]
    return {
        "items": len(both),
        "left_out": len(items) - len(both),
        "agreement": agreement,
        "accuracy": accuracy[0],
        "their_accuracy": accuracy[1],
        "largest_difference": max(apart, default=0.0),
        "under_target": [
            name
            for name, missed in (
                ("agreement", agreement < LEAST),
                ("accuracy", accuracy[0] != accuracy[1]),
            )
            if missed
        ],
    }


def _likeliest(item: TestItem, by_item: Mapping[str, Sequence[float]]) -> str:
    row = by_item[item.id]
    return item.labels[max(range(len(row)), key=row.__getitem__)]


def _items(folder: Path | None, count: int) -> list[TestItem]:
    if folder is None:
        place, config = BUILT_IN.parent, TestConfig(
            rows=SourceConfig(path=BUILT_IN.name),
            where={"answer": LABELS},
            labels=LABELS,
            score="choice",
            count=count,
        )  # fmt: skip
    else:
        place, config = folder, TestConfig(
            rows=SourceConfig(path="test.tsv"),
            prompt="base_prompt.txt",
            answer="label",
            score="choice",
            count=count,
        )  # fmt: skip
    return read("harness", config, place, Subject("", "English"), seed=0).items


def _theirs(items: Sequence[TestItem], model: Path, python: str) -> dict[str, Any]:
    """Return what the harness makes of the items, exported for it."""
    nothing: dict[str, Any] = {part: [] for part in SPLITS}
    exams = {"test": [question_of(item) for item in items]}
    split = Split(nothing, nothing, nothing, nothing, exams, AnswerForm(), "elenchus")
    with TemporaryDirectory() as place:
        done = exports.write(split, "lm-eval", Path(place) / "task", "", force=False)
        (file,) = done.rows
        task = file.removesuffix(".jsonl")
        command = [python, str(SIDE), str(done.folder), task, str(model)]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=done.folder
            )
        except OSError as error:
            raise UserError(f"--lm-eval {python} cannot be run: {error.strerror}") from error
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["no reason"]
        raise UserError(f"lm-evaluation-harness failed: {in_line(said[-1], LONGEST)}")
    told: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    if "missing" in told:
        raise UserError(
            "lm-evaluation-harness is not installed here: name the Python of an environment that "
            "has it with --lm-eval (pip install 'lm-eval[hf]')"
        )
    return told
