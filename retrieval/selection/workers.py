"""Work on the shards of a corpus: in this process where it is little, else in several."""

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from elenchus.errors import UserError
from elenchus.progress import Progress
from retrieval.selection import cluster
from retrieval.selection.config import SelectionTree
from retrieval.selection.shards import Shard

SMALL = 32_000_000  # bytes that are read before other processes have begun
LOOK = 0.5  # seconds between looks at how far the processes are
MB = 1_000_000
Tell = Callable[[int], None]  # is told the bytes read so far
Shared = TypeVar("Shared")
Result = TypeVar("Result")


class Job(NamedTuple):
    """A shard to work on: its number, and what of it is to be read.

    `scores` is the file that its scores go to; `wanted` are the rows and parts to read again.
    """

    number: int
    shard: Shard
    longest: int  # characters of a text
    scores: Path = Path()
    wanted: frozenset[tuple[int, int]] = frozenset()


Work = Callable[[Shared, Job, Tell], Result]


def run(
    work: Work[Shared, Result],
    shared: Shared,
    jobs: Sequence[Job],
    config: SelectionTree,
    progress: Progress,
    stage: str,
) -> Iterator[Result]:
    """Yield the result of each job, as they finish.

    Args:
        work: a function of a module, which can be sent to another process or node.
        shared: what all jobs need; each process gets it once.
        config: says on what: processes at most, or a cluster.
        stage: what progress, in MB, is called.

    Raises:
        UserError: a process was killed, or a cluster lost.
    """
    total = sum(job.shard.size for job in jobs)
    workers = min(config.selection.workers or os.cpu_count() or 1, len(jobs))
    with progress.stage(f"{stage}, MB") as advance:

        def tell(*read: int) -> None:
            advance(sum(read) // MB, total // MB or None)

        if jobs and config.engine == "ray":
            read = 0
            for place, result in cluster.run(work, shared, jobs, config.ray):
                tell(read := read + jobs[place].shard.size)
                yield result
        elif workers < 2 or total < SMALL:
            before = 0
            for job in jobs:
                yield work(shared, job, functools.partial(tell, before))
                before += job.shard.size
        else:
            yield from _in_processes(work, shared, jobs, workers, tell)
        tell(total)


def _in_processes(
    work: Work[Shared, Result], shared: Shared, jobs: Sequence[Job], workers: int, tell: Tell
) -> Iterator[Result]:
    context = get_context("spawn")
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(workers, context, _begin, (counter, shared))
    try:
        waiting: set[Future[Result]] = {pool.submit(_in_process, work, job) for job in jobs}
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


# In a process of the pool: bytes that all of them have read, and what all jobs need.
_counter: Any = None
_shared: Any = None


def _begin(counter: Any, shared: Any) -> None:
    """Begin a process of the pool: it ends in silence with Ctrl-C, and with its parent."""
    global _counter, _shared
    _counter, _shared = counter, shared
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_process(work: Callable[[Any, Job, Tell], Result], job: Job) -> Result:
    reported = 0

    def tell(read: int) -> None:
        nonlocal reported
        with _counter.get_lock():
            _counter.value += read - reported
        reported = read

    result = work(_shared, job, tell)
    tell(job.shard.size)
    return result
