"""Computes from measured costs what corpora and runs of any size take, and what gives out first.

    python -m benchmarks.capacity            # a few minutes
    python -m benchmarks.capacity --quick    # less of everything

Needs a clone: the server of models is that of the tests, in a process of its own.

Costs are measured here, each in a process of its own: what grows is taken from two sizes, so that
what is there anyway (the interpreter, the libraries) does not count. Passages are texts of rules of
some 900 characters; vectors have 384 dimensions, as MiniLM's. All beyond the sizes measured is by
proportion, and says so by standing in `corpora`.

Keys of the JSON. `measured`: of a passage, its kB on disk (in the index, and again in each run's
ledger), in a Chroma server's or process's memory, and in that of a run (text and lexical index);
its processor seconds of embedding; of an examination its calls, tokens, processor milliseconds a
call, and kB on disk. `corpora`: by passages from 10^4 to 10^9, gigabytes of disk and memory, hours
of embedding on one core, tokens and hours of a survey of all, and `first`, what gives out first.
`machines`: by size, calls in flight, seconds an answer takes, and examinations an hour.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import invented, server
from benchmarks.orchestration import examined, write_domain
from elenchus.cli.main import settle_environment
from elenchus.config import RetrievalConfig
from elenchus.ledger import Ledger
from elenchus.progress import unseen
from elenchus.records import Document, Passage
from retrieval.catalogue import Catalogue
from retrieval.embedding import Embedder
from retrieval.search import Search
from retrieval.store import Store

SIZES, QUICK_SIZES = (4_000, 20_000), (1_000, 4_000)  # passages
EMBEDDED, QUICK_EMBEDDED = 400, 100
EXAMINATIONS, QUICK_EXAMINATIONS = 200, 60
RULES = 8  # in a passage
DIMENSIONS = 384
CORPORA = tuple(10**power for power in range(4, 10))
SURVEY_IN_FLIGHT, ANSWER = 64, 2.0  # calls at once, and seconds that an answer takes
WRITTEN = 150  # tokens of a survey's answer
CHARS_A_TOKEN = 4.0
GB = 1e6  # kB

Figures = dict[str, Any]


class Machine(NamedTuple):
    """A size of machine: how many calls it has in flight, and what each of them waits for.

    Attributes:
        processes: that make examinations, each with a core of its own.
        in_flight: calls of each process.
        answer: seconds that an answer takes, with so many in flight.
    """

    processes: int
    in_flight: int
    answer: float


MACHINES = {
    "laptop, an API": Machine(1, 8, 2.0),
    "one GPU machine, vLLM": Machine(1, 64, 4.0),
    "cluster, 16 workers": Machine(16, 64, 4.0),
}
# What gives out, the first that is true: by gigabytes and hours at so many passages.
LIMITS: Sequence[tuple[str, Callable[[Figures], bool]]] = (
    ("memory of a run over 64 GB: select first", lambda row: row["run_memory_gb"] > 64),
    ("survey of all over a day: questions.surveyed", lambda row: row["survey_hours"] > 24),
    ("memory of Chroma over 8 GB: a server of its own", lambda row: row["chroma_memory_gb"] > 8),
    ("embedding over a night on one core: a GPU", lambda row: row["embedding_hours"] > 8),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compute, and print."""
    parser = argparse.ArgumentParser(prog="elenchus bench capacity", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    settle_environment()
    if options.only:
        part, count = options.only
        print(json.dumps(PARTS[part](int(count))))
        return 0
    measured = measure(options.quick)
    figures = {
        "measured": measured,
        "corpora": {str(count): corpus(count, measured) for count in CORPORA},
        "machines": {name: machine(size, measured) for name, size in MACHINES.items()},
    }
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures)
    return 0


def measure(quick: bool) -> Figures:
    """Return what a passage and an examination cost on this machine."""
    sizes = QUICK_SIZES if quick else SIZES
    embedded = _alone("embedding", QUICK_EMBEDDED if quick else EMBEDDED)
    chroma, run, index = (_growth(part, sizes) for part in ("chroma", "run", "index"))
    return {
        "passage": {
            "characters": embedded["characters"],
            "index_disk_kb": round(chroma["disk_kb"] + index["disk_kb"], 2),
            "ledger_disk_kb": round(run["disk_kb"], 2),
            "chroma_memory_kb": round(chroma["memory_kb"], 2),
            "run_memory_kb": round(run["memory_kb"], 2),
            "embedding_seconds": round(embedded["seconds"], 4),
        },
        "examination": _examination(QUICK_EXAMINATIONS if quick else EXAMINATIONS),
    }


def corpus(count: int, measured: Figures) -> Figures:
    """Return what so many passages take, and what gives out first."""
    passage = measured["passage"]
    read = passage["characters"] / CHARS_A_TOKEN
    row = {
        "disk_gb": count * (passage["index_disk_kb"] + passage["ledger_disk_kb"]) / GB,
        "chroma_memory_gb": count * passage["chroma_memory_kb"] / GB,
        "run_memory_gb": count * passage["run_memory_kb"] / GB,
        "embedding_hours": count * passage["embedding_seconds"] / 3600,
        "survey_million_tokens": count * (read + WRITTEN) / 1e6,
        "survey_hours": count * ANSWER / SURVEY_IN_FLIGHT / 3600,
    }
    rounded: Figures = {name: float(f"{value:.3g}") for name, value in row.items()}
    first = next((what for what, is_over in LIMITS if is_over(row)), "nothing")
    return rounded | {"first": first}


def machine(size: Machine, measured: Figures) -> Figures:
    """Return how many examinations a machine makes in an hour.

    A process makes as many calls as its places allow, or its core.
    """
    made = measured["examination"]
    calls = min(size.in_flight / size.answer, 1000 / made["processor_ms_a_call"])
    return size._asdict() | {
        "examinations_an_hour": round(size.processes * 3600 * calls / made["calls"]),
        "tokens_an_hour": round(size.processes * 3600 * calls / made["calls"] * made["tokens"]),
        "disk_mb_an_hour": round(size.processes * 3.6 * calls / made["calls"] * made["disk_kb"]),
    }


def _examination(count: int) -> Figures:
    """Return what one examination takes: see `benchmarks.orchestration.examined`."""
    with tempfile.TemporaryDirectory() as name, server.serving() as url:
        folder = Path(name)
        domain = write_domain(folder, url)
        server.begin(url, 0.0)
        warm = examined(domain, folder / "warm", count, SURVEY_IN_FLIGHT)
        server.begin(url, 0.05)
        made = examined(domain, folder / "run", count, SURVEY_IN_FLIGHT, warm)
        (ledger,) = (folder / "run").glob("*/*/ledger.sqlite")
        with closing(Ledger(ledger, read_only=True)) as written:
            calls, tokens = written.usage()
        size = made["bytes"] + sum(p.stat().st_size for p in ledger.parent.glob("ledger.sqlite*"))
    return {
        "calls": round(calls / count, 1),
        "tokens": round(tokens / count),
        "processor_ms_a_call": round(1000 * made["busy"] / calls, 2),
        "disk_kb": round(size / count / 1e3, 1),
    }


def _growth(part: str, sizes: tuple[int, int]) -> dict[str, float]:
    """Return what each further passage takes of disk and of memory, in kB."""
    few, many = (_alone(part, size) for size in sizes)
    return {name: (many[name] - few[name]) / (sizes[1] - sizes[0]) for name in few}


def _alone(part: str, count: int) -> dict[str, float]:
    """Measure a part in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.capacity", "--only", part, str(count)]
    end = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(end.stdout.splitlines()[-1])
    return told


def _passages(count: int) -> list[Passage]:
    """Return different passages of rules in random order."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        code = invented.write(Path(place), "capacity", 200).parent / "documents"
        rules = [
            rule.partition("\n")[2].strip()
            for path in sorted(code.iterdir())
            for rule in path.read_text("utf-8").split("\n## ")[1:]
        ]
    texts = [f"Sheet {n}.\n\n" + "\n\n".join(rng.sample(rules, RULES)) for n in range(count)]
    return [
        Passage(document_id="d", source=f"{n}.md", start=0, end=len(text), heading=(), text=text)
        for n, text in enumerate(texts)
    ]


class _Drawn(Embedder):
    """Draws unit vectors instead of computing them: what is measured is where they are kept."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def encode(self, texts: Sequence[str]) -> Any:
        drawn = self._rng.normal(size=(len(texts), DIMENSIONS)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _chroma(count: int) -> dict[str, float]:
    """Store passages in Chroma as an index does."""
    passages = _passages(count)
    with tempfile.TemporaryDirectory() as name:
        before = _memory_kb()
        with closing(Store("capacity", Path(name), RetrievalConfig(), _Drawn())) as store:
            store.hold(passages, unseen)
            return {"memory_kb": _memory_kb() - before, "disk_kb": _size_kb(Path(name))}


def _run(count: int) -> dict[str, float]:
    """Hold passages as a run does: in its ledger, and in memory with the lexical index."""
    passages = _passages(count)
    with tempfile.TemporaryDirectory() as name:
        with closing(Ledger(Path(name) / "ledger.sqlite")) as ledger:
            ledger.write(*passages)
        disk = _size_kb(Path(name))
    store: Any = None  # nothing is searched
    searched = Search(passages, store, RetrievalConfig())
    del passages
    memory = _memory_kb()
    assert searched
    return {"memory_kb": memory, "disk_kb": disk}


def _index(count: int) -> dict[str, float]:
    """Catalogue passages, each as a document."""
    with tempfile.TemporaryDirectory() as name:
        with closing(Catalogue(Path(name) / "catalogue.sqlite")) as catalogue:
            for passage in _passages(count):
                document = Document(source=passage.source, title="x", text=passage.text)
                catalogue.put(document, [passage], passage.id, 1)
        return {"disk_kb": _size_kb(Path(name))}


def _embedding(count: int) -> dict[str, float]:
    """Embed passages; return processor seconds and characters of one."""
    texts = [passage.text for passage in _passages(count)]
    embedder = Embedder("minilm")
    embedder.encode(texts[:8])  # loads the model
    begun = time.process_time()
    embedder.encode(texts)
    seconds = (time.process_time() - begun) / count
    return {"seconds": seconds, "characters": round(sum(map(len, texts)) / count)}


PARTS: dict[str, Callable[[int], dict[str, float]]] = {
    "chroma": _chroma, "run": _run, "index": _index, "embedding": _embedding,
}  # fmt: skip


def _memory_kb() -> float:
    """Return the most memory that this process has had."""
    scale = 1e-3 if sys.platform == "darwin" else 1.0  # bytes there, else kilobytes
    return scale * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _size_kb(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e3


def show(figures: Figures) -> None:
    """Print what was measured, and both tables."""
    console = Console(highlight=False, markup=False, width=160)
    for what, costs in figures["measured"].items():
        told = ", ".join(f"{name} {value:,}" for name, value in costs.items())
        console.print(f"a {what}: {told}")
    for name, rows in (("passages", figures["corpora"]), ("machine", figures["machines"])):
        columns = list(next(iter(rows.values())))
        table = Table(name, *(column.replace("_", " ") for column in columns), box=None)
        for row, values in rows.items():
            table.add_row(
                f"{int(row):,}" if row.isdigit() else row,
                *(_told(values[column]) for column in columns),
            )
        console.print(table)


def _told(value: Any) -> str:
    return (
        f"{value:,g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else value
    )


if __name__ == "__main__":
    sys.exit(main())
