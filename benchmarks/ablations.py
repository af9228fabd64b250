"""Ablations: a run with one setting changed, and what the change costs.

    elenchus bench ablations             # or python -m benchmarks.ablations; hours
    elenchus bench ablations --quick     # one small invented code, one seed, small sizes

Run on the domains that settings are chosen on: harbour, and invented codes whose names begin with
"dev", of which the student knows nothing and half. Every cell is a run of its own below `--out`, as
in `benchmarks.efficiency`. `--only` names the changes to try.

Keys of the JSON: `table` and `minus_unchanged` (by change and n, accuracy with its interval, and
its paired difference from the unchanged strategy; not where the expert errs, since it writes the
exam as well), `minus_random_choice` (the same difference from a choice at random among as many
candidates), `costs` (by change, each with its interval: samples, examinations, questions to the
expert, steps of training, `wrong`, the share of the dataset's examples that hold a wrong answer,
and `general`, the gain on the general exam, negative for what was forgotten), `wrong_let_through`
(the paired difference in `wrong`, unchecked minus checked), `refinement_trend` (points of accuracy
a further round of refinement brings at the largest size, and Page's test for a trend), `missed` (a
line for each target, of the changes run, that is not reached; exit code 1 where there is one),
`rows` (every run).
"""

import functools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from scipy import stats

from benchmarks import cells, comparison, harness, invented, strategies, tables
from benchmarks.cells import Cell, Changes, Row
from benchmarks.comparison import Interval
from elenchus.config import TrainingConfig
from elenchus.loading import merged

SIZES, QUICK_SIZES = (100, 200), (25, 50)
UNCHANGED = "unchanged"
CHECKED, UNCHECKED = "expert errs, checked", "expert errs, unchecked"
# Their experts err in their exams too, so only their datasets are looked at.
# Half of their mistakes quote what is true and does not support them.
_ERRS: Changes = {"expert": {"options": {"wrong": 0.1, "unsupported": 0.5}}}
_NO_CHECKS: Changes = {"checks": {"support": False, "guess": False, "consistent": False}}
ERRING: dict[str, Changes] = {
    CHECKED: _ERRS,
    "expert errs, support unchecked": merged(_ERRS, {"checks": {"support": False}}),
    "expert errs, second answer unchecked": merged(_ERRS, {"expert": {"samples": 1}}),
    UNCHECKED: merged(_ERRS, _NO_CHECKS, {"expert": {"samples": 1}}),
}
MOST_WRONG = 0.02  # of the examples that an erring expert's checks let through
REFINEMENTS = tuple(f"{n} refinements" for n in range(6))
FACILITY, HARDEST, AT_RANDOM = (
    f"twice the candidates, {how}" for how in ("facility", "hardest", "random")
)
USUAL = TrainingConfig()
EPOCHS = strategies.COMMON["training"]["epochs"]
CHANGES: dict[str, Changes] = {
    UNCHANGED: {},
    **ERRING,
    # No examination gives up before its last turn, so that rounds alone differ.
    **{
        name: {"examination": {"max_turns": n + 1, "fresh_turns": n + 1, "patience": n + 1}}
        for n, name in enumerate(REFINEMENTS)
    },
    "first questions revised too": {"examination": {"fresh_turns": 3}},
    "any gap": {"examination": {"accept_below": 1.0, "accept_gap": 0.0}},
    "all answers wrong": {"examination": {"accept_gap": 1.0}},
    "accepted within a band": {"examination": {"acceptance": "band"}},
    "accepted by spread": {"examination": {"acceptance": "spread"}},
    "three calls a revision": {"examination": {"revision": "three calls"}},
    "the expert is always asked": {"examination": {"predict": False}},
    "one question a point": {"adaptation": {"depth": 1}},
    "nothing fades": {"adaptation": {"memory": 1.0}},
    "points by coverage": {"adaptation": {"points": "coverage"}},
    "kinds evenly": {"adaptation": {"kinds": "even"}},
    "points by coverage, kinds evenly": {"adaptation": {"points": "coverage", "kinds": "even"}},
    FACILITY: {"dataset": {"candidates": 2.0, "selection": "facility"}},
    HARDEST: {"dataset": {"candidates": 2.0, "selection": "hardest"}},
    AT_RANDOM: {"dataset": {"candidates": 2.0, "selection": "random"}},
    "distilled": {"training": {"objective": "distil"}},
    "examples, then pairs": {"training": {"objective": "dpo"}},
    # More passes over less replay: as many steps.
    **{
        f"replay {share}": {
            "training": {"replay": share, "epochs": EPOCHS * (1 + USUAL.replay) / (1 + share)}
        }
        for share in (0.0, 0.5)
    },
}
COSTS = ("samples", "examined", "asked", "steps", "wrong", "general")
QUICK = [UNCHANGED, *ERRING]
_GENERAL: Changes = {"exam": {"general": 200}}


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, then print what each change costs."""
    choices = list(CHANGES)
    parser = harness.parser("ablations", "What each part is worth.", seeds=4)
    parser.add_argument("--only", action="append", choices=choices, help="repeatable")
    options = harness.parsed(parser, arguments)
    names = options.only or (QUICK if options.quick else choices)
    names = [name for name in choices if name in {*names, UNCHANGED}]
    sizes = QUICK_SIZES if options.quick else SIZES
    job = functools.partial(group, names, sizes, options.out)
    domains = _domains(options.out, options.quick)
    rows = harness.in_processes(job, domains, options.seeds, options.workers)
    figures = report(rows) | {"rows": rows}
    harness.publish(figures, options, show)
    return 1 if figures["missed"] and not options.quick else 0


def group(
    names: Sequence[str], sizes: tuple[int, ...], out: Path, domain: Path, seed: int
) -> list[Row]:
    """Return the rows of all changes on one domain with one seed."""
    every = {"adaptation": {"examples": list(sizes)}}
    rows: list[Row] = []
    for name in names:
        changes = merged(strategies.COMMON, _GENERAL, every, CHANGES[name])
        rows += cells.run(Cell(domain, seed, name, json.dumps(changes), sizes), out)
    return rows


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures named in this module's docstring, but for `rows`."""
    names = [name for name in CHANGES if any(row["strategy"] == name for row in rows)]
    costs = {name: _costs([r for r in rows if r["strategy"] == name]) for name in names}
    means = comparison.table(rows)
    return {
        "replicates": len({(row["domain"], row["seed"]) for row in rows}),
        "table": {name: means[name] for name in names if name not in ERRING},
        "minus_unchanged": {
            name: comparison.differences(rows, name, UNCHANGED)
            for name in names
            if name not in (UNCHANGED, *ERRING)
        },
        "minus_random_choice": {
            name: comparison.differences(rows, name, AT_RANDOM)
            for name in names
            if name in (FACILITY, HARDEST)
        },
        "costs": costs,
        "wrong_let_through": _let_through(rows),
        "refinement_trend": (trend := refinement_trend(rows)),
        "missed": _missed(costs, trend),
    }


def refinement_trend(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Return the trend of accuracy over rounds of refinement, at the largest size.

    None where fewer than two replicates have all of them. Page's test (1963) is for an order that
    was expected beforehand, here: more rounds, higher accuracy.
    """
    largest = max(row["n"] for row in rows)
    replicates: dict[comparison.Replicate, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["n"] == largest and row["strategy"] in REFINEMENTS:
            replicates[row["domain"], row["seed"]][row["strategy"]] = row["accuracy"]
    lines = [
        [accuracies[name] for name in REFINEMENTS]
        for accuracies in replicates.values()
        if len(accuracies) == len(REFINEMENTS)
    ]
    if len(lines) < 2:
        return None
    slopes = [float(np.polyfit(range(len(line)), line, 1)[0]) for line in lines]
    return {
        "n": largest,
        "slope": comparison.interval(slopes),
        "p": float(stats.page_trend_test(lines).pvalue),
    }


def show(figures: dict[str, Any]) -> None:
    """Print a line for each change."""
    console, sizes = tables.wide(), list(figures["table"][UNCHANGED])[1:]
    heads = [f"right, n = {n}" for n in sizes] + [f"minus unchanged, n = {sizes[-1]}"]
    counts = ("samples", "steps", "examined", "asked")
    table = Table("%", *heads, *counts, "wrong", "general exam", box=None)
    for name, costs in figures["costs"].items():
        means, against = (figures[part].get(name, {}) for part in ("table", "minus_unchanged"))
        table.add_row(
            name,
            *(tables.percent(means.get(n)) for n in sizes),
            tables.percent(against.get(sizes[-1]), "+"),
            *(f"{costs[key]['mean']:.0f}" for key in counts),
            tables.percent(costs["wrong"]),
            tables.percent(costs["general"], "+"),
        )
    console.print(table)
    for name, by_size in figures["minus_random_choice"].items():
        if cell := by_size.get(sizes[-1]):
            console.print(f"{name}, minus a random choice: {tables.percent(cell, '+')}")
    if more := figures["wrong_let_through"]:
        console.print(f"wrong examples, unchecked minus checked: {tables.percent(more, '+')}")
    if trend := figures["refinement_trend"]:
        slope = tables.percent(trend["slope"], "+")
        console.print(f"a further refinement at n = {trend['n']}: {slope}, p = {trend['p']:.2g}")
    for line in figures["missed"]:
        console.print(f"missed: {line}")


def _costs(rows: Sequence[Row]) -> dict[str, Interval]:
    """Return what a change takes and loses at the largest size."""
    largest = max(row["n"] for row in rows)
    costs: dict[str, dict[comparison.Replicate, float]] = {key: {} for key in COSTS}
    for row in rows:
        if row["n"] == largest:
            exam = row["exams"]["general"]
            amounts = row | {"general": exam["after"] - exam["before"]}
            for key, replicates in costs.items():
                replicates[row["domain"], row["seed"]] = amounts[key]
    return {key: comparison.over_replicates(values) for key, values in costs.items()}


def _let_through(rows: Sequence[Row]) -> Interval | None:
    """Return how much more of the dataset is wrong without a second answer that must agree."""
    largest = max(row["n"] for row in rows)
    return comparison.differences(rows, UNCHECKED, CHECKED, "wrong").get(str(largest))


def _missed(costs: dict[str, dict[str, Interval]], trend: dict[str, Any] | None) -> list[str]:
    """Return a line for each target of the changes that ran that is missed or not measured."""
    missed = []
    checked = costs.get(CHECKED)
    if checked and checked["wrong"]["mean"] > MOST_WRONG:
        share = f"{tables.percent(checked['wrong'])} %"
        missed.append(f"wrong examples of an expert that errs in 10 %: {share}, wanted 2 % at most")
    all_refinements = costs.keys() >= set(REFINEMENTS)  # fewer make no trend
    if all_refinements and (trend is None or trend["p"] > 0.05 or trend["slope"]["mean"] <= 0):
        chance = f"p = {trend['p']:.2g}" if trend else "not measured"
        missed.append(f"accuracy rises with refinements: {chance}, wanted 0.05 at most")
    return missed


def _domains(out: Path, quick: bool) -> list[Path]:
    folder = out / "domains"
    if quick:
        return [invented.write(folder, "dev-2", 40)]
    new, half = invented.write(folder, "dev-2", 120), invented.write(folder, "dev-3", 120, 120)
    return [harness.ROOT / "domains" / "harbour" / "domain.yaml", new, half]


if __name__ == "__main__":
    harness.run_program(main)
