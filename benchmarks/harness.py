"""What comparisons share: their options, and processes that work on one domain and seed each."""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import util
from multiprocessing import get_context
from pathlib import Path

from benchmarks.cells import Row
from elenchus.cli import settle_environment
from elenchus.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
Job = Callable[[Path, int], list[Row]]  # of a domain and a seed


def options(
    name: str, about: str, choices: Sequence[str], seeds: int, arguments: list[str] | None
) -> argparse.Namespace:
    """The options of `elenchus bench NAME`; UserError where its drawing package is missing."""
    parser = argparse.ArgumentParser(f"elenchus bench {name}", description=about)
    parser.add_argument("--quick", action="store_true", help="minutes; figures of little worth")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    parser.add_argument("--out", type=Path, help="folder of all its runs")
    parser.add_argument("--seeds", type=int, help=f"seeds of each domain (default {seeds})")
    parser.add_argument("--workers", type=int, default=2, help="processes at once")
    parser.add_argument("--only", action="append", choices=choices, help="repeatable")
    found = parser.parse_args(arguments)
    found.out = found.out or Path("runs/bench") / (f"quick-{name}" if found.quick else name)
    found.seeds = found.seeds or (1 if found.quick else seeds)
    if util.find_spec("matplotlib") is None:
        raise UserError("comparisons draw with matplotlib: pip install 'elenchus[bench]'")
    return found


def in_processes(job: Job, domains: Sequence[Path], seeds: int, workers: int) -> list[Row]:
    """The rows of a job for every domain and seed, by strategy and size; told as they finish."""
    groups = [(domain, seed) for seed in range(seeds) for domain in domains]
    rows: list[Row] = []
    # A process a group: what a finished run held is given back to the system.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_settle, max_tasks_per_child=1
    ) as pool:
        work = {pool.submit(job, *group): group for group in groups}
        for done, future in enumerate(as_completed(work), 1):
            domain, seed = work[future]
            rows += future.result()
            place = f"{domain.parent.name}, seed {seed}"
            print(f"{done} of {len(groups)}: {place}", file=sys.stderr, flush=True)
    return sorted(rows, key=lambda r: (r["strategy"], r["n"], r["domain"], r["seed"]))


def _settle() -> None:
    settle_environment()
    import torch

    torch.set_num_threads(1)  # two processes of one thread are faster than one of two
