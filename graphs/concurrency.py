"""Many things at once, within a limit, and work on threads that can be called off."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from elenchus.progress import Advance, Progress

_own: ContextVar["WeakSet[asyncio.Task[Any]] | None"] = ContextVar("own tasks", default=None)
Item = TypeVar("Item")
Made = TypeVar("Made")


async def each(
    places: asyncio.Semaphore,
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Made]],
    advance: Advance,
) -> list[Made]:
    """Work on all items, as many at once as there are places; results come in order."""
    done = 0

    async def one(item: Item) -> Made:
        nonlocal done
        async with places:
            made = await work(item)
        done += 1
        advance(done, len(items))
        return made

    return list(await asyncio.gather(*(one(item) for item in items)))


class Until:
    """Progress of a thread, whose next step raises InterruptedError once it is called off."""

    def __init__(self, progress: Progress, called_off: threading.Event) -> None:
        self._progress, self._called_off = progress, called_off

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """See `Progress.stage`."""
        with self._progress.stage(name) as advance:

            def step(done: int, total: int | None) -> None:
                if self._called_off.is_set():
                    raise InterruptedError(f"{name}: called off")
                advance(done, total)

            yield step

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        self._progress.say(text)


@contextlib.contextmanager
def until_left(progress: Progress) -> Iterator[Until]:
    """Give a thread progress that ends it where this context is left early, as after Ctrl-C.

    Nothing else can end a thread from without.
    """
    called_off = threading.Event()
    try:
        yield Until(progress, called_off)
    finally:
        called_off.set()


@contextlib.contextmanager
def thread_stage(progress: Progress, name: str) -> Iterator[Advance]:
    """Begin a stage whose work is on a thread, and ends where the stage is left early."""
    with until_left(progress) as until, until.stage(name) as step:
        yield step


class _OwnLoop(Generic[Made]):
    """Work on an event loop of its own, which another thread may cancel.

    Attributes:
        begun: is done once there is something to cancel.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Made]]) -> None:
        self._work = work
        self.begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    def run(self) -> Made:
        """See the work to its end, without the settings of what surrounds this call."""
        return contextvars.Context().run(lambda: asyncio.run(self._main()))

    def cancel(self) -> None:
        """Cancel the work, once it has begun."""
        loop, task = self.begun.result()
        with contextlib.suppress(RuntimeError):  # it has ended in this moment
            loop.call_soon_threadsafe(task.cancel)

    async def _main(self) -> Made:
        task = asyncio.current_task()
        assert task is not None
        self.begun.set_result((asyncio.get_running_loop(), task))
        return await self._work()


async def on_its_own_loop(work: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
    """Await work on a thread with an event loop of its own, which is cancelled with this one.

    Neither LangGraph's settings of a surrounding run nor its event loop reach the work.
    """
    own = _OwnLoop(work)
    thread = asyncio.get_running_loop().run_in_executor(None, own.run)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wrap_future(own.begun)
        own.cancel()
        await asyncio.wait((thread,))
        raise


def run_to_end(work: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
    """Await work from code that is not asynchronous; in a notebook, whose loop runs, on a thread.

    Raises:
        KeyboardInterrupt: Ctrl-C, once the work has been cancelled.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    own = _OwnLoop(work)
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(own.run)
        try:
            return done.result()
        except KeyboardInterrupt:
            own.cancel()
            raise


async def side_by_side(works: Sequence[Coroutine[Any, Any, Made]]) -> list[Made | BaseException]:
    """Await several works on this event loop, to the end of each; what they return or raise.

    What one of them begins is told apart from what others do: see `own_tasks`.
    """
    asyncio.get_running_loop().set_task_factory(_noted)

    async def one(work: Coroutine[Any, Any, Made]) -> Made:
        _own.set(WeakSet())
        return await work

    return await asyncio.gather(*map(one, works), return_exceptions=True)


def own_tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks that the present work has begun; outside of `side_by_side`, all others."""
    noted = _own.get()
    tasks = asyncio.all_tasks() if noted is None else {one for one in noted if not one.done()}
    return tasks - {asyncio.current_task()}


def _noted(loop: asyncio.AbstractEventLoop, work: Any, **settings: Any) -> "asyncio.Task[Any]":
    """Make a task, and note it as one of the work in whose context it runs."""
    task = asyncio.Task(work, loop=loop, **settings)
    context: contextvars.Context | None = settings.get("context")
    noted = context.get(_own) if context is not None else _own.get()
    if noted is not None:
        noted.add(task)
    return task
