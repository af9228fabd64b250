"""Measures what calls over HTTP lose to the machinery around them, and what faults and kills cost.

    python -m benchmarks.orchestration            # long
    python -m benchmarks.orchestration --quick    # a few minutes

Needs a clone: the server is that of the tests, in a process of its own. Keys of the JSON:
`share_of_ideal` (by calls in flight, at 200 ms of latency: the call rate of examinations over that
of a bare aiohttp client on the same server; with the processor time of a call, which bounds the
rate that one process can have), `checkpoint_growth` and `time_growth` (of a single examination,
from the fewest to the most), `kills` (how many, calls in flight at them, calls made again, and
whether the ledger is that of a run never killed), `faults` (by mixture: tasks lost and repeated,
and the time over that without faults).
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from langgraph.graph import END, START, StateGraph

from agents.judge import Judge
from agents.prompting import Subject
from benchmarks import invented, server
from benchmarks.server import MODEL, ROOT
from elenchus import runs
from elenchus.cli.main import settle_environment
from elenchus.config import LimitsConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Gold, Passage, Point, Retrieval, Verdict
from elenchus.sections import ModelConfig
from graphs import nodes
from graphs.adaptation.graph import add_examinations, after_draw
from graphs.adaptation.history import History
from graphs.adaptation.seeds import draw_seeds
from graphs.adaptation.state import AdaptationState
from graphs.checkpoints import checkpoints
from graphs.config import validate
from graphs.services import RunRef, Services
from models.backend import make_model
from models.calls import Caller
from models.rate_limits import RateLimits

ROLES = ("expert", "examiner", "grader")
LATENCY = 0.2  # seconds
IN_FLIGHT = (64, 256)
MIXTURES = {
    "5 % of 429 and 500": {"429 with Retry-After": 0.025, "500": 0.025},
    "20 % of 429 and 500": {"429 with Retry-After": 0.1, "500": 0.1},
    "5 % of resets and cut bodies": {"connection reset": 0.025, "body cut off": 0.025},
}
Figures = dict[str, Any]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    settle_environment()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    with tempfile.TemporaryDirectory() as folder, server.serving() as url:
        figures = measure(Path(folder), url, options.quick)
    print(json.dumps(figures) if options.json else yaml.safe_dump(figures, sort_keys=False))


def measure(folder: Path, url: str, quick: bool) -> Figures:
    """Return all figures; each is said on standard error as soon as it is known."""
    domain = write_domain(folder, url)
    count = 100 if quick else 1000
    figures: Figures = {}

    def add(name: str, value: Any) -> None:
        figures[name] = value
        print(f"{name}: {json.dumps(value)}", file=sys.stderr, flush=True)

    warm = _warm(domain, folder / "warm", url, count)
    shares = {str(n): _share(domain, folder / f"at-{n}", url, count, n, warm) for n in IN_FLIGHT}
    add("share_of_ideal", shares)
    add("faults", {name: _faults(url, shares, count) for name, shares in MIXTURES.items()})
    add("kills", _kills(domain, folder / "killed", url, 3 if quick else 50))
    for name, ratio in _growth(domain, folder, url, *((50, 200) if quick else (100, 5000))).items():
        add(name, ratio)
    return figures


def _warm(domain: Path, folder: Path, url: str, count: int) -> Figures:
    """Examine all once without latency, so that the server's answers and the searches are known."""
    server.begin(url, 0.0)
    return examined(domain, folder, count, 64)


def _growth(domain: Path, folder: Path, url: str, few: int, many: int) -> Figures:
    """Return what one examination takes of the checkpoint file and of time, many over few."""
    warm = _warm(domain, folder / "warm-many", url, many)
    small, large = (examined(domain, folder / f"growth-{n}", n, 64, warm) for n in (few, many))
    ratios = {"checkpoint_growth": "bytes", "time_growth": "seconds"}
    return {name: round(large[k] / many / (small[k] / few), 3) for name, k in ratios.items()}


def _share(
    domain: Path, folder: Path, url: str, examinations: int, in_flight: int, warm: Figures
) -> Figures:
    """Return the examinations' call rate, and a bare client's with as many calls."""
    server.begin(url, LATENCY)
    started = time.process_time()
    examined(domain, folder, examinations, in_flight, warm)
    busy = time.process_time() - started
    ours = server.counts(url)
    server.begin(url, LATENCY)
    asyncio.run(_bare(url, ours["received"], in_flight))
    bare = server.counts(url)
    rates = [counts["received"] / counts["seconds"] for counts in (ours, bare)]
    return {
        "calls": ours["received"],
        "ours_per_second": round(rates[0], 1),
        "bare_per_second": round(rates[1], 1),
        "share": round(rates[0] / rates[1], 3),
        "processor_ms_a_call": round(1000 * busy / ours["received"], 2),
    }


def examined(
    domain: Path, folder: Path, count: int, in_flight: int, warm: Figures | None = None
) -> Figures:
    """Examine so many seeds in the adaptation graph's own fan-out, and nothing else."""
    tree = yaml.safe_load(domain.read_text(encoding="utf-8"))
    student = {"model": MODEL, "base_url": tree["expert"]["base_url"]}
    tree |= {"models": {MODEL: {"in_flight": in_flight}}, "student": student}
    # Enough that a call always waits for its turn, few enough that they do not all end at once.
    tree["examination"] = {"concurrency": 3 * in_flight // 2}
    config = validate(tree, str(domain))
    run = runs.create(folder, config, domain.parent, None, "")
    with (
        run.locked(),
        closing(Services(run, config, domain.parent, Ledger(run.ledger), Unseen())) as services,
    ):
        if warm:
            services.ledger.write(*warm["records"])
            _ = services.search  # made once a run
        return asyncio.run(fan_out(services, count, bool(warm)))


async def fan_out(services: Services, count: int, warm: bool) -> Figures:
    """Run the adaptation graph's nodes as far as the examinations of one round."""
    ledger, folder = services.ledger, services.folder
    started, busy = time.perf_counter(), time.process_time()
    async with checkpoints(folder.checkpoints, ledger) as saver:
        graph = _graph(services, count, warm).compile(checkpointer=saver)
        thread = {"configurable": {"thread_id": "one"}}
        with services.registered() as ref:
            await graph.ainvoke({"round": 0}, thread, context=ref, durability="sync")
        await services.disconnect()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    size = sum(p.stat().st_size for p in folder.path.glob("checkpoints.sqlite*"))
    kinds = () if warm else (Passage, Point, Retrieval)
    records = [record for kind in kinds for record in ledger.all(kind)]
    return {"seconds": seconds, "busy": busy, "bytes": size, "records": records}


def _graph(services: Services, count: int, warm: bool) -> Any:
    """Build the graph of `fan_out`; warm, the passages and points are in the ledger already."""

    async def draw(state: AdaptationState) -> nodes.Changes:
        points, config = services.ledger.all(Point), services.config
        seeds = draw_seeds(points, History(), 1, count, services.asking, config.adaptation)
        services.ledger.write(*seeds)
        return {"seed_ids": [seed.id for seed in seeds], "adapter": ""}

    async def done(state: AdaptationState) -> nodes.Changes:
        return {"stopped": "examined"}

    graph: Any = StateGraph(AdaptationState, context_schema=RunRef)
    graph.add_sequence([draw] if warm else [nodes.index, nodes.survey, draw])
    graph.add_node(done)
    add_examinations(graph)
    graph.add_edge(START, "draw" if warm else "index")
    graph.add_conditional_edges("draw", after_draw, ["examine"])
    graph.add_edge("examine", "done")
    graph.add_edge("done", END)
    return graph


async def _bare(url: str, calls: int, in_flight: int) -> None:
    """Make as many calls by aiohttp alone."""
    gate = asyncio.Semaphore(in_flight)
    prompt = [
        {"role": "system", "content": "You answer questions."},
        {"role": "user", "content": "?"},
    ]
    body = {"model": "reader", "messages": prompt}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def one() -> None:
            async with gate, session.post(f"{url}/chat/completions", json=body) as answer:
                await answer.json()

        await asyncio.gather(*(one() for _ in range(calls)))


def _faults(url: str, shares: dict[str, float], tasks: int) -> Figures:
    """Grade so many answers with faults and without."""
    seconds = []
    for mixture in ({}, shares):
        server.begin(url, LATENCY, mixture)
        with tempfile.TemporaryDirectory() as folder:
            lost = asyncio.run(_gradings(url, Path(folder), tasks))
        counts = server.counts(url)
        seconds.append(counts["seconds"])
    return {
        "tasks": tasks,
        "failed_responses": sum(counts["faults"].values()),
        "lost": lost,
        "repeated": counts["repeated"],
        "time": round(seconds[1] / seconds[0], 3),
    }


async def _gradings(url: str, folder: Path, tasks: int) -> int:
    """Grade so many answers, all different, and return how many had no verdict."""
    settings = ModelConfig(model=MODEL, base_url=url)
    model, rates = make_model(settings), RateLimits(LimitsConfig(in_flight=64))
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        judge = Judge(Caller(model, settings, ledger, rates), Subject("t", "English"))
        asked = (judge.grade(f"question {n}", _gold(n), [f"So: {n}."]) for n in range(tasks))
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        await model.close()
    return sum(not isinstance(outcome, Verdict) for outcome in outcomes)


def _gold(number: int) -> Gold:
    return Gold(text=f"So: {number}.", result=str(number))


def _kills(domain: Path, folder: Path, url: str, kills: int) -> Figures:
    """Compare a run killed so many times at random moments with one that never was."""
    server.begin(url, 0.01)
    _see_through(domain, folder / "whole")
    calm = server.counts(url)
    server.begin(url, 0.01)
    rng, killed, lost = random.Random(0), 0, 0
    for kill in range(kills):
        # Moments spread over all of the run's calls.
        after = calm["completions"] * (kill + rng.random()) / (kills + 1)
        with _started(domain, folder / "killed") as process:
            while process.poll() is None and server.counts(url)["completions"] < after:
                time.sleep(0.02)
            killed += process.poll() is None
            process.kill()
        time.sleep(LATENCY)  # the server ends what it has begun
        lost = server.counts(url)["completions"] - _calls(folder / "killed")
    _see_through(domain, folder / "killed")
    ledgers = [_records(folder / name) for name in ("whole", "killed")]
    return {
        "kills": killed,
        "calls": calm["completions"],
        "in_flight_at_kills": lost,
        "calls_made_again": server.counts(url)["completions"] - calm["completions"],
        "same_ledger": ledgers[0] == ledgers[1],
    }


def _calls(folder: Path) -> int:
    """Count the calls over HTTP in a run's ledger: all but the student's."""
    begun = runs.listed(folder)
    if not begun or not begun[0].ledger.exists():
        return 0
    with closing(Ledger(begun[0].ledger, read_only=True)) as ledger:
        return sum(spent.calls for spent in ledger.spent() if spent.model == MODEL)


def _see_through(domain: Path, folder: Path) -> None:
    """See a run to its end."""
    with _started(domain, folder) as process:
        if process.wait() != 0:
            raise UserError("a run failed")


@contextmanager
def _started(domain: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run in a process, or resume the one that is in `folder`."""
    begun = runs.listed(folder)
    verb = ["resume", begun[0].id] if begun else ["launch", str(domain)]
    command = [sys.executable, "-m", "elenchus", *verb, "--runs", str(folder), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        yield process


def _records(folder: Path) -> list[tuple[str, str]]:
    """Return all records of a run, by their ids."""
    (run,) = runs.listed(folder)
    with closing(sqlite3.connect(run.path / "ledger.sqlite")) as database:
        return database.execute("SELECT id, body FROM records ORDER BY id").fetchall()


def write_domain(folder: Path, url: str) -> Path:
    """Write a code whose roles answer at `url`; the student is trained for a moment only."""
    path = invented.write(folder, "orchestration", 80)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree |= {role: {"model": MODEL, "base_url": url} for role in ROLES}
    tree |= {
        "retrieval": {"index": str(folder / "indexes")},
        "exam": {"questions": 20, "general": 0},
        "adaptation": {"examples": [40, 80]},
        "training": {"epochs": 0.1, "least_steps": 1},
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
