"""Reports of how far work has come."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int, int | None], None]  # steps done, and to do where that is known


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
