"""Classifiers from a few real messages: what synthetic ones add, and what makes them good.

    elenchus bench indicators --messages FOLDER      # or python -m benchmarks.indicators; hours
    elenchus bench indicators --messages FOLDER --quick

FOLDER holds BANKING77 as its authors publish it: train.csv and test.csv, columns text and category.
Training has k real messages of each of five intents that are easily confused; every classifier is
evaluated on their real test messages. Each cell is a run of its own below `--out`; started again
after a kill, it goes on where it stopped.

Keys of the JSON: `table` (by set-up, mix, model and k: accuracy, macro F1, Brier score and
calibration error, mean and 95 % interval over seeds), `hybrid_minus_real` (accuracy, by model and
k, paired), `worth` (accuracy with all minus without indicators or deduplication, by mix, model and
k, paired), `dedup_seconds_100k` (100,000 vectors like those of messages), `dedup_seconds_5k` and
`naive_seconds_5k`, `rows` (every classifier).
"""

import argparse
import functools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import cells, comparison, harness, tables
from benchmarks.cells import Cell, Changes, Row
from elenchus import runs
from elenchus.errors import UserError
from elenchus.loading import merged
from graphs.classification.result import ClassificationResult
from offline.backend import NANO
from training.deduplication import deduplicate

KS, QUICK_KS = (20, 50, 100), (20,)
WITH_ALL = "indicators, deduplication"
SET_UPS: dict[str, Changes] = {
    WITH_ALL: {},
    "no indicators": {
        "indicators": {"enabled": False},
        "classifier": {"mixes": ["synthetic", "hybrid"]},
    },
    "no deduplication": {
        "messages": {"near_duplicate": 1.0},
        "generation": {"near_duplicate": 1.0},
    },
}
MEASURES = ("accuracy", "f1", "brier", "calibration_error")
WIDTH, MANY, FEW, THRESHOLD = 384, 100_000, 5_000, 0.9


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, then print the tables."""
    parser = harness.parser("indicators", "Classifiers from a few real messages.", seeds=5)
    parser.add_argument("--messages", type=Path, required=True, help="folder of BANKING77")
    parser.add_argument("--student", default=NANO, help="model to train")
    parser.add_argument("--generated", type=int, default=150, help="synthetic messages a class")
    parser.add_argument("--ks", type=int, nargs="+", help="real messages a class")
    options = harness.parsed(parser, arguments)
    ks = options.ks or (QUICK_KS if options.quick else KS)
    names = [WITH_ALL] if options.quick else list(SET_UPS)
    domains = [_domain(options, k) for k in ks]
    job = functools.partial(group, names, options.out)
    rows = harness.in_processes(job, domains, options.seeds, options.workers)
    figures = report(rows) | deduplication_times() | {"rows": rows}
    harness.publish(figures, options, show)
    return 0


def group(names: Sequence[str], out: Path, domain: Path, seed: int) -> list[Row]:
    """Return a row for each classifier of each set-up, with k messages a class and a seed."""
    k = yaml.safe_load(domain.read_text(encoding="utf-8"))["messages"]["per_class"]
    rows = []
    for name in names:
        cell = Cell(domain, seed, name.replace(",", ""), json.dumps(SET_UPS[name]), ())
        result = cells.finished(cell, out).result.read_text(encoding="utf-8")
        for classifier in ClassificationResult.model_validate_json(result).classifiers:
            row = classifier.model_dump()
            measured = {measure: row["metrics"][measure]["value"] for measure in MEASURES}
            named = {"strategy": name, "n": k, "domain": domain.parent.name, "seed": seed}
            rows.append(named | {key: row[key] for key in ("mix", "model", "samples")} | measured)
    return rows


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """Return `table`, `hybrid_minus_real` and `worth`."""
    by_cell: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        by_cell[row["strategy"], row["mix"], row["model"], row["n"]].append(row)
    table: dict[tuple[Any, ...], Row] = {}
    for key, of_cell in sorted(by_cell.items()):
        table[key] = {m: comparison.interval([row[m] for row in of_cell]) for m in MEASURES}
        table[key]["samples"] = float(np.mean([row["samples"] for row in of_cell]))
    hybrid_minus_real, worth = _hybrid_minus_real(rows), _worth(rows)
    return {"table": _nested(table), "hybrid_minus_real": hybrid_minus_real, "worth": worth}


def _worth(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what indicators and deduplication are worth: with both, minus without one of them."""
    keys = ("mix", "model", "n", "seed")
    with_all = {tuple(r[k] for k in keys): r["accuracy"] for r in rows if r["strategy"] == WITH_ALL}
    differences: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        cell = tuple(row[k] for k in keys)
        if row["strategy"] != WITH_ALL and row["mix"] != "untrained" and cell in with_all:
            differences[row["strategy"], *cell[:3]].append(with_all[cell] - row["accuracy"])
    return _nested({k: comparison.interval(v) for k, v in sorted(differences.items())})


def _hybrid_minus_real(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the difference in accuracy, by model and k, paired by seed."""
    accuracies: dict[tuple[Any, ...], dict[tuple[str, int], float]] = defaultdict(dict)
    for row in rows:
        if row["strategy"] == WITH_ALL:
            accuracies[row["model"], row["n"]][row["mix"], row["seed"]] = row["accuracy"]
    intervals = {}
    for key, of_cell in accuracies.items():
        seeds = [seed for mix, seed in of_cell if mix == "hybrid" and ("real", seed) in of_cell]
        if differences := [of_cell["hybrid", seed] - of_cell["real", seed] for seed in seeds]:
            intervals[key] = comparison.interval(differences)
    return _nested(intervals)


def _nested(cells: Mapping[tuple[Any, ...], Any]) -> dict[str, Any]:
    """Return cells as dicts within dicts, a level for each part of their keys."""
    tree: dict[str, Any] = {}
    for (*path, last), cell in cells.items():
        branch = tree
        for part in path:
            branch = branch.setdefault(str(part), {})
        branch[str(last)] = cell
    return tree


def deduplication_times() -> dict[str, float]:
    """Return seconds for many vectors, and for few beside comparing each with all accepted ones."""
    many, few = _vectors(MANY), _vectors(FEW)
    deduplicate(few[:100], THRESHOLD)  # what is loaded on first use is not timed
    fast, seconds = _timed(lambda: deduplicate(few, THRESHOLD).index)
    naive, naive_seconds = _timed(lambda: _naive(few))
    if not np.array_equal(fast, naive):
        raise UserError("the fast deduplication and the naive one differ: this is a bug")
    return {
        "dedup_seconds_100k": round(_timed(lambda: deduplicate(many, THRESHOLD))[1], 2),
        "dedup_seconds_5k": round(seconds, 3),
        "naive_seconds_5k": round(naive_seconds, 3),
    }


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def _naive(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return what the paper's pass gives as it stands there: each message against all accepted."""
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    accepted: list[int] = []
    nearest = np.full(len(exact), -1, dtype=np.intp)
    for row, vector in enumerate(exact):
        cosines = exact[accepted] @ vector
        if accepted and cosines.max() >= THRESHOLD:
            nearest[row] = accepted[int(cosines.argmax())]
        else:
            accepted.append(row)
    return nearest


def _vectors(count: int) -> NDArray[np.float32]:
    """Return unit vectors in clusters of several sizes, like those of messages: half are near."""
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(50, WIDTH))
    centres = topics[rng.integers(50, size=count // 4)] + rng.normal(size=(count // 4, WIDTH))
    near = centres[rng.integers(len(centres), size=count)]
    vectors = near + rng.uniform(0.2, 0.9, size=(count, 1)) * rng.normal(size=(count, WIDTH))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    console = tables.wide()
    for set_up, mixes in figures["table"].items():
        ks = sorted({int(k) for models in mixes.values() for by_k in models.values() for k in by_k})
        for measure in ("accuracy", "f1", "brier"):
            table = Table(f"{set_up}: {measure}, %", *(f"k = {k}" for k in ks), box=None)
            for mix, models in mixes.items():
                for model, by_k in models.items():
                    measured = (by_k.get(str(k), {}).get(measure) for k in ks)
                    table.add_row(f"{mix}, {model}", *map(tables.percent, measured))
            console.print(table)
    for model, by_k in figures["hybrid_minus_real"].items():
        console.print(f"hybrid minus real, {model}: {_by_k(by_k)}")
    for set_up, mixes in figures["worth"].items():
        for mix, models in mixes.items():
            for model, by_k in models.items():
                console.print(f"with all minus {set_up}, {mix}, {model}: {_by_k(by_k)}")
    console.print(
        f"deduplication: {figures['dedup_seconds_100k']} s for {MANY:,} messages; for {FEW:,} "
        f"{figures['dedup_seconds_5k']} s, naively {figures['naive_seconds_5k']} s"
    )


def _by_k(differences: dict[str, Any]) -> str:
    return ", ".join(f"k = {k}: {tables.percent(cell, '+')}" for k, cell in differences.items())


def _domain(options: argparse.Namespace, k: int) -> Path:
    """Write the shipped domain with k messages a class of the tables in a folder; its file.

    Raises:
        UserError: there is no such table.
    """
    shipped = harness.ROOT / "domains" / "bank-messages" / "domain.yaml"
    tree = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    for split in ("train", "test"):
        path = (options.messages / f"{split}.csv").resolve()
        if not path.is_file():
            raise UserError(f"--messages: there is no {path}; give the folder of BANKING77")
        tree["messages"][split] = {"path": str(path)}
    changes = {
        "domain": f"bank-k{k}",
        "messages": {"label": "category", "per_class": k},
        "generation": {"per_class": options.generated},
        "student": {"model": options.student},
    }
    folder: Path = options.out / "domains" / f"bank-k{k}"
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(merged(tree, changes), sort_keys=False)
    runs.write_atomic(folder / "domain.yaml", text)
    return folder / "domain.yaml"


if __name__ == "__main__":
    harness.run_program(main)
