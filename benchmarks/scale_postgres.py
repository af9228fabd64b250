"""Measures what examinations cost with their run in PostgreSQL, over what they cost in files.

The same examinations of one round go over HTTP through all that a run has, by turns with ledger and
checkpoints in SQLite and in PostgreSQL: a server on this machine, on its loopback address, that
waits for its disk as it comes installed.

Figures: `calls` of a pass; `cpu_ratio` and `wall_ratio`, medians of the passes' ratios, with the
lowest and the highest; medians of milliseconds of processor time a call, of this process alone,
`files_ms` and `postgres_ms`; and `within`: whether both ratios are at most `MOST`.
"""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import server
from benchmarks.orchestration import examined, write_domain
from elenchus.postgres import VARIABLE, use

MOST = 1.5
IN_FLIGHT = 64
LATENCY = 0.05  # seconds
PASSES, EXAMINATIONS = 7, 300
QUICK_PASSES, QUICK_EXAMINATIONS = 3, 60
Figures = dict[str, Any]


def measure(quick: bool) -> Figures:
    """Return the figures: see above."""
    passes, count = (QUICK_PASSES, QUICK_EXAMINATIONS) if quick else (PASSES, EXAMINATIONS)
    files: list[Figures] = []
    there: list[Figures] = []
    with tempfile.TemporaryDirectory() as name, server.serving() as url, _database() as address:
        folder = Path(name)
        domain = write_domain(folder, url)
        warm = examined(domain, folder / "warm", count, IN_FLIGHT)
        for number in range(1 + passes):
            for kept, made in (("", files), (address, there)):
                use(kept)
                server.begin(url, LATENCY)
                place = folder / f"{number}-{len(kept)}"
                made.append(examined(domain, place, count, IN_FLIGHT, warm))
        use("")
        calls = server.counts(url)["received"]
    pairs = list(zip(files, there, strict=True))[1:]  # the first is slower, whatever it is
    figures: Figures = {"calls": calls}
    for name, key in (("cpu", "busy"), ("wall", "seconds")):
        ratios = [other[key] / one[key] for one, other in pairs]
        figures |= {
            f"{name}_ratio": round(median(ratios), 2),
            f"{name}_lowest": round(min(ratios), 2),
            f"{name}_highest": round(max(ratios), 2),
        }
    for name, passed in (("files", files), ("postgres", there)):
        figures[f"{name}_ms"] = round(1000 * median(p["busy"] for p in passed[1:]) / calls, 3)
    figures["within"] = max(figures["cpu_ratio"], figures["wall_ratio"]) <= MOST
    return figures


@contextmanager
def _database() -> Iterator[str]:
    """Start the tests' server of databases; yield the address of one."""
    before, tests = os.environ.get(VARIABLE, ""), importlib.import_module("tests.postgres_server")
    try:
        with tests.started("-c fsync=on -c full_page_writes=on") as running:
            yield running.address("postgres", password=tests.QUOTED)
    finally:
        os.environ[VARIABLE] = before
