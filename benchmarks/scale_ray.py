"""Measures what a second worker process of a Ray cluster gains, and what a lost node costs.

A cluster of two nodes, on this machine, examines one round against an endpoint that takes 200 ms to
answer: by turns with one worker and with two, each with the same number of examinations under way,
and as many to make: so a round's end, with ever fewer under way, is the same part of both. Searches
and workers are there before the clock starts, which stops at the last answer. Then, with two
workers, a node is killed in the middle of a round.

Figures: `calls` of a round of two; `calls_an_hour_of_one` and `calls_an_hour_of_two`, medians;
`speedup`, the median of the pairs' ratios, with the `lowest` and the `highest`; `busy`, the share
of this machine's processors that was in use, at most; `lost_calls`, which the killed node had under
way, and `same_records`, whether its round made those of an undisturbed one; and `within`: whether
the speedup is at least `LEAST` and the records are the same.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil
import yaml

from benchmarks import server
from benchmarks.orchestration import LATENCY, Figures, examined, fan_out, write_domain
from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem
from elenchus.progress import Advance
from elenchus.records import Examination, Question, Turn
from graphs.cluster.pool import Pool
from graphs.config import validate
from graphs.services import Services

LEAST = 1.9
CONCURRENCY = 8  # examinations under way, a worker
PAIRS, EXAMINATIONS = 3, 160  # a worker
QUICK_PAIRS, QUICK_EXAMINATIONS = 2, 60
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
MADE = (Examination, ExamItem, Question, Turn)


class Round(NamedTuple):
    """What one round came to; `lost` is how many calls were paid for without an answer."""

    calls: int
    calls_an_hour: float
    busy: float
    lost: int
    records: frozenset[str]


class At:
    """Progress that does something once so many examinations are done."""

    def __init__(self, count: int, then: Callable[[], object]) -> None:
        self._count, self._then = count, then

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """See `Progress.stage`."""
        yield self._advance

    def say(self, text: str) -> None:
        """See `Progress.say`."""

    def _advance(self, done: int, total: int | None) -> None:
        if done == self._count:
            self._then()


def measure(quick: bool) -> Figures:
    """Return the figures: see above.

    Raises:
        UserError: Ray is not installed.
    """
    pairs, count = (QUICK_PAIRS, QUICK_EXAMINATIONS) if quick else (PAIRS, EXAMINATIONS)
    with two_nodes() as cluster, tempfile.TemporaryDirectory() as name, server.serving() as url:
        folder = Path(name)
        domain = write_domain(folder, url)
        server.begin(url, 0.0)
        warm = examined(domain, folder / "warm", 2 * count, CONCURRENCY)
        where = domain, folder, url, cluster.address, count, warm

        made = [[_round(*where, workers, _nothing) for workers in (1, 2)] for _ in range(pairs)]
        node = cluster.list_all_nodes()[-1]
        kill = _round(*where, 2, lambda: cluster.remove_node(node, allow_graceful=False))
    ratios = [two.calls_an_hour / one.calls_an_hour for one, two in made]
    one, two = (round(median(pair[n].calls_an_hour for pair in made)) for n in (0, 1))
    same = all(pair[1].records == kill.records for pair in made)
    return {
        "calls": made[0][1].calls,
        "calls_an_hour_of_one": one,
        "calls_an_hour_of_two": two,
        "speedup": round(median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "busy": round(max(each.busy for pair in made for each in pair), 2),
        "lost_calls": kill.lost,
        "same_records": same,
        "within": median(ratios) >= LEAST and same,
    }


@contextlib.contextmanager
def two_nodes() -> Iterator[Any]:
    """Yield a cluster of two nodes on this machine, with a CPU each; this process joins it."""
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ModuleNotFoundError as error:
        raise UserError("this needs the package ray: pip install -e '.[ray]'") from error
    made = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    try:
        made.add_node(**NODE)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def _round(
    domain: Path,
    folder: Path,
    url: str,
    address: str,
    count: int,
    warm: Figures,
    workers: int,
    then: Callable[[], object],
) -> Round:
    """Examine one round, `count` seeds a worker, and do something in its middle."""
    count *= workers
    tree = yaml.safe_load(domain.read_text(encoding="utf-8"))
    tree |= {
        "student": {"model": server.MODEL, "base_url": url},
        "engine": "ray",
        "ray": {"address": address, "workers": workers},
        "examination": {"concurrency": CONCURRENCY},
    }
    config = validate(tree, str(domain))
    run = runs.create(folder / "rounds", config, domain.parent, None, "")
    progress = At(count // 2, then)
    with (
        run.locked(),
        closing(Services(run, config, domain.parent, Ledger(run.ledger), progress)) as services,
    ):
        services.ledger.write(*warm["records"])
        asyncio.run(_examined(services, url, count))
        counts, ledger = server.counts(url), services.ledger
        return Round(
            counts["received"],
            3600 * counts["received"] / counts["seconds"],
            psutil.cpu_percent() / 100,
            sum(spent.calls for spent in ledger.unanswered()),
            frozenset(record.id for kind in MADE for record in ledger.all(kind)),
        )


async def _examined(services: Services, url: str, count: int) -> None:
    services.pool = Pool(services)
    await services.pool.begun()
    server.begin(url, LATENCY)
    psutil.cpu_percent()  # since the last time that it was asked
    await fan_out(services, count, warm=True)


def _nothing() -> None:
    """Do nothing."""
