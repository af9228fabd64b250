"""What an ingest costs beside bare embedding and adding, the second time, and in memory.

    python -m benchmarks.ingest          # 10,000 documents, 1,000 beside them; about 10 minutes
    python -m benchmarks.ingest --quick

Keys of the JSON: `share_of_bare`, the time of bare MiniLM embedding and bare Chroma adds of the
same passages over that of a first ingest; `reingest_speedup`, the time of a first ingest over that
of one of the unchanged documents; `memory_growth`, the peak memory of an ingest of all documents
over that of a tenth; `documents`, `passages_a_second`, `peak_mb`.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings

from benchmarks import invented
from elenchus.cli.main import settle_environment
from elenchus.progress import unseen
from graphs.config import validate
from retrieval.embedding import Embedder
from retrieval.index import Index

DOCUMENTS, QUICK = 10_000, 400
CODES, RULES = 4, 2  # invented codes, and rules of them in a document


def write(folder: Path, count: int) -> None:
    """Write documents of a passage each, all different: rules of invented codes in random order."""
    rng, rules = random.Random(0), []
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        for n in range(CODES):
            code = invented.write(Path(place), f"ingest-{n}", 100).parent / "documents"
            for path in sorted(code.iterdir()):
                _, *sections = path.read_text("utf-8").split("\n## ")
                rules += [section.partition("\n")[2].strip() for section in sections]
    for n in range(count):
        text = "\n\n".join(rng.sample(rules, RULES))
        (folder / f"{n:05}.md").write_text(f"# Sheet {n}\n\n{text}", encoding="utf-8")


def ingest(documents: Path, out: Path, embedder: Embedder) -> int:
    """Bring an index in line with a folder; return how many passages had to be embedded."""
    tree = {"domain": "ingest", "title": "x", "corpus": {"sources": ["."]},
            "retrieval": {"index": str(out)}}  # fmt: skip
    with (
        closing(Index(validate(tree, "benchmark"), documents)) as index,
        closing(index.store(embedder)) as store,
    ):
        index.read(unseen)
        return index.embed(store, unseen)


def bare(texts: list[str], out: Path, embedder: Embedder) -> None:
    """Make and add the same vectors with the libraries alone."""
    client: Any = chromadb.PersistentClient(str(out), Settings(anonymized_telemetry=False))
    collection = client.create_collection("bare", embedding_function=None)
    vectors = embedder.encode(texts)
    for start in range(0, len(texts), 5000):
        part = slice(start, start + 5000)
        ids = [str(n) for n in range(len(texts))[part]]
        collection.add(ids=ids, embeddings=vectors[part], documents=texts[part])
    client.close()


def measure(count: int, folder: Path) -> dict[str, float]:
    """Measure what ingests of so many documents cost."""
    write(folder / "documents", count)
    embedder = Embedder("minilm")
    embedder.encode(["loads the model"])
    texts = [p.read_text("utf-8") for p in sorted((folder / "documents").iterdir())]
    alone = _timed(lambda: bare(texts, folder / "bare", embedder))
    first = _timed(lambda: ingest(folder / "documents", folder / "index", embedder))
    again = _timed(lambda: ingest(folder / "documents", folder / "index", embedder))
    write(folder / "few", count // 10)
    peaks = [_peak(folder / name, folder / f"{name}-index") for name in ("few", "documents")]
    return {
        "share_of_bare": round(alone / first, 3),
        "reingest_speedup": round(first / again, 1),
        "memory_growth": round(peaks[1] / peaks[0], 3),
        "documents": count,
        "passages_a_second": round(count / first, 1),
        "peak_mb": round(peaks[1], 1),
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _peak(documents: Path, out: Path) -> float:
    """Return the peak memory of an ingest in a process of its own, in MB."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--only", str(documents), str(out)]
    end = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(end.stdout.splitlines()[-1])


def main() -> None:
    """Measure, then print the figures."""
    settle_environment()
    parser = argparse.ArgumentParser(description="What an ingest costs.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        documents, out = options.only
        ingest(documents, out, Embedder("minilm"))
        scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, else kilobytes
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(QUICK if options.quick else DOCUMENTS, Path(folder))
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:<20} {value}")


if __name__ == "__main__":
    main()
