"""Work on threads, which nothing can end from without: it ends at its next step, called off."""

import contextlib
import threading
from collections.abc import Iterator

from graphs.context import Advance, Progress


class Until:
    """Progress of a thread, whose next step raises InterruptedError once it is called off."""

    def __init__(self, progress: Progress, called_off: threading.Event) -> None:
        self._progress, self._called_off = progress, called_off

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        with self._progress.stage(name) as advance:

            def step(done: int, total: int | None) -> None:
                if self._called_off.is_set():
                    raise InterruptedError(f"{name}: called off")
                advance(done, total)

            yield step

    def say(self, text: str) -> None:
        self._progress.say(text)


@contextlib.contextmanager
def until_left(progress: Progress) -> Iterator[Until]:
    """Progress of a thread that has to end where this context is left early, as after Ctrl-C."""
    called_off = threading.Event()
    try:
        yield Until(progress, called_off)
    finally:
        called_off.set()


@contextlib.contextmanager
def thread_stage(progress: Progress, name: str) -> Iterator[Advance]:
    """A stage whose work is on a thread, and ends where the stage is left early."""
    with until_left(progress) as until, until.stage(name) as step:
        yield step
