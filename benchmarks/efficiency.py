"""Sample efficiency: few adversarial questions against more of anything else.

    elenchus bench efficiency            # or python -m benchmarks.efficiency; many hours
    elenchus bench efficiency --quick    # one invented code, one seed, small sizes

Reported on the domain market and on invented codes that no setting was chosen on. Every cell is a
run of its own below `--out`; started again after a kill, it goes on where it stopped. `--only`
names the strategies to compare with the adversarial one, which always runs; `--answers` runs what
compares at as many answers of the expert, and nothing else; `--domain` names the
domains, among them a code that is larger than those reported on.

Keys of the JSON: `table` (by strategy and n: accuracy, its interval over replicates and that of
seeds alone, and what it took: `asked` counts questions to the expert), `by_domain` (such tables),
`by_domain_minus_random`, `adversarial_minus_random` and `adversarial_minus` (of each other
strategy), by n; `random_per_adversarial` (samples, by n of the adversarial strategy) and
`paraphrase_tokens_per_adversarial_token`, with intervals, null for more than was tried and 0 for
less; `learnt_minus` (as `adversarial_minus`, of the questions that the untouched student failed),
`right_by_samples` (by how many samples were about a question's point, all sizes together),
`equal_tokens` (as `adversarial_minus`, at as many tokens of training), `equal_answers` (at 100, 200
and 400 answers of the expert, the frugal strategy minus each other one, over all domains and by
domain), `missed` (a line for each
target, of the strategies run, that is not reached, none with `--quick`; exit code 1 where there is
one), `rows` (every run).
"""

import functools
from pathlib import Path
from typing import Any

from benchmarks import cells, comparison, harness, invented, strategies, tables
from benchmarks.cells import Row
from benchmarks.figure import draw

DEMO, QUICK = "market", "invented-quick"
# Rules of each code: new to the student, and known to it. Settings were chosen on codes "dev-…".
CODES = {"invented-1": (160, 0), "invented-2": (160, 160), "invented-3": (160, 240)}
REPORTED = (DEMO, *CODES)
# Only where it is asked for: the same samples are half as many a rule as on invented-1.
OTHERS = {"invented-4": (320, 0), QUICK: (60, 0)}
QUICK_SIZES = (25, 50, 100)
ANSWERS = (100, 200, 400)  # of the expert, at which strategies are compared
MOST_BY_ANSWERS = 200  # samples, which take more than 400 answers
# A strategy, n, least lower end and least mean of the paired difference.
TARGETS = (
    ("random", 100, 0.0, 0.0),
    ("random", 200, 0.0, 0.08),
    ("random", 400, 0.0, 0.10),
    ("coverage", 200, 0.0, 0.0),
    ("coverage", 400, 0.0, 0.0),
    ("paraphrase x70", 100, 0.0, 0.0),
    ("entity pairs x70", 100, 0.0, 0.0),
)


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, then print the comparison."""
    parser = harness.parser("efficiency", "Sample efficiency.", seeds=5)
    parser.add_argument("--only", action="append", choices=strategies.ALL, help="repeatable")
    parser.add_argument(
        "--domain",
        action="append",
        choices=(*REPORTED, *OTHERS),
        help=f"repeatable (default {', '.join(REPORTED)})",
    )
    parser.add_argument(
        "--answers", action="store_true", help="only what compares at equal answers of the expert"
    )
    options = harness.parsed(parser, arguments)
    sizes: tuple[int, ...] = QUICK_SIZES if options.quick else strategies.SIZES
    wanted = {*options.only, "adversarial"} if options.only else set(strategies.ALL)
    wanted &= set(strategies.QUICK) if options.quick and not options.only else wanted
    if options.answers:
        wanted, sizes = set(strategies.BY_ANSWERS), tuple(n for n in sizes if n <= MOST_BY_ANSWERS)
    # In this order, since the others take their steps and tokens from the adversarial one.
    names = [name for name in strategies.ALL if name in wanted]
    job = functools.partial(group, names, sizes, options.out)
    usual = (QUICK,) if options.quick else REPORTED
    domains = [_domain(options.out, name) for name in dict.fromkeys(options.domain or usual)]
    rows = harness.in_processes(job, domains, options.seeds, options.workers)
    figures = report(rows) | {"rows": rows}
    if options.quick or options.answers:  # whose figures say nothing of targets
        figures["missed"] = []
    harness.publish(figures, options, tables.show)
    draw(rows, options.out / "efficiency.svg")
    if not options.json:
        print(f"\n{options.out}/efficiency.json has every row compared, efficiency.svg the curves")
    return 1 if figures["missed"] else 0


def report(rows: list[Row]) -> dict[str, Any]:
    """Return the figures named in this module's docstring, but for `rows`."""
    rivals = sorted({row["strategy"] for row in rows} - {"adversarial"})
    against = {name: comparison.differences(rows, "adversarial", name) for name in rivals}
    families = strategies.families(rows)
    by_domain = {
        domain: [row for row in rows if row["domain"] == domain]
        for domain in sorted({row["domain"] for row in rows})
    }
    replicates = len({(row["domain"], row["seed"]) for row in rows})
    return {
        "replicates": replicates,
        "table": comparison.table(rows),
        "by_domain": {domain: comparison.table(part) for domain, part in by_domain.items()},
        "by_domain_minus_random": {
            domain: comparison.differences(part, "adversarial", "random")
            for domain, part in by_domain.items()
        },
        "adversarial_minus_random": against.get("random", {}),
        "adversarial_minus": against,
        "learnt_minus": {
            name: comparison.differences(rows, "adversarial", name, "learnt") for name in rivals
        },
        "random_per_adversarial": comparison.equivalents(rows, "random", "samples"),
        "paraphrase_tokens_per_adversarial_token": comparison.equivalents(
            families, "paraphrase", "data_tokens"
        ),
        "right_by_samples": _by_samples(rows),
        "equal_tokens": comparison.at_equal_tokens(rows),
        "equal_answers": _equal_answers(rows)
        | {f"{name} only": _equal_answers(part) for name, part in by_domain.items()},
        "missed": [
            line
            for target in TARGETS
            if target[0] in rivals and (line := _missed(against, replicates, *target))
        ],
    }


def _equal_answers(rows: list[Row]) -> dict[str, Any]:
    """Return by other strategy what the frugal one has more at as many answers of the expert."""
    rivals = {row["strategy"] for row in rows if row.get("answers")} - {"frugal"}
    return {
        rival: gaps
        for rival in sorted(rivals)
        if (gaps := comparison.at_equal_answers(rows, "frugal", rival, ANSWERS))
    }


def _by_samples(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Return by strategy the share right of questions, by how many samples their point has."""
    counts: dict[str, dict[str, list[list[int]]]] = {}
    for row in rows:
        for samples, pair in row["by_samples"].items() if row["n"] else ():
            counts.setdefault(row["strategy"], {}).setdefault(samples, []).append(pair)
    return {
        strategy: {
            samples: sum(right for right, _ in pairs) / sum(of for _, of in pairs)
            for samples, pairs in sorted(by_samples.items())
        }
        for strategy, by_samples in counts.items()
    }


def _missed(
    against: dict[str, Any], replicates: int, rival: str, n: int, low: float, mean: float
) -> str | None:
    """Return what a target lacks; None where it is reached."""
    what = f"adversarial minus {rival} at n = {n}"
    cell = against[rival].get(str(n))
    measured = cell["replicates"] if cell else 0
    if cell is None or measured < max(2, replicates):
        return f"{what}: not measured, with {measured} of {replicates} replicates"
    if cell["low"] > low and cell["mean"] >= mean:
        return None
    reached = f"{cell['mean']:+.3f} [{cell['low']:+.3f}, {cell['high']:+.3f}]"
    return f"{what}: {reached}, wanted over {low:+.2f} throughout and {mean:+.2f} in the mean"


def group(
    names: list[str], sizes: tuple[int, ...], out: Path, domain: Path, seed: int
) -> list[Row]:
    """Return the rows of one domain and seed. Texts need the adversarial strategy's tokens."""
    rows: list[Row] = []
    for name in names:
        for cell in strategies.cells(name, domain, seed, sizes, rows):
            rows += cells.run(cell, out)
    return rows


def _domain(out: Path, name: str) -> Path:
    """Return the domain.yaml of a domain by its name; a code is written below `out`."""
    if name == DEMO:
        return harness.ROOT / "domains" / DEMO / "domain.yaml"
    rules, known = (CODES | OTHERS)[name]
    return invented.write(out / "domains", name.removeprefix("invented-"), rules, known)


if __name__ == "__main__":
    harness.run_program(main)
