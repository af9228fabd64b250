"""Measure what looking into runs costs them, and whoever looks.

    elenchus bench inspection            # a quarter of an hour
    elenchus bench inspection --quick    # a minute; figures of little worth

Keys of the JSON: `span_overhead` (the processor time of runs of the demonstration that send
OpenTelemetry's spans to a receiver on this machine, over that of runs that make none, less 1:
`value`, with `low` and `high` of an interval of 95 %; by how many `pairs` of runs, one right after
the other, each with how many `spans`), `page_seconds` (of `elenchus inspect`, for a run of 10,000
`examinations` with a ledger of `ledger_mb`: the `slowest` page, and each `by_page`), `memory_mb`
(the most that its server took after any page), and `under_target`, a line for each figure that
misses `TARGETS`; then the exit code is 1.
"""

import contextlib
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean
from typing import Any

from scipy import stats

from benchmarks import harness, inspection_pages
from elenchus import domains
from elenchus.cli.main import settle_environment
from elenchus.cli.usage import Parser
from elenchus.progress import Unseen
from graphs import runner
from graphs.config import load

TARGETS = {"span_overhead": 0.03, "page_seconds": 2.0, "memory_mb": 500}  # at most
DOMAIN = "harbour"
SMALL = ("exam.hand=null", "exam.questions=20", "exam.general=10", "adaptation.examples=[10]")
SMALLEST = (
    "exam.hand=null",
    "exam.questions=4",
    "exam.general=0",
    "adaptation.examples=[2]",
    "training.replay=0",
    "corpus.sources=[documents/02-arrival-and-departure.md]",
)
PAIRS, QUICK = 12, 2  # of runs
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
Figures = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Measure each figure, and print them."""
    parser = Parser("elenchus bench inspection", description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", choices=FIGURES, help="repeatable")
    parser.add_argument("--quick", action="store_true", help="a minute; figures of little worth")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/inspection"), help="folder")
    options = parser.parse_args(arguments)
    options.name = "inspection"
    settle_environment()
    options.out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        name: FIGURES[name](options.quick) for name in options.only or FIGURES
    }
    figures["under_target"] = [] if options.quick else misses(figures)
    harness.publish(figures, options, show)
    return 1 if figures["under_target"] else 0


def misses(figures: dict[str, Any]) -> list[str]:
    """Return a line for each figure that is surely over its target."""
    least = {name: _least(figures[name]) for name in TARGETS if figures.get(name)}
    return [
        f"{name}: {value:.3f} at least, wanted {TARGETS[name]} at most"
        for name, value in least.items()
        if value > TARGETS[name]
    ]


def _least(figure: Any) -> float:
    """Return what a figure surely is: the low end of its interval, where it has one."""
    if isinstance(figure, dict):
        return float(figure["low"] if "low" in figure else figure["slowest"])
    return float(figure)


def show(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    for name, figure in figures.items():
        print(f"{name:<16} {figure}")


def span_overhead(quick: bool) -> Figures:
    """Return what sending spans adds to the processor time of a run, as a share of it."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder, receiving() as (url, spans):
        changes = SMALLEST if quick else SMALL
        run = _demonstration(Path(folder), changes)
        _seconds(run, url)  # reads the documents, and loads the models and OpenTelemetry
        warm = spans()
        count = QUICK if quick else PAIRS
        for number in range(count):
            # What comes second may profit of the first: each does so in turn.
            order = (False, True) if number % 2 else (True, False)
            seconds = {sends: _seconds(run, url if sends else None) for sends in order}
            pairs.append((seconds[True], seconds[False]))
        return overhead(pairs) | {"spans": round((spans() - warm) / count)}


def overhead(pairs: Sequence[tuple[float, float]]) -> Figures:
    """Return the mean ratio of pairs less 1, with its interval of 95 %: of logarithms, by t."""
    logs = [math.log(more / less) for more, less in pairs]
    middle, half = mean(logs), stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs)
    value, low, high = (round(math.expm1(x), 4) for x in (middle, middle - half, middle + half))
    return {"value": value, "low": low, "high": high, "pairs": len(pairs)}


def _demonstration(folder: Path, changes: Sequence[str]) -> Callable[[], None]:
    """Return a function that runs the demonstration in this process, below a folder."""
    path = domains.find(DOMAIN)
    given = [f"retrieval.index={folder / 'indexes'}", *changes]
    config = load(path, "quick", given)

    def run() -> None:
        runner.launch(config, path.parent, folder / "runs", "quick", Unseen())

    return run


def _seconds(run: Callable[[], None], endpoint: str | None) -> float:
    """Return the processor time of a run, of all threads, with spans or without."""
    os.environ.pop(ENDPOINT, None)
    if endpoint is not None:
        os.environ[ENDPOINT] = endpoint
    begun = time.process_time()
    try:
        run()
    finally:
        os.environ.pop(ENDPOINT, None)
    return time.process_time() - begun


@contextlib.contextmanager
def receiving() -> Iterator[tuple[str, Callable[[], int]]]:
    """Receive spans in a process of its own; yields its address, and a function that counts them.

    Its processor time is not that of runs.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_receive, args=(there,), daemon=True)
    process.start()

    def count() -> int:
        here.send(None)
        return int(here.recv())

    try:
        yield f"http://127.0.0.1:{here.recv()}", count
    finally:
        process.kill()
        process.join()


def _receive(there: Connection) -> None:
    """Receive spans, and tell their number each time it is asked for."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there.send(server.server_port)
        while True:
            there.recv()
            sent = map(ExportTraceServiceRequest.FromString, bodies)
            scopes = (scope for one in sent for r in one.resource_spans for scope in r.scope_spans)
            there.send(sum(len(scope.spans) for scope in scopes))


FIGURES: dict[str, Callable[[bool], Any]] = {
    "span_overhead": span_overhead,
    "page_seconds": inspection_pages.page_seconds,
    "memory_mb": inspection_pages.memory_mb,
}
