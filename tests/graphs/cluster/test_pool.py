"""What a pool makes of workers that are slow, or that nobody serves, with a stand-in for Ray."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elenchus.config import RayConfig
from elenchus.errors import RunStopped
from elenchus.records import Failure
from graphs.adaptation.state import SeedState
from graphs.cluster import pool
from graphs.cluster.messages import Examined, Stopped

SEED = SeedState(seed_id="s", adapter="")


class Stand:
    """Ray with one actor, whose methods are the given functions; what is killed is counted."""

    exceptions = SimpleNamespace(
        RayActorError=KeyError, ObjectLostError=KeyError, WorkerCrashedError=KeyError
    )

    def __init__(self, **methods: Callable[..., Awaitable[Any]]) -> None:
        self._methods, self.killed = methods, 0

    def put(self, value: Any) -> Any:
        return value

    def remote(self, _: type) -> Any:
        methods = {n: SimpleNamespace(remote=method) for n, method in self._methods.items()}
        made = SimpleNamespace(remote=lambda: SimpleNamespace(**methods))
        return SimpleNamespace(options=lambda **_: made)

    def kill(self, _: Any) -> None:
        self.killed += 1


async def at_once(*_: Any) -> str:
    return ""


async def never(*_: Any) -> Any:
    await asyncio.Event().wait()


def pooled(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, said: list[str] | None = None
) -> pool.Pool:
    """Return a pool of a run that is alone, or else of one of several, which keep what is said.

    Records that come back are in the ledger's `kept`.
    """
    kept: list[Any] = []
    monkeypatch.setattr(pool, "connect", lambda _: stand)
    monkeypatch.setattr(pool, "_given", lambda _: None)
    monkeypatch.setattr(pool, "BEGUN", 0.0)
    run: Any = SimpleNamespace(
        config=SimpleNamespace(
            ray=RayConfig(workers=1), examination=SimpleNamespace(concurrency=1)
        ),
        ledger=SimpleNamespace(
            get=lambda *_: SimpleNamespace(id="s", predictor_id=""),
            write=lambda *records: kept.extend(records),
            kept=kept,
        ),
        folder=SimpleNamespace(path=Path()),
        progress=SimpleNamespace(say=(said if said is not None else []).append),
        shared=SimpleNamespace(several=said is not None),
    )
    return pool.Pool(run)


def test_a_worker_that_has_much_to_read_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> int:
        read = asyncio.Event()

        async def begin(_: Any) -> str:
            await read.wait()
            return ""

        async def examine(*_: Any) -> Examined:
            return Examined()

        stand = Stand(
            __ray_ready__=at_once, begin=begin, exchange=never, examine=examine, end=at_once
        )
        made = pooled(stand, monkeypatch)
        asyncio.get_running_loop().call_later(0.05, read.set)
        await made.examine(SEED)
        await made.close()
        return stand.killed

    assert asyncio.run(work()) == 1


def test_a_worker_whose_process_never_begins_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        made = pooled(Stand(__ray_ready__=never), monkeypatch)
        try:
            await made.examine(SEED)
        finally:
            await made.close()

    with pytest.raises(RunStopped, match="no worker of the cluster has begun"):
        asyncio.run(work())


def test_a_run_waits_for_the_workers_of_those_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> list[str]:
        free, said = asyncio.Event(), list[str]()

        async def ready() -> None:
            await free.wait()

        async def examine(*_: Any) -> Examined:
            return Examined()

        stand = Stand(
            __ray_ready__=ready, begin=at_once, exchange=never, examine=examine, end=at_once
        )
        made = pooled(stand, monkeypatch, said)
        asyncio.get_running_loop().call_later(0.02, free.set)
        await made.examine(SEED)
        await made.close()
        return said

    assert "no worker of the cluster has begun: has it CPUs free?" in asyncio.run(work())


def test_what_breaks_a_pool_ends_examinations_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        stand = Stand(
            __ray_ready__=at_once, begin=at_once, exchange=never, examine=never, end=at_once
        )
        made = pooled(stand, monkeypatch)
        under_way = asyncio.create_task(made.examine(SEED))
        await made.begun()
        made._break(OSError("the disk is full"))
        try:
            await under_way
        finally:
            await made.close()

    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(work())


def test_what_an_examination_wrote_before_it_had_to_stop_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure = Failure(
        role="expert", task="answer", code="unparsable", detail="no JSON", raw="{", call_id="m-1"
    )

    async def work() -> list[Any]:
        async def examine(*_: Any) -> Examined:
            return Examined([failure], stopped=Stopped("budget.calls is used up", "calls"))

        stand = Stand(
            __ray_ready__=at_once, begin=at_once, exchange=never, examine=examine, end=at_once
        )
        made = pooled(stand, monkeypatch)
        with pytest.raises(RunStopped, match=r"budget\.calls is used up"):
            await made.examine(SEED)
        await made.close()
        return made._run.ledger.kept

    assert asyncio.run(work()) == [failure]
