"""Kills small runs at random moments and resumes them: nothing may be lost, paid for twice or over.

    elenchus bench kills            # or python -m benchmarks.kills; ten minutes
    elenchus bench kills --quick

Needs a clone and a Unix system: the models answer over HTTP, from the server of the tests on
loopback. Runs of all methods that have a graph of their own are killed by signals, alone and in
pairs, at moments drawn from a seed; each is resumed, killed again, and at last seen to its end.

Keys of the JSON: `kills`, `by_signal` and `by_method` (how many), `runs` that were killed, `equal`
(whether the records and the files of the dataset of each are those of a run that nobody killed),
`fatal` (kills after which a run could not be resumed), `records_lost` (records, and answers of
models, that a kill found in the ledger or that the undisturbed run has, and the resumed run has
not), `records_paid_twice` (calls that were answered and in the ledger, and were sent again),
`asked_again` (calls under way at a kill, which a resumed run sent again), `seconds`; `caps` and the
keys below it are those of `benchmarks/caps.py`.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import caps, harness, killing, server
from benchmarks.killing import Domain, Rows
from elenchus.cli.main import settle_environment

KILLS, QUICK_KILLS = 65, 1
METHODS, QUICK_METHODS = tuple(killing.TREES), ("indicators",)
PAUSE = 0.3  # seconds between two signals at most
LATENCY = 0.02  # seconds until an answer begins
REACH = 0.5  # of the time of an undisturbed run: where a kill falls at the latest
KILL, TERM, INT = "SIGKILL", "SIGTERM", "SIGINT"
Way = tuple[str, ...]  # to kill: signals, one shortly after the other
SIGNALS: tuple[Way, ...] = (
    (KILL,), (TERM,), (INT,), (INT, KILL), (TERM, TERM), (INT, INT), (INT, TERM),
)  # fmt: skip
Figures = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Kill, resume, compare, and print the figures; 1 where something was lost."""
    parser = argparse.ArgumentParser("elenchus bench kills", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="half a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--kills", type=int, help=f"how many (default {KILLS})")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, help="keep all runs in this folder, which is new")
    options = parser.parse_args(arguments)
    killing.demand_signals()
    settle_environment()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    # Processes that are killed leave semaphores behind, which Python takes away and speaks of.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    kills = options.kills or (QUICK_KILLS if options.quick else KILLS)
    methods = QUICK_METHODS if options.quick else METHODS
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        with server.serving("--answers", "mock:plain", "--tokenizer", caps.tokenizer()) as url:
            figures = killed(folder, url, methods, kills, options.seed)
            figures |= caps.measure(folder, url, options.seed, options.quick)
    figures["seconds"] = round(time.monotonic() - begun)
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures)
    return 0 if _is_good(figures) else 1


@dataclass
class Whole:
    """An undisturbed run: what it holds, what it asked how often, and the seconds it took."""

    rows: Rows
    dataset: dict[str, bytes]
    prompts: Counter[str]
    seconds: float


@dataclass
class Tally:
    """What the kills of all runs came to."""

    by_signal: Counter[str] = field(default_factory=Counter)
    by_method: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    unequal: int = 0
    fatal: int = 0
    lost: int = 0
    paid_twice: int = 0
    asked_again: int = 0


def killed(folder: Path, url: str, methods: tuple[str, ...], kills: int, seed: int) -> Figures:
    """Return what so many kills of runs of the methods, in turn, came to."""
    rng, tally = random.Random(seed), Tally()
    ways = [SIGNALS[number % len(SIGNALS)] for number in range(kills)]
    rng.shuffle(ways)
    domains = {method: killing.write(folder, method, url) for method in methods}
    wholes = {method: undisturbed(domain, url) for method, domain in domains.items()}
    while ways:
        method = min(methods, key=lambda name: tally.by_method[name])
        domain = domains[method].at(f"{method}-{tally.runs}")
        _kill_a_run(domain, method, wholes[method], url, ways, rng, tally)
        print(f"{tally.by_signal.total()} of {kills} kills", file=sys.stderr, flush=True)
    return {
        "kills": tally.by_signal.total(),
        "by_signal": dict(tally.by_signal),
        "by_method": dict(tally.by_method),
        "runs": tally.runs,
        "equal": not tally.unequal and not tally.fatal,
        "fatal": tally.fatal,
        "records_lost": tally.lost,
        "records_paid_twice": tally.paid_twice,
        "asked_again": tally.asked_again,
    }


def undisturbed(domain: Domain, url: str) -> Whole:
    """See a run to its end, and return what it holds."""
    server.begin(url, LATENCY)
    with killing.started(domain) as process:
        killing.wait_for_work(domain, process)
        begun = time.monotonic()
        process.join()
    seconds = time.monotonic() - begun
    killing.demand_end(domain, process.exitcode)
    run = domain.run
    assert run is not None
    prompts = Counter(server.prompts(url))
    return Whole(killing.rows(run), killing.dataset(run), prompts, seconds)


def _kill_a_run(
    domain: Domain,
    method: str,
    whole: Whole,
    url: str,
    ways: list[Way],
    rng: random.Random,
    tally: Tally,
) -> None:
    """Kill a run at random moments until it comes to its end, or all kills are done.

    Args:
        ways: signals of the kills that are left; those that were sent are taken out.
    """
    seen: Rows = {}
    while True:
        held = killing.asked(domain.run)
        server.begin(url, LATENCY)
        struck = False
        with killing.started(domain) as process:
            if ways and killing.wait_for_work(domain, process):
                process.join(whole.seconds * rng.uniform(0, REACH))
            if ways and process.is_alive():
                seen |= killing.rows(domain.run)
                struck = killing.strike(process, ways[-1], rng.uniform(0, PAUSE))
            process.join()
        killing.rest(url)
        sent, answered = Counter(server.prompts(url)), killing.asked(domain.run)
        beyond = sent - (whole.prompts - held)
        tally.paid_twice += sum(min(count, held[one]) for one, count in beyond.items())
        tally.asked_again += (sent - (answered - held)).total()
        if struck:
            tally.by_signal[" ".join(ways.pop())] += 1
            tally.by_method[method] += 1
        if not struck or killing.is_finished(domain):  # a kill may have come on its last steps
            break
    tally.runs += 1
    if not struck and process.exitcode != 0:
        tally.fatal += 1
        print(f"{domain.folder.name} cannot go on: {killing.said(domain)}", file=sys.stderr)
        return
    _compare(domain, whole, seen, tally)


def _compare(domain: Domain, whole: Whole, seen: Rows, tally: Tally) -> None:
    """Compare a run that was resumed with one that nobody killed, and with what it held before."""
    run = domain.run
    assert run is not None
    rows = killing.rows(run)
    lost = (whole.rows.items() | seen.items()) - rows.items()
    tally.lost += len(lost)
    if rows != whole.rows or killing.dataset(run) != whole.dataset:
        tally.unequal += 1
        kinds = Counter(kind for (kind, _), _ in lost)
        print(f"{domain.folder.name} is another one: {dict(kinds)}", file=sys.stderr)


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("", "", box=None, show_header=False)
    for name, value in figures.items():
        pairs = value.items() if isinstance(value, dict) else ()
        table.add_row(name, ", ".join(f"{k}: {v}" for k, v in pairs) if pairs else str(value))
    Console(highlight=False, markup=False).print(table)


def _is_good(figures: Figures) -> bool:
    """Tell whether nothing was lost or paid for twice, and all caps held as they should."""
    kept = figures["equal"] and not figures["records_lost"] and not figures["records_paid_twice"]
    return kept and all(
        figures[name] <= most for name, most in caps.AIMS.items() if name in figures
    )


if __name__ == "__main__":
    harness.run_program(main)
