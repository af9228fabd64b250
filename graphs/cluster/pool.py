"""The driver's side: keeps workers, gives them seeds, and writes down what comes back.

A worker that is lost costs the calls that it had under way: what they were for is done again on
another one, with all answers that had come. Its place is filled again where there is room.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from elenchus.cluster import SHOWN, connect, room
from elenchus.errors import RunStopped, UserError
from elenchus.outcomes import Complaint, ExamItem
from elenchus.printing import in_line
from elenchus.records import Passage, Point, Record, Retrieval, Seed
from graphs.adaptation.predictor import Predictor
from graphs.adaptation.state import SeedState
from graphs.cluster.counter import Counter
from graphs.cluster.messages import Examined, Given
from graphs.cluster.nodes import own_prompts
from graphs.cluster.wire import Wire
from graphs.cluster.worker import Worker
from graphs.services import Services

TRIES = 3  # workers that an examination may cost
LOSSES = 3  # likewise a place for a worker
BEGUN = 180.0  # seconds to wait for the process of a worker while there is none
ENDED = 5.0  # for workers to clear up
Value = TypeVar("Value")
READ = (Passage, Point, ExamItem, Complaint, Retrieval)  # what every examination may read


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it."""

    actor: Any
    counter: Counter = field(init=False)
    wire: Wire = field(init=False)
    under_way: int = 0
    lost: bool = False


async def examine(run: Services, state: SeedState) -> None:
    """Examine a seed on a worker, and write down what came of it.

    Raises:
        RunStopped: as on one machine; or no worker is left.
        UserError: a worker cannot do the run's work.
    """
    if run.pool is None:
        run.pool = Pool(run)
    await run.pool.examine(state)


class Pool:
    """The workers of a run, from a round's first examination to its training.

    Use it on one event loop.
    """

    def __init__(self, run: Services) -> None:
        self._run, self._ray = run, connect(run.config.ray)
        # Of a worker's places, the first are taken first: so work is spread evenly.
        self._places: asyncio.PriorityQueue[tuple[int, int, _Hand]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._hands: set[_Hand] = set()
        self._weights: dict[str, Any] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._losses = 0
        self._getting_ready = 0  # workers whose processes are there
        self._wanted = run.config.ray.workers or max(room(self._ray, run.config.ray), 1)
        self._given = self._ray.put(_given(run))
        run.progress.say(f"examinations are made by {self._wanted} workers of Ray")
        self._tasks: set[asyncio.Task[None]] = set()
        self._first = [self._soon(self._hire()) for _ in range(self._wanted)]
        self._watch()

    async def begun(self) -> None:
        """Wait until all workers that are wanted have begun."""
        await asyncio.gather(*self._first)

    async def examine(self, state: SeedState) -> None:
        """Examine a seed on the worker that has least to do; see `examine`."""
        seed = self._run.ledger.get(Seed, state["seed_id"])
        needed: list[Record] = [seed]
        if seed.predictor_id:
            needed.append(self._run.ledger.get(Predictor, seed.predictor_id))
        for _ in range(TRIES):
            place, _, hand = await self._place()
            hand.under_way += 1
            try:
                weights = [self._files(state["adapter"])]
                examining = hand.actor.examine.remote(needed, state, weights)
                made: Examined = await self._unbroken(examining)
                if not await self._unbroken(hand.counter.served(made.asked)):
                    continue
            except self._losing as error:
                await self._lose(hand, error)
                continue
            finally:
                hand.under_way -= 1
                if not hand.lost:
                    self._places.put_nowait((place, next(self._order), hand))
            self._run.ledger.write(*made.records)
            if made.stopped:
                raise made.stopped.error()
            return
        raise RunStopped(
            f"the examination of seed {seed.id} has lost {TRIES} workers: see their logs"
        )

    async def close(self) -> None:
        """End all workers, whatever they do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        hands = list(self._hands)
        for hand in hands:
            await hand.wire.close()
            await hand.counter.close()
        ends = asyncio.gather(*(hand.actor.end.remote() for hand in hands), return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ends, ENDED)
        for hand in hands:
            self._ray.kill(hand.actor)
        if not self._broken.cancel():
            self._broken.exception()  # it was told already, or nobody asks any more

    @property
    def _losing(self) -> tuple[type[Exception], ...]:
        """The errors by which a worker is known to be lost, or out of reach."""
        named = self._ray.exceptions
        return (named.RayActorError, named.ObjectLostError, named.WorkerCrashedError)

    async def _place(self) -> tuple[int, int, _Hand]:
        """Wait for a place at a worker that is there."""
        while True:
            place = await self._unbroken(self._places.get())
            if not place[2].lost:
                return place

    async def _unbroken(self, work: Awaitable[Value]) -> Value:
        """Await something; raise what breaks the pool meanwhile."""
        waiting = asyncio.ensure_future(work)
        try:
            await asyncio.wait((waiting, self._broken), return_when="FIRST_COMPLETED")
            if self._broken.done():
                self._broken.result()
            return waiting.result()
        finally:
            waiting.cancel()

    def _files(self, adapter: str) -> Any:
        """Return where Ray keeps the files of an adapter; None where there is none."""
        if adapter and adapter not in self._weights:
            folder = self._run.folder.path / adapter
            files = {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}
            self._weights = {adapter: self._ray.put(files)}
        return self._weights.get(adapter)

    async def _hire(self) -> None:
        """Add a worker once it has begun."""
        each, gpus = self._run.config.examination.concurrency, self._run.config.ray.gpus
        # Its own work, the driver's fetching, and answers.
        made = self._ray.remote(Worker).options(
            num_cpus=1, num_gpus=gpus or None, max_concurrency=2 * each + 16
        )
        actor = made.remote()
        try:
            await actor.__ray_ready__.remote()
            self._getting_ready += 1  # which may take long: it may have all passages to embed
            try:
                problem = await actor.begin.remote(self._given)
            finally:
                self._getting_ready -= 1
        except self._losing as error:
            self._count(error)
            return
        except asyncio.CancelledError:
            self._ray.kill(actor)
            raise
        if problem:
            self._break(UserError(f"a worker of the cluster: {problem}"))
            return

        hand = _Hand(actor)
        hand.counter = Counter(self._run, lambda answers: hand.wire.send(answers), self._break)
        hand.wire = Wire(
            lambda answers: actor.exchange.remote(answers),
            hand.counter.take,
            lambda error: self._failed(hand, error),
        )
        self._hands.add(hand)
        hand.wire.send([])
        for place in range(each):
            self._places.put_nowait((place, next(self._order), hand))

    def _failed(self, hand: _Hand, error: BaseException) -> None:
        """Give up a worker that does not answer any more."""
        if isinstance(error, self._losing):
            self._soon(self._lose(hand, error))
        else:
            self._break(error)

    async def _lose(self, hand: _Hand, error: Exception) -> None:
        """Give up a worker, once, and look for another one."""
        if hand.lost:
            return
        hand.lost, unfinished = True, hand.under_way
        self._hands.discard(hand)
        self._ray.kill(hand.actor)  # it may only be out of reach
        await hand.wire.close()
        paid = await hand.counter.lose()
        self._run.progress.say(
            f"a worker of the cluster was lost: its {unfinished} unfinished examinations are "
            f"done again elsewhere, {paid} calls under way are paid again"
        )
        self._count(error)

    def _count(self, error: Exception) -> None:
        """Count a loss, and fill the place, unless that has been done often."""
        self._losses += 1
        if self._losses > LOSSES * self._wanted:
            said = in_line(str(error), SHOWN)
            self._break(
                RunStopped(f"{self._losses} workers of the cluster were lost, last: {said}")
            )
            return
        self._soon(self._hire())
        self._watch()

    def _watch(self) -> None:
        """Look in a while whether there is any worker.

        Those of another run of this process may have all CPUs, until its round ends.
        """

        def look() -> None:
            if self._broken.done() or self._hands or self._getting_ready:
                return
            what = "no worker of the cluster has begun: has it CPUs free?"
            if self._run.shared.several:
                self._run.progress.say(what)
                self._watch()
            else:
                self._break(RunStopped(what))

        asyncio.get_running_loop().call_later(BEGUN, look)

    def _soon(self, work: Any) -> asyncio.Task[None]:
        """Begin a task; what nobody foresaw in it breaks the pool."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                self._break(error)

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(ended)
        return task

    def _break(self, error: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_exception(error)


def _given(run: Services) -> Given:
    """Return what workers need to know of a run."""
    return Given(
        path=str(run.folder.path.resolve()),
        config=run.config.model_dump(mode="json", exclude={"profiles"}),
        prompts=own_prompts(Path(run.domain_folder)),
        collection=run.store.name,
        records=[record for kind in READ for record in run.ledger.all(kind)],
    )
