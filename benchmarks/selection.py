"""Selection of text beside its rivals, on a mixture of known origin.

    elenchus bench selection --data FOLDER      # or python -m benchmarks.selection; 6 minutes
    elenchus bench selection --data FOLDER --quick

FOLDER holds public data: cuad/, banking77/, policyqa/, cyberattacks/, sara/. Contract clauses are
hidden 1 to 50 among all else, and among what the installed Python packages say of themselves; 300
other clauses, of other groups, are given. Settings were chosen with other texts hidden.

Keys of the JSON: `ours`, `dsir` (its weight a token), `dsir_as_published` (its sum), `bare` (a
HashingVectorizer with SGD) and `random`, each with `precision` (at the true number of hidden texts)
and `auc`, means over draws with all draws in `draws`, and, but for `dsir_as_published`,
`mb_per_second_per_core` (of processor time, reading and writing included) and `peak_mb`, each
measured in a fresh process on one file. `share` and `precision_at_cut`: estimated and true.
`two_processes`: `speed_up` over one, and `ideal_speed_up` of work that shares nothing.
`memory`: `peak_mb` of whole selections by the corpus's size in GB.
"""

import functools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import harness, mixture, tables
from elenchus.cli.main import settle_environment
from elenchus.progress import Unseen
from elenchus.sections import SourceConfig
from graphs.config import validate
from retrieval.selection import hashing, precision, scores, scoring, shards
from retrieval.selection import select as selection
from retrieval.selection.precision import BINS, Doubles
from retrieval.selection.workers import Job

SEEDS, SHARE, SAMPLE, MOST = 300, 50, 20_000, 5000
QUICK_HIDDEN = 400
RATES = ("ours", "dsir", "bare", "random")
SIZE, QUICK_SIZE = 100_000_000, 20_000_000  # bytes of the file that speed is measured on
MEMORY, QUICK_MEMORY = (0.1, 2.0), (0.01, 0.2)  # GB
TOKENS = 100_000  # selected where memory is measured
REPEATS, LOOPS, AGAIN = 3, 100_000_000, 8
BATCH = 1000  # texts that the bare one is given at once


def main(arguments: list[str] | None = None) -> int:
    """Measure, then print the tables."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["--only"]:
        return _only(*given[1:])
    about = "Selection of text beside its rivals."
    parser = harness.parser("selection", about, seeds=3, in_processes=False)
    parser.add_argument("--data", type=Path, required=True, help="folder of public data")
    options = harness.parsed(parser, given)
    draws = [
        mixture.make(
            options.data, "cuad", SEEDS, SHARE, QUICK_HIDDEN if options.quick else MOST, draw
        )
        for draw in options.seeds
    ]
    figures = report([quality(mixed, draw) for draw, mixed in enumerate(draws)])
    with tempfile.TemporaryDirectory() as folder:
        figures |= _measured(figures, draws[0], Path(folder), options.quick)
    harness.publish(figures, options, show)
    return 0


def quality(mixed: mixture.Mixture, draw: int) -> dict[str, Any]:
    """Return precision at the true size and ROC AUC of each, and what ours says of itself."""
    texts, hidden = (list(part) for part in zip(*mixed.rows, strict=True))
    rng = random.Random(f"sample/{draw}")
    sample = rng.sample(texts, min(SAMPLE, len(texts)))
    ours = scoring.train("linear", mixed.seeds, sample, draw)
    dsir = scoring.train("dsir", mixed.seeds, sample, draw)
    published = scoring.dsir(hashing.features(mixed.seeds), hashing.features(sample))
    margins: dict[str, Doubles] = {
        "ours": scoring.margins(ours, texts),
        "dsir": scoring.margins(dsir, texts),
        "dsir_as_published": scoring.margins(scoring.Scorer(published, 0.0), texts),
        "bare": _bare(mixed.seeds, sample)(texts),
        "random": np.random.default_rng(draw).random(len(texts)),
    }
    truth = np.array(hidden)
    rows = {name: _measures(values, truth) for name, values in margins.items()}
    places = precision.bins(margins["ours"])
    counts = np.bincount(places, minlength=BINS)
    estimate = precision.estimate(ours.held_out, counts, counts)
    above = places >= estimate.cut(0.9, None)
    estimates = {
        "share": [estimate.share, float(truth.mean())],
        "precision_at_cut": [_mean(estimate.score(margins["ours"][above])), _mean(truth[above])],
        "found_at_cut": float(above[truth].mean()),
    }
    return {"rows": rows, "estimates": estimates, "hidden": int(truth.sum()), "texts": len(texts)}


def report(draws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means over the draws, with every draw beside them."""
    figures: dict[str, Any] = {"texts": draws[0]["texts"], "hidden": draws[0]["hidden"]}
    for name in draws[0]["rows"]:
        rows = [draw["rows"][name] for draw in draws]
        figures[name] = {key: statistics.mean(row[key] for row in rows) for key in rows[0]}
        figures[name]["draws"] = rows
    for key in ("share", "precision_at_cut"):
        estimated, true = zip(*(draw["estimates"][key] for draw in draws), strict=True)
        figures[key] = {"estimated": statistics.mean(estimated), "true": statistics.mean(true)}
    at_cut = (draw["estimates"]["found_at_cut"] for draw in draws)
    figures["found_at_cut"] = statistics.mean(at_cut)
    return figures


def _measures(margins: Doubles, truth: NDArray[np.bool_]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    best = np.argsort(-margins, kind="stable")[: truth.sum()]
    return {"precision": _mean(truth[best]), "auc": float(roc_auc_score(truth, margins))}


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _bare(domain: Sequence[str], others: Sequence[str]) -> Callable[[Sequence[str]], Doubles]:
    """Return what one writes first: scikit-learn's parts as they come."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    vectors = HashingVectorizer()
    labels = [1] * len(domain) + [0] * len(others)
    model = SGDClassifier(loss="log_loss", random_state=0)
    model.fit(vectors.transform([*domain, *others]), labels)
    return lambda texts: model.decision_function(vectors.transform(texts))


def _measured(
    figures: dict[str, Any], mixed: mixture.Mixture, folder: Path, quick: bool
) -> dict[str, Any]:
    """Return the figures with speed and memory added."""
    size = QUICK_SIZE if quick else SIZE
    write(folder / "general.jsonl", mixed, size)
    (folder / "seeds.json").write_bytes(orjson.dumps(mixed.seeds))
    added: dict[str, Any] = {}
    runs_of: dict[str, list[dict[str, float]]] = {name: [] for name in RATES}
    for _ in range(1 if quick else REPEATS):
        for name in RATES:  # in turn, so that what else the machine does hits all alike
            runs_of[name].append(_fresh("rate", name, str(folder)))
    for name, measured in runs_of.items():
        added[name] = figures[name] | {
            "mb_per_second_per_core": round(max(m["rate"] for m in measured), 1),
            "peak_mb": round(max(m["peak_mb"] for m in measured), 1),
        }
    added["two_processes"] = _fresh("two", str(folder), "1" if quick else str(REPEATS))
    memory = {}
    for gigabytes in QUICK_MEMORY if quick else MEMORY:
        write(folder / "general.jsonl", mixed, int(gigabytes * 1e9))
        memory[str(gigabytes)] = round(_fresh("memory", str(folder))["peak_mb"], 1)
    return added | {"memory": {"peak_mb": memory}, "mb": size / 1e6}


def write(path: Path, mixed: mixture.Mixture, size: int) -> None:
    """Write rows of the mixture again and again, never the same.

    The words of hidden texts come in another order, the others with a number.
    """
    rng, written, count = random.Random(0), 0, 0
    with path.open("wb") as file:
        while written < size:
            for text, hidden in mixed.rows:
                count += 1
                if hidden:
                    words = text.split()
                    rng.shuffle(words)
                    text = " ".join(words)
                written += file.write(orjson.dumps({"text": f"{text} {count}"}) + b"\n")
                if written >= size:
                    break


def _fresh(*arguments: str) -> dict[str, Any]:
    """Measure something with this program in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.selection", "--only", *arguments]
    end = subprocess.run(command, check=True, capture_output=True, text=True, cwd=harness.ROOT)
    measures: dict[str, Any] = json.loads(end.stdout.splitlines()[-1])
    return measures


def _only(what: str, *arguments: str) -> int:
    settle_environment()
    works: dict[str, Callable[..., dict[str, float]]] = {
        "rate": _rate, "two": _two, "memory": _memory
    }  # fmt: skip
    print(json.dumps(works[what](*arguments) | {"peak_mb": _peak()}))
    return 0


def _peak() -> float:
    """Return the peak memory of this process in MB.

    What Linux tells of a process that has just been forked counts its parent's memory too, but for
    one line of /proc.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text("utf-8").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1.024e-3
    scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, else kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _rate(name: str, place: str) -> dict[str, float]:
    """Measure MB of the file for each second of processor time, learning not included."""
    folder = Path(place)
    seeds: list[str] = orjson.loads((folder / "seeds.json").read_bytes())
    path = folder / "general.jsonl"
    with path.open("rb") as file:
        sample = [orjson.loads(file.readline())["text"] for _ in range(2000)]
    work: Callable[[], object]
    if name in ("ours", "dsir"):
        method: scoring.Method = "linear" if name == "ours" else "dsir"
        scorer = scoring.train(method, seeds, sample, 0)
        work = functools.partial(_score_all, scorer, _jobs(folder))
    elif name == "bare":
        model = _bare(seeds, sample)
        work = lambda: [model(batch) for batch in _batches(path)]  # noqa: E731
    else:
        rng = np.random.default_rng(0)
        work = lambda: [rng.random(len(batch)) for batch in _batches(path)]  # noqa: E731
    begun = time.process_time()
    work()
    return {"rate": path.stat().st_size / 1e6 / (time.process_time() - begun)}


def _score_all(scorer: scoring.Ensemble, jobs: Sequence[Job]) -> None:
    for job in jobs:
        scores.score(scorer, job, lambda read: None)


def _jobs(folder: Path) -> list[Job]:
    (folder / "scores").mkdir(exist_ok=True)
    all_shards, _ = shards.find([SourceConfig(path="general.jsonl")], folder, "--data")
    files = scores.Scores(folder, all_shards).files
    return [
        Job(n, shard, 50_000, file)
        for n, (shard, file) in enumerate(zip(all_shards, files, strict=True))
    ]


def _batches(path: Path) -> Any:
    """Yield texts of a file of lines, as one reads them with the standard library."""
    batch = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            batch.append(json.loads(line)["text"])
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _two(place: str, repeats: str) -> dict[str, float]:
    """Measure how much faster two processes are than one, and how much they could be here."""
    folder = Path(place)
    seeds: list[str] = orjson.loads((folder / "seeds.json").read_bytes())
    scoring.train("linear", seeds, seeds, 0).save(folder / selection.MODEL)
    # Long enough that the start of a process does not count.
    again = [job for _ in range(AGAIN) for job in _jobs(folder)]
    pieces = [
        job._replace(
            shard=shards.piece(job.shard, job.shard.size // 2, n % 3 / 2),
            scores=folder / "scores" / f"piece-{n}.parquet",
        )
        for n, job in enumerate(again)
    ]
    one, two, alone, beside = [], [], [], []
    for _ in range(int(repeats)):
        one.append(_timed(lambda: _pooled(folder, pieces, 1)))
        two.append(_timed(lambda: _pooled(folder, pieces, 2)))
        alone.append(_timed(lambda: _loops(1)))
        beside.append(_timed(lambda: _loops(2)))
    return {
        "speed_up": round(min(one) / min(two), 2),
        "ideal_speed_up": round(2 * min(alone) / min(beside), 2),
    }


def _pooled(folder: Path, jobs: Sequence[Job], workers: int) -> None:
    """Score in so many other processes, even if it is one."""
    parts = [list(jobs[n::workers]) for n in range(workers)]
    code = (
        "import pathlib, pickle, sys\n"
        "from retrieval.selection import scores, scoring\n"
        f"scorer = scoring.load(pathlib.Path({str(folder / selection.MODEL)!r}))\n"
        "for job in pickle.load(sys.stdin.buffer): scores.score(scorer, job, lambda read: None)"
    )
    _at_once(code, parts)


def _loops(count: int) -> None:
    """Let so many processes count at once."""
    _at_once(f"for n in range({LOOPS}): pass", [[] for _ in range(count)])


def _at_once(code: str, inputs: Sequence[Any]) -> None:
    import pickle

    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=harness.ROOT)
        for _ in inputs
    ]
    for process, value in zip(processes, inputs, strict=True):
        assert process.stdin is not None
        process.stdin.write(pickle.dumps(value))
        process.stdin.close()
    for process in processes:
        process.wait()


def _memory(place: str) -> dict[str, float]:
    """Make a whole selection in one process, of a fixed number of tokens."""
    folder = Path(place)
    seeds = orjson.loads((folder / "seeds.json").read_bytes())
    (folder / "documents").mkdir(exist_ok=True)
    (folder / "documents" / "seeds.md").write_text("\n\n".join(seeds), encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=folder) as out:
        tree = {
            "domain": "bench", "title": "x", "retrieval": {"index": f"{out}/index"},
            "selection": {"general": ["general.jsonl"], "tokens": TOKENS, "workers": 1},
        }  # fmt: skip
        config = validate(tree, "benchmark")
        selected = selection.select(config, folder, Path(out) / "out", Unseen())
    return {"tokens": selected.tokens}


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    console = tables.wide()
    table = Table("", "precision", "AUC", "MB/s a core", "peak MB", box=None)
    for name in ("ours", "dsir", "dsir_as_published", "bare", "random"):
        row = figures[name]
        speed = [f"{row[k]:.1f}" if k in row else "" for k in ("mb_per_second_per_core", "peak_mb")]
        table.add_row(name, f"{row['precision']:.3f}", f"{row['auc']:.4f}", *speed)
    console.print(f"{figures['hidden']:,} hidden among {figures['texts']:,} texts, {SEEDS} given")
    console.print(table)
    for key in ("share", "precision_at_cut", "found_at_cut", "two_processes", "memory"):
        console.print(key, figures[key])


if __name__ == "__main__":
    raise SystemExit(main())
