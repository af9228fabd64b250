"""Classifiers from a few real messages: what synthetic ones add, and what makes them good.

    elenchus bench indicators --messages FOLDER      # or python -m benchmarks.indicators; hours
    elenchus bench indicators --messages FOLDER --quick

FOLDER holds BANKING77 as its authors give it: train.csv and test.csv, columns text and category.
Five intents that are easily taken for one another, k real messages of each; all is judged on their
real test messages. Every cell is a run of its own below `--out`; started again after a kill, it
goes on where it stopped.

Keys of the JSON: `table` (by set-up, mix, model and k: accuracy, macro F1, Brier score and
calibration error, mean and 95 % interval over seeds), `hybrid_minus_real` (accuracy, by model and
k, paired), `worth` (accuracy with all minus without indicators or deduplication, by mix, model and
k, paired), `dedup_seconds_100k` (100,000 vectors like those of messages), `dedup_seconds_5k` and
`naive_seconds_5k`, `rows` (every classifier).
"""

import functools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
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
    options = harness.parsed(parser, arguments)
    ks = QUICK_KS if options.quick else KS
    names = [WITH_ALL] if options.quick else list(SET_UPS)
    domains = [_domain(options.out, options.messages, k) for k in ks]
    job = functools.partial(group, names, options.out)
    rows = harness.in_processes(job, domains, options.seeds, options.workers)
    found = report(rows) | deduplication_times() | {"rows": rows}
    runs.write_json(options.out / "indicators.json", found)
    print(json.dumps(found)) if options.json else show(found)
    return 0


def group(names: Sequence[str], out: Path, domain: Path, seed: int) -> list[Row]:
    """A row for each classifier of each set-up, with k messages a class and a seed."""
    rows = []
    for name in names:
        cell = Cell(domain, seed, name.replace(",", ""), json.dumps(SET_UPS[name]), ())
        result = json.loads(cells.finished(cell, out).result.read_text(encoding="utf-8"))
        k = yaml.safe_load(domain.read_text(encoding="utf-8"))["messages"]["per_class"]
        rows += [
            {"strategy": name, "n": k, "domain": domain.parent.name, "seed": seed}
            | {key: row[key] for key in ("mix", "model", "samples")}
            | {key: row["metrics"][key]["value"] for key in MEASURES}
            for row in result["classifiers"]
        ]
    return rows


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """`table`, `hybrid_minus_real` and `worth`."""
    by_cell: dict[tuple[str, str, str, int], list[Row]] = defaultdict(list)
    for row in rows:
        by_cell[row["strategy"], row["mix"], row["model"], row["n"]].append(row)
    table: dict[str, Any] = {}
    for (set_up, mix, model, k), some in sorted(by_cell.items()):
        measured: Row = {key: comparison.interval([r[key] for r in some]) for key in MEASURES}
        measured["samples"] = float(np.mean([r["samples"] for r in some]))
        of = table.setdefault(set_up, {}).setdefault(mix, {}).setdefault(model, {})
        of[str(k)] = measured
    return {"table": table, "hybrid_minus_real": _hybrid_minus_real(rows), "worth": _worth(rows)}


def _worth(rows: Sequence[Row]) -> dict[str, Any]:
    """What indicators and deduplication are worth: with both, minus without one of them."""
    keys = ("mix", "model", "n", "seed")
    whole = {tuple(r[k] for k in keys): r["accuracy"] for r in rows if r["strategy"] == WITH_ALL}
    pairs: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
    for row in rows:
        where = tuple(row[k] for k in keys)
        if row["strategy"] != WITH_ALL and row["mix"] != "untrained" and where in whole:
            pairs[row["strategy"], *where[:3]].append(whole[where] - row["accuracy"])
    worth: dict[str, Any] = {}
    for (set_up, mix, model, k), differences in sorted(pairs.items()):
        of = worth.setdefault(set_up, {}).setdefault(mix, {}).setdefault(model, {})
        of[str(k)] = comparison.interval(differences)
    return worth


def _hybrid_minus_real(rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, dict[int, dict[int, dict[str, float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(dict))
    )
    for row in rows:
        if row["strategy"] == WITH_ALL:
            found[row["model"]][row["n"]][row["seed"]][row["mix"]] = row["accuracy"]
    return {
        model: {
            str(k): comparison.interval([some["hybrid"] - some["real"] for some in pairs])
            for k, by_seed in by_k.items()
            if (pairs := [some for some in by_seed.values() if {"hybrid", "real"} <= some.keys()])
        }
        for model, by_k in found.items()
        if any("real" in some for by_seed in by_k.values() for some in by_seed.values())
    }


def deduplication_times() -> dict[str, float]:
    """Seconds for many vectors, and for few beside comparing each with all accepted ones."""
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


def _timed(work: Any) -> tuple[Any, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def _naive(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """The paper's pass as it is told: each message against all accepted so far."""
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
    """Unit vectors in clusters of several sizes, as messages make them: about half are near."""
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(50, WIDTH))
    centres = topics[rng.integers(50, size=count // 4)] + rng.normal(size=(count // 4, WIDTH))
    own = centres[rng.integers(len(centres), size=count)]
    made = own + rng.uniform(0.2, 0.9, size=(count, 1)) * rng.normal(size=(count, WIDTH))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float32)


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    console = tables.wide()
    for set_up, mixes in found["table"].items():
        ks = sorted({int(k) for models in mixes.values() for by_k in models.values() for k in by_k})
        for measure in ("accuracy", "f1", "brier"):
            shown = Table(f"{set_up}: {measure}, %", *(f"k = {k}" for k in ks), box=None)
            for mix, models in mixes.items():
                for model, by_k in models.items():
                    cells_of = (by_k.get(str(k), {}).get(measure) for k in ks)
                    shown.add_row(f"{mix}, {model}", *map(tables.percent, cells_of))
            console.print(shown)
    for model, by_k in found["hybrid_minus_real"].items():
        line = ", ".join(f"k = {k}: {tables.percent(cell, '+')}" for k, cell in by_k.items())
        console.print(f"hybrid minus real, {model}: {line}")
    for set_up, mixes in found["worth"].items():
        for mix, models in mixes.items():
            for model, by_k in models.items():
                line = ", ".join(f"k = {k}: {tables.percent(c, '+')}" for k, c in by_k.items())
                console.print(f"with all minus {set_up}, {mix}, {model}: {line}")
    console.print(
        f"deduplication: {found['dedup_seconds_100k']} s for {MANY:,} messages; for {FEW:,} "
        f"{found['dedup_seconds_5k']} s, naively {found['naive_seconds_5k']} s"
    )


def _domain(out: Path, messages: Path, k: int) -> Path:
    """The shipped domain, with k messages a class of the tables in a folder."""
    shipped = harness.ROOT / "domains" / "bank-messages" / "domain.yaml"
    tree = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    for split in ("train", "test"):
        path = (messages / f"{split}.csv").resolve()
        if not path.is_file():
            raise UserError(f"--messages: there is no {path}; give the folder of BANKING77")
        tree["messages"][split] = {"path": str(path)}
    own = {"domain": f"bank-k{k}", "messages": {"label": "category", "per_class": k}}
    folder = out / "domains" / f"bank-k{k}"
    folder.mkdir(parents=True, exist_ok=True)
    runs.write_atomic(folder / "domain.yaml", yaml.safe_dump(merged(tree, own), sort_keys=False))
    return folder / "domain.yaml"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"elenchus: {error}")
