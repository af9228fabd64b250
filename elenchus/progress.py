"""How far work has come: a bar on a terminal, nothing elsewhere."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int, int | None], None]  # steps done, and to do where that is known


class Progress(Protocol):
    """Where a run, an ingest or a selection says what it is doing."""

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Begin a stage; the function it gives is told the steps done and to do."""

    def say(self, text: str) -> None:
        """Report one line about what was found."""


def unseen(done: int, total: int | None) -> None:
    """Progress that nobody looks at."""


class Unseen:
    """Progress of a run that nobody watches."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """See `Progress.stage`."""
        yield unseen

    def say(self, text: str) -> None:
        """See `Progress.say`."""
