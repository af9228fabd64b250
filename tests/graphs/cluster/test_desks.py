"""Calls of workers at the driver's desk: cache, limits, budget, and what a lost worker costs."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from elenchus.errors import RunStopped
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Message
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from graphs.cluster.counter import Counter
from graphs.cluster.messages import Batch, Released
from graphs.cluster.remote_desk import Line, RemoteDesk, claimed
from graphs.cluster.wire import Wire
from graphs.config import validate
from graphs.services import Services
from models.backend import Model
from models.calls import Caller, Prompt

MODEL = "openai:reader"
URL = "http://127.0.0.1:9/v1"
USED = UsageMetadata(input_tokens=7, output_tokens=2, total_tokens=9)


class Endpoint:
    """A model that answers once it may: it counts what is under way, and fails where it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.under_way = self.most = 0
        self.open, self.some = asyncio.Event(), asyncio.Event()
        self.failures: list[Exception] = []

    async def ainvoke(self, messages: list[Any], **_: Any) -> AIMessage:
        self.asked.append(messages[-1].content)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.some.set()
        try:
            await self.open.wait()
            if self.failures:
                raise self.failures.pop()
        finally:
            self.under_way -= 1
        return AIMessage("yes", usage_metadata=USED)


class Wired:
    """A worker's callers, joined to a counter of the driver without Ray between them."""

    def __init__(self, run: Services, endpoint: Endpoint, scratch: Ledger) -> None:
        settings, line = ModelConfig(model=MODEL, base_url=URL), Line()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.counter = Counter(
            run, lambda answers: self.wire.send(answers), self.failed.set_exception
        )
        self.wire = Wire(line.exchange, self.counter.take, self._failed)
        limits = run.config.models[MODEL]
        model: Any = Model(endpoint, MODEL, seeded=False)  # type: ignore[arg-type]
        desk = RemoteDesk(line, settings, limits)
        self.caller = Caller(model, settings, scratch, desk=desk)
        self.wire.send([])
        self.claims: list[int] = []

    async def settled(self) -> bool:
        return await self.counter.served(self.claims)

    def _failed(self, error: BaseException) -> None:
        raise error

    def ask(self, text: str) -> "asyncio.Task[Any]":
        claimed.set(self.claims)
        prompt = Prompt("expert", "answer", "0" * 64, (Message(role="user", content=text),))
        return asyncio.create_task(self.caller.text(prompt))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Services]]:
    made: list[Services] = []

    def make(**sections: Any) -> Services:
        tree = {"domain": "d", "title": "a harbour", "models": {MODEL: {"in_flight": 2}}}
        config = validate(tree | sections, "here")
        ledger = Ledger(tmp_path / "ledger.sqlite")
        made.append(Services(RunFolder(tmp_path), config, tmp_path, ledger, Unseen()))
        return made[-1]

    yield make
    for services in made:
        services.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "scratch.sqlite")) as ledger:
        yield ledger


def test_what_one_worker_was_answered_no_other_asks(
    run: Callable[..., Services], scratch: Ledger
) -> None:
    services, texts = run(), ["a", "b", "a"]

    async def ask() -> tuple[list[str], list[Any]]:
        endpoint = Endpoint()
        workers = [Wired(services, endpoint, scratch) for _ in range(3)]
        asked = [w.ask(text) for w, text in zip(workers, texts, strict=True)]
        await endpoint.some.wait()
        endpoint.open.set()
        answers = [call.response for call in await asyncio.gather(*asked)]
        assert all([await worker.settled() for worker in workers])
        return endpoint.asked, answers

    asked, answers = asyncio.run(ask())
    assert sorted(asked) == ["a", "b"]
    assert answers == ["yes"] * 3
    assert services.ledger.usage() == (2, 18)
    assert services.ledger.unanswered() == []
    assert services.own_budget.total.calls == 2
    assert all(call.request for call in services.ledger.calls())


def test_rate_limits_hold_over_all_workers(run: Callable[..., Services], scratch: Ledger) -> None:
    services = run()

    async def ask() -> int:
        endpoint = Endpoint()
        workers = [Wired(services, endpoint, scratch) for _ in range(3)]
        asked = [workers[n % 3].ask(f"question {n}") for n in range(9)]
        await endpoint.some.wait()
        endpoint.open.set()
        await asyncio.gather(*asked)
        assert all([await worker.settled() for worker in workers])
        return endpoint.most

    assert asyncio.run(ask()) <= 2
    assert services.ledger.usage()[0] == 9


def test_the_budget_holds_over_all_workers(run: Callable[..., Services], scratch: Ledger) -> None:
    services = run(budget={"calls": 3})

    async def ask() -> list[Any]:
        endpoint = Endpoint()
        endpoint.open.set()
        workers = [Wired(services, endpoint, scratch) for _ in range(2)]
        asked = [workers[n % 2].ask(f"question {n}") for n in range(6)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert all([await worker.settled() for worker in workers])
        return ended

    ended = asyncio.run(ask())
    stopped = [error for error in ended if isinstance(error, RunStopped)]
    assert len(stopped) == 3
    assert "budget.calls is used up (3 of 3)" in str(stopped[0])
    assert stopped[0].cap == "calls"
    assert services.ledger.usage()[0] == 3


def test_a_call_that_fails_is_let_in_again(run: Callable[..., Services], scratch: Ledger) -> None:
    services = run()

    async def ask() -> list[str]:
        endpoint = Endpoint()
        endpoint.open.set()
        endpoint.failures = [httpx.ConnectError("gone"), httpx.ConnectError("gone")]
        worker = Wired(services, endpoint, scratch)
        await worker.ask("a")
        assert await worker.settled()
        return endpoint.asked

    assert asyncio.run(ask()) == ["a"] * 3
    assert services.ledger.usage()[0] == 1
    assert services.ledger.unanswered() == []


def test_a_server_that_refuses_all_stops_the_run(
    run: Callable[..., Services], scratch: Ledger
) -> None:
    services = run(models={MODEL: {"in_flight": 2, "retry_minutes": 0}})

    async def ask() -> None:
        endpoint = Endpoint()
        endpoint.open.set()
        endpoint.failures = [httpx.ConnectError("gone")]
        await Wired(services, endpoint, scratch).ask("a")

    with pytest.raises(RunStopped, match="failed for 0 minutes, last with: gone"):
        asyncio.run(ask())


def test_a_full_disk_is_told_and_keeps_no_worker_waiting_for_ever(
    run: Callable[..., Services], scratch: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = run()

    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(services.ledger, "send", full)

    async def ask() -> None:
        worker = Wired(services, Endpoint(), scratch)
        asking = worker.ask("a")
        try:
            await worker.failed
        finally:
            asking.cancel()
            await worker.wire.close()
            worker.wire.send([])  # an answer may come late: nobody is there to take it
            assert not worker.wire._under_way

    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        asyncio.run(ask())


def test_calls_of_a_lost_worker_are_paid_for_and_made_by_another(
    run: Callable[..., Services], scratch: Ledger
) -> None:
    services = run(budget={"calls": 3})

    async def ask() -> tuple[int, str]:
        endpoint = Endpoint()
        lost, other = (Wired(services, endpoint, scratch) for _ in range(2))
        gone = [lost.ask("a"), lost.ask("b")]
        while endpoint.under_way < 2:
            endpoint.some.clear()
            await endpoint.some.wait()
        waiting = other.ask("a")  # as long as the lost worker has not answered
        await lost.wire.close()
        for task in gone:
            task.cancel()
        paid = await lost.counter.lose()
        endpoint.open.set()
        said = (await waiting).response
        assert await other.settled()
        assert not await lost.settled()
        return paid, said

    assert asyncio.run(ask()) == (2, "yes")
    assert sum(spent.calls for spent in services.ledger.unanswered()) == 2
    assert sum(spent.calls for spent in services.ledger.spent()) == 3
    assert services.own_budget.total.calls == 3


def test_requests_are_taken_in_the_order_in_which_they_were_made() -> None:
    """Replies of an actor may overtake one another."""
    first, second = Released(1), Released(2)

    async def run() -> list[Any]:
        taken: list[Any] = []
        late, all_in = asyncio.Event(), asyncio.Event()

        async def exchange(answers: Any) -> Batch:
            if answers:
                return Batch(1, [second])
            await late.wait()
            return Batch(0, [first])

        def take(request: Any) -> None:
            taken.append(request)
            late.set()
            if len(taken) == 2:
                all_in.set()

        wire = Wire(exchange, take, pytest.fail)
        wire.send([])
        wire.send([(0, None)])
        asyncio.get_running_loop().call_soon(late.set)
        await all_in.wait()
        await wire.close()
        return taken

    assert asyncio.run(run()) == [first, second]
