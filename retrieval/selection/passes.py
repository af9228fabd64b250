"""The two passes over a general corpus, shard by shard, in processes: score all, read some again.

A shard's scores are a file of their own, which exists when all of it is written; so a shard that is
finished is never read again for its scores.
"""

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN
from retrieval.selection import hashing, shards
from retrieval.selection.overlap import Overlap
from retrieval.selection.scoring import Ensemble, Scorer, Trained
from retrieval.selection.shards import Counts, Shard, Text

ROWS = 65_536  # scores that are written at once
PERMUTATIONS = 128  # of MinHash
PHRASE = 5  # words whose runs near-duplicates have in common
SMALL = 32_000_000  # bytes that are read before other processes have begun
LOOK = 0.5  # seconds between looks at how far the processes are
MODEL, TESTS = "model.npz", "tests.npz"
Key = tuple[int, int, int]  # of a text: shard, row, part
Tell = Callable[[int], None]


class Progress(Protocol):
    """Where a selection says what it is doing."""

    def stage(self, name: str) -> AbstractContextManager[Callable[[int, int | None], None]]:
        """A stage under way; its function is told the steps done and to do."""

    def say(self, text: str) -> None:
        """One line about what was found."""


class Job(NamedTuple):
    """A shard to work on: its number, the folder of the selection, and rows and parts to read."""

    number: int
    shard: Shard
    out: str
    longest: int
    wanted: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """A text that scored enough, with what is needed to leave out what is too near others."""

    key: Key
    text: str
    signature: NDArray[np.uint32]
    in_test: bool


def scores_file(out: Path, number: int) -> Path:
    return out / "scores" / f"{number:06}.parquet"


def save_model(out: Path, scorer: Ensemble, held_out: NDArray[np.float64]) -> None:
    """Write what the passes and the calibration need; there when it is whole."""
    every = (scorer.mean, *scorer.folds)
    _save(
        out / MODEL,
        weights=np.stack([s.weights for s in every]),
        power=np.array([s.power for s in every]),
        shift=np.array([s.shift for s in every]),
        seen=scorer.seen,
        held_out=held_out,
    )


def load_model(out: Path) -> Trained:
    with np.load(out / MODEL) as held:
        parts = (held[name] for name in ("weights", "power", "shift"))
        mean, *folds = (Scorer(w, float(p), float(s)) for w, p, s in zip(*parts, strict=True))
        return Trained(Ensemble(mean, tuple(folds), held["seen"]), held["held_out"])


def save_tests(out: Path, texts: Sequence[str]) -> None:
    """Keep what tells texts that copy one of these."""
    _save(out / TESTS, **{str(n): some for n, some in Overlap.of(texts).phrases.items()})


def score(job: Job, tell: Tell) -> None:
    """Score all texts of a shard and write `scores/SHARD.parquet` with what was counted."""
    import pyarrow
    from pyarrow import parquet

    scorer = _scorer(job.out, _changed(job.out, MODEL))
    counts, begun = Counts(), time.process_time()
    schema = pyarrow.schema(
        [("row", "int64"), ("part", "int32"), ("margin", "float32"), ("tokens", "int32")]
    )
    path = scores_file(Path(job.out), job.number)
    partial = path.with_suffix(".partial")
    with parquet.ParquetWriter(partial, schema) as writer:
        for columns in _gathered(_scored(job, scorer, counts, tell)):
            writer.write_table(pyarrow.table(columns, schema=schema))
        held = vars(counts) | {"seconds": time.process_time() - begun}
        writer.add_key_value_metadata({"counts": json.dumps(held)})
    partial.replace(path)


def read(job: Job, tell: Tell) -> list[Candidate]:
    """The texts of a shard that the job wants, in order."""
    tests, counts, found = _tests(job.out, _changed(job.out, TESTS)), Counts(), []
    only = replace(job.shard, wanted=frozenset(row for row, _ in job.wanted))
    for text in _told(shards.texts(only, job.longest, counts), counts, tell):
        if (text.row, text.part) not in job.wanted:
            continue
        key = (job.number, text.row, text.part)
        copies = tests.copies(text.text)
        found.append(Candidate(key, text.text, signature(text.text), copies))
    return found


def signature(text: str) -> NDArray[np.uint32]:
    """The MinHash of a text's phrases, (PERMUTATIONS,)."""
    from datasketch import MinHash

    made = MinHash(PERMUTATIONS, hashfunc=int, scheme="affine32")
    own = hashing.phrases(text, min(PHRASE, max(1, hashing.count(text))))
    made.update_batch((own >> np.uint64(32)).tolist())
    values: NDArray[np.uint32] = made.hashvalues
    return values


def in_processes(
    work: Callable[[Job, Tell], Any], jobs: Sequence[Job], workers: int, tell: Tell
) -> Iterator[Any]:
    """The result of each job, as they finish; `tell` is told the bytes read so far.

    Raises:
        UserError: a process was killed.
    """
    if workers == 1 or len(jobs) < 2 or sum(job.shard.size for job in jobs) < SMALL:
        read = 0
        for job in jobs:
            yield work(job, lambda more, before=read: tell(before + more))  # type: ignore[misc]
            read += job.shard.size
        return
    context = get_context("spawn")
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _settle, (counter,))
    try:
        waiting: set[Future[Any]] = {pool.submit(_in_process, work, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, LOOK, FIRST_COMPLETED)
            tell(counter.value)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that read the corpus was killed, perhaps for want of memory: the same "
            "command goes on; with --set selection.workers=1 it needs least"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_counter: Any = None  # in a process of the pool: bytes that all of them have read


def _settle(counter: Any) -> None:
    """Begin a process of the pool: it ends in silence with Ctrl-C, and with its parent."""
    global _counter
    _counter = counter
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_process(work: Callable[[Job, Tell], Any], job: Job) -> Any:
    told = 0

    def tell(read: int) -> None:
        nonlocal told
        with _counter.get_lock():
            _counter.value += read - told
        told = read

    result = work(job, tell)
    tell(job.shard.size)
    return result


def _scored(
    job: Job, scorer: Ensemble, counts: Counts, tell: Tell
) -> Iterator[tuple[Any, Any, Any, Any]]:
    for batch in shards.texts(job.shard, job.longest, counts):
        tell(min(counts.read, job.shard.size))
        rows, parts, texts = zip(*batch, strict=True) if batch else ((), (), ())
        margins = scorer.margins(texts).astype(np.float32)
        yield rows, parts, margins, [tokens(text) for text in texts]


def _gathered(batches: Iterator[tuple[Any, Any, Any, Any]]) -> Iterator[list[Any]]:
    """Columns of `ROWS` rows or a little more, so that files do not come in crumbs."""
    held: list[list[Any]] = [[], [], [], []]
    for batch in batches:
        for column, values in zip(held, batch, strict=True):
            column.extend(values)
        if len(held[0]) >= ROWS:
            yield held
            held = [[], [], [], []]
    yield held


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return max(1, len(text) // CHARS_A_TOKEN)


def _told(batches: Iterator[list[Text]], counts: Counts, tell: Tell) -> Iterator[Text]:
    for batch in batches:
        tell(counts.read)
        yield from batch


def _save(path: Path, **arrays: NDArray[Any]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def _changed(out: str, name: str) -> int:
    return (Path(out) / name).stat().st_mtime_ns


@functools.lru_cache(maxsize=1)
def _scorer(out: str, changed: int) -> Ensemble:
    return load_model(Path(out)).scorer


@functools.lru_cache(maxsize=1)
def _tests(out: str, changed: int) -> Overlap:
    with np.load(Path(out) / TESTS) as held:
        return Overlap({int(name): held[name] for name in held})
