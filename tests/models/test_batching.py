"""Concurrent calls are gathered; replies and errors find their callers."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from models.batching import Batcher


class Doubler:
    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[str] = set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(len(numbers))
        self.threads.add(threading.current_thread().name)
        if 13 in numbers:
            raise ValueError("thirteen")
        return [2 * n for n in numbers]


async def _gathered(batcher: Batcher[int, int], numbers: Sequence[int]) -> list[int]:
    return list(await asyncio.gather(*(batcher.ask(n) for n in numbers)))


def test_a_burst_becomes_few_batches_in_order() -> None:
    work = Doubler()
    batcher = Batcher(work, max_batch=16, linger=0.05)
    assert asyncio.run(_gathered(batcher, range(20, 60))) == [2 * n for n in range(20, 60)]
    assert work.batches == [16, 16, 8]
    assert len(work.threads) == 1


def test_several_event_loops_in_one_life() -> None:
    work = Doubler()
    batcher = Batcher(work)
    for _ in range(3):
        assert asyncio.run(_gathered(batcher, [1, 2])) == [2, 4]
    assert batcher.submit(5).result(timeout=5) == 10


def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    batcher = Batcher(Doubler(), linger=0.05)
    futures = [batcher.submit(n) for n in (1, 13, 2)]
    for future in futures:
        with pytest.raises(ValueError, match="thirteen"):
            future.result(timeout=5)
    assert batcher.submit(4).result(timeout=5) == 8


def test_too_few_replies_are_an_error() -> None:
    batcher: Batcher[int, int] = Batcher(lambda numbers: [])
    with pytest.raises(ValueError, match="1 requests got 0 replies"):
        batcher.submit(1).result(timeout=5)


def test_a_cancelled_request_is_not_run() -> None:
    work = Doubler()
    batcher = Batcher(work, linger=0.1)
    futures = [batcher.submit(n) for n in (1, 2)]
    assert futures[0].cancel()
    assert futures[1].result(timeout=5) == 4
    assert work.batches == [1]


def test_requests_gather_while_the_worker_is_busy() -> None:
    sizes: list[int] = []

    def slow(numbers: Sequence[int]) -> list[int]:
        sizes.append(len(numbers))
        time.sleep(0.2)
        return list(numbers)

    batcher = Batcher(slow, linger=0.0)
    first = batcher.submit(0)
    time.sleep(0.05)
    rest = [batcher.submit(n) for n in range(1, 6)]
    assert [f.result(timeout=5) for f in [first, *rest]] == list(range(6))
    assert sizes == [1, 5]
