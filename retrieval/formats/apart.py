"""Reads files of foreign formats in a process of its own, within limits of time and memory.

Converters meet bytes that somebody else made: they may raise anything, never end, or want all the
memory there is. None of that reaches the run: what became of a file is its text, or a reason.
"""

import importlib
import logging
import multiprocessing
import sys
from importlib import util
from pathlib import PurePath
from types import TracebackType
from typing import Any, Self

from retrieval import formats
from retrieval.formats import Text, Unreadable
from retrieval.formats.failures import package

GB = 1e9


class Reader:
    """Reads files one after another; a context that ends the process with itself.

    Args:
        expanded: bytes that an archive may unpack to.
        seconds: that a file may take.
        memory: bytes that reading it may take, where the system knows such a limit.
    """

    def __init__(self, expanded: int, seconds: float, memory: float) -> None:
        self._expanded, self._seconds, self._memory = expanded, seconds, int(memory)
        self._pool: Any = None

    def read(self, name: str, content: bytes, encoding: str | None = None) -> Text:
        """Return the text of a file: see `formats.read`.

        Raises:
            Unreadable: it gives none, or not within the limits.
        """
        if PurePath(name).suffix.lower() not in formats.CONVERTED or not content:
            return formats.read(name, content, self._expanded, encoding)
        future = self._started().schedule(
            formats.read, args=[name, content, self._expanded, encoding], timeout=self._seconds
        )
        error = future.exception()
        if error is None:
            text: Text = future.result()
            return text
        raise Unreadable(self._reason(error)) from error

    def _started(self) -> Any:
        """Return the pool of one process, which pebble replaces where a file was its end."""
        if self._pool is None:
            self._pool = package("pebble").ProcessPool(
                max_workers=1,
                context=multiprocessing.get_context("spawn"),
                initializer=_limit,
                initargs=[self._memory],
            )
        return self._pool

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, Unreadable):
            return str(error)
        if isinstance(error, TimeoutError):
            return f"it takes over {self._seconds:g} s to read: save it anew, or in another format"
        if isinstance(error, MemoryError):
            return f"it takes over {self._memory / GB:g} GB to read: divide it"
        said = str(error).strip().splitlines()[-1:] or [""]
        return f"it is damaged: {type(error).__name__} {said[0][:200]}".rstrip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()


def _limit(memory: int) -> None:
    """Limit the memory of this process, and keep what converters say off the screen.

    The converters are loaded now: it is no part of the time that a file takes.
    """
    logging.disable(logging.CRITICAL)
    for name in ("markitdown", "openpyxl", "pypdfium2"):
        if util.find_spec(name) is not None:
            importlib.import_module(name)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
