"""Reports of how far work has come."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int, int | None], None]  # steps done, and to do where that is known
WINDOW = 60.0  # seconds that a rate is the mean of


class Progress(Protocol):
    """Where a run, an ingest or a selection reports what it is doing."""

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Begin a stage, which yields the function to call with the steps done and to do."""

    def say(self, text: str) -> None:
        """Report something in one line."""


def unseen(done: int, total: int | None) -> None:
    """Advance unseen."""


class Unseen:
    """Progress that nobody watches."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """See `Progress.stage`."""
        yield unseen

    def say(self, text: str) -> None:
        """See `Progress.say`."""


class Prefixed:
    """Progress of one of several works, whose stages and lines begin with its name."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """See `Progress.stage`."""
        return self._progress.stage(f"{self._name}: {name}")

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        self._progress.say(f"{self._name}: {text}")


class Pace:
    """The speed of a stage over its last minute, the time since its latest step included.

    So steps that end together, as those of a batch do, took as long as the batch.

    Args:
        now: when the stage began, in seconds of a clock that never goes back.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._reports: deque[tuple[float, int]] = deque()

    def report(self, now: float, done: int) -> None:
        """Take note of the steps done by now."""
        if not self._reports:  # a resumed stage counts what was done before: none of it was now
            self._reports.append((self._began, done - 1))
        self._reports.append((now, done))
        while self._reports[1][0] < now - WINDOW:
            self._reports.popleft()

    def rate(self, now: float) -> float:
        """Return the steps a second; 0 before the first."""
        if not self._reports:
            return 0.0
        (began, before), (_, done) = self._reports[0], self._reports[-1]
        return (done - before) / max(now - began, 1e-9)

    def left(self, now: float, total: float | None) -> float | None:
        """Return the seconds that the rest will take at this rate; None while nobody can say."""
        rate = self.rate(now)
        return (total - self._reports[-1][1]) / rate if total is not None and rate > 0 else None


def per_time(rate: float) -> str:
    """Write a rate of steps a second; a low one as steps a minute or an hour, none as nothing."""
    for seconds, unit in ((1, "s"), (60, "min"), (3600, "h")):
        count = rate * seconds
        if count >= 1:
            return f"{count:.0f}/{unit}" if count >= 10 else f"{count:.1f}/{unit}"
    return ""
