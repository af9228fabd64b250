"""The driver's side: serves what one worker asks, at the desks of the run."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from elenchus.errors import RunStopped
from elenchus.sections import ModelConfig
from graphs.cluster.messages import (
    Again,
    Answers,
    Ask,
    Ended,
    Last,
    Released,
    Request,
    Stop,
    Stopped,
)
from graphs.services import Services
from models.backend import backend
from models.desk import Desk
from models.rate_limits import RateLimits


class Counter:
    """Serves one worker.

    Args:
        send: sends answers to the worker, by the numbers of what it asked.
        failed: is told of what nobody foresaw, such as a full disk: the worker would wait for ever.
    """

    def __init__(
        self,
        run: Services,
        send: Callable[[Answers], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._run, self._send, self._failed = run, send, failed
        self._desks: dict[tuple[str, str | None], Desk] = {}
        self._claims: dict[int, asyncio.Queue[Request]] = {}
        self._served: set[int] = set()
        self._some = asyncio.Event()  # more are served, or the worker is lost
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: Answers = []
        self._paid = 0  # calls under way
        self._lost = False

    def take(self, request: Request) -> None:
        """Begin to serve a request."""
        if isinstance(request, Ask):
            inbox = self._claims[request.number] = asyncio.Queue()
            self._begin(self._claim(request, inbox))
        elif isinstance(request, Stop):
            self._begin(self._stop(request))
        elif isinstance(request, Last):
            self._answer(request.number, self._run.ledger.call(request.key))
        elif request.number in self._claims:  # what was answered at once is served no more
            self._claims[request.number].put_nowait(request)

    async def served(self, numbers: Sequence[int]) -> bool:
        """Wait until all was told of what was asked under these numbers; false where it never is.

        An answer is written down no earlier: nothing may rest on an examination before.
        """
        while not self._lost and not self._served.issuperset(numbers):
            self._some.clear()
            await self._some.wait()
        self._served.difference_update(numbers)
        return not self._lost

    async def lose(self) -> int:
        """Give up what the lost worker has asked; return how many calls it had under way.

        They count as paid, as those do that a kill of the run costs.
        """
        self._lost = True
        paid = self._paid
        await self.close()
        self._some.set()
        return paid

    async def close(self) -> None:
        """End serving."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _answer(self, number: int, answer: Any) -> None:
        if not self._answers:  # all of this turn of the event loop go together
            asyncio.get_running_loop().call_soon(self._flush)
        self._answers.append((number, answer))

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        self._send(answers)

    async def _claim(self, ask: Ask, inbox: asyncio.Queue[Request]) -> None:
        """Serve a call until the worker releases it, as `Caller` does that of this process."""
        desk, tokens = self._desk(ask), ask.tokens
        try:
            async with desk.lock(ask.call.id):
                known = None if ask.anyway else await desk.known(ask.call, tokens)
                if known is not None:
                    self._answer(ask.number, known)
                    return
                while await self._admitted(desk, ask, tokens, inbox):
                    again = await inbox.get()
                    if not isinstance(again, Again):
                        return
                    tokens = again.tokens
        except RunStopped as stopped:
            self._answer(ask.number, Stopped.by(stopped))
        finally:
            del self._claims[ask.number]
            self._served.add(ask.number)
            self._some.set()

    async def _admitted(
        self, desk: Desk, ask: Ask, tokens: int, inbox: asyncio.Queue[Request]
    ) -> bool:
        """Let a call in and see it to its end; tell whether it may be asked for again."""
        async with desk.admitted(ask.call, tokens) as admission:
            self._answer(ask.number, None)
            self._paid += 1
            try:
                ended = await inbox.get()
            except asyncio.CancelledError:
                if self._lost:
                    admission.lose()
                raise
            finally:
                self._paid -= 1
            if isinstance(ended, Released):  # called off: whether it was paid for is unknown
                return False
            assert isinstance(ended, Ended)
            if ended.answer is None:
                admission.withdraw(ended.busy)
            else:
                admission.keep(ended.answer)
            return True

    async def _stop(self, stop: Stop) -> None:
        stopped = await self._run.budget.stopped(stop.reason)
        self._answer(stop.number, Stopped.by(stopped))

    def _desk(self, ask: Ask) -> Desk:
        """Return the desk of a model; one that runs in the worker has limits of its own there."""
        key = ask.model, ask.base_url
        if key not in self._desks:
            run, settings = self._run, ModelConfig(model=ask.model, base_url=ask.base_url)
            own = backend(ask.model)
            rates = RateLimits(own.limits) if own.local else run.shared.rates(settings)
            self._desks[key] = Desk(run.ledger, rates, run.budget, run.shared.calls)
        return self._desks[key]
