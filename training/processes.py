"""Trains in several processes of this machine, on a GPU each where there are any.

Each has the model, and reads its part of every batch; torch averages what they learn of it
(distributed data parallel), so that the steps are those of one process.
"""

import os
import socket
import warnings
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from typing import TYPE_CHECKING, Any

from elenchus import telemetry
from elenchus.errors import UserError
from elenchus.progress import Advance

if TYPE_CHECKING:
    from elenchus.exporting import Carrier

LOOK = 0.2  # seconds between two looks at what the processes said
Said = tuple[int, int | None] | str  # a step of so many; or why the training cannot go on
Train = Callable[[Any, Advance], None]  # of a job that can be pickled


def count() -> int:
    """Return how many processes train together, of which this is one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def fitting(many: int) -> int:
    """Return how many of so many processes this machine has GPUs for; all, where it has none.

    A run may go on where there are fewer than where it began: its steps are the same.
    """
    import torch

    return min(many, torch.cuda.device_count() or many)


def run(train: Train, job: Any, many: int, advance: Advance) -> None:
    """Do a training in so many processes, each of which has the job; they end with this one.

    Raises:
        UserError: as one of them would raise it alone, or one ended before its time.
    """
    import torch.multiprocessing as several

    said: SimpleQueue[Said] = several.get_context("spawn").SimpleQueue()
    given = (many, _free_port(), train, job, said, telemetry.carried())
    workers = several.start_processes(
        _work, given, many, join=False, daemon=True, start_method="spawn"
    )
    try:
        while not workers.join(timeout=LOOK):
            _pass_on(said, advance)
    except several.ProcessExitedException as error:
        _pass_on(said, advance)
        raise UserError(
            f"the training ended before its time ({error}): `elenchus resume` goes on from the "
            "last checkpoint; if the machine had no memory left, launch again with --reuse and "
            "fewer training.processes or a smaller training.batch_size"
        ) from error
    finally:
        for worker in workers.processes:
            worker.kill()  # those that wait for one that gave up
            worker.join()
    _pass_on(said, advance)


def _pass_on(said: "SimpleQueue[Said]", advance: Advance) -> None:
    while not said.empty():
        one = said.get()
        if isinstance(one, str):
            raise UserError(one)
        advance(*one)


def _work(
    rank: int,
    many: int,
    port: int,
    train: Train,
    job: Any,
    said: "SimpleQueue[Said]",
    carrier: "Carrier | None",
) -> None:
    """Train as one of the processes; the first tells how far they are."""
    address: dict[str, Any] = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": many, "LOCAL_WORLD_SIZE": many}
    threads = {"OMP_NUM_THREADS": max(1, (os.cpu_count() or 1) // many)}
    os.environ.update({name: str(value) for name, value in (address | place | threads).items()})
    warnings.filterwarnings("ignore", category=FutureWarning)  # they would break ours
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(threads["OMP_NUM_THREADS"])
    try:
        with telemetry.joined(carrier if rank == 0 else None):
            train(job, lambda step, of: said.put((step, of)) if rank == 0 else None)
        # Threads of the group may abort this process while Python shuts down (pytorch#179291).
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    except UserError as error:
        said.put(str(error))
        raise SystemExit(error.exit_code) from error


def _free_port() -> int:
    """Return a port at which the processes find one another; another may take it first."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
