"""The command line in processes of their own, which can be killed as a user's can.

They are forked from a process that has loaded what is slow to load: loading it in each of them
would take longer than the runs of the small domain.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from elenchus import runs
from elenchus.cli.main import program

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no other
SLOW = ["sentence_transformers", "peft", "transformers.trainer", "chromadb", "graphs.runner"]
FORKS = "forkserver" in multiprocessing.get_all_start_methods()  # Windows has none
PROCESSES = multiprocessing.get_context("forkserver" if FORKS else "spawn")
PROCESSES.set_forkserver_preload(SLOW)


class Program:
    """A command of the command line, which runs in a process of its own.

    Args:
        site: a folder with packages that the process finds besides.
    """

    def __init__(self, *arguments: object, site: Path | None = None) -> None:
        self._place = tempfile.TemporaryDirectory()
        self._streams = [Path(self._place.name, name) for name in ("out", "err")]
        given = ([*map(str, arguments)], self._streams, dict(os.environ), site)
        for path in self._streams:
            path.touch()
        self.process = PROCESSES.Process(target=_run, args=given)
        self.process.start()

    @property
    def code(self) -> int | None:
        """The exit code; None as long as the program runs."""
        return self.process.exitcode

    @property
    def out(self) -> str:
        """What the program has printed so far."""
        return self._streams[0].read_text("utf-8")

    @property
    def err(self) -> str:
        """What the program has told of errors so far."""
        return self._streams[1].read_text("utf-8")

    def ended(self, within: float | None = None) -> "Program":
        """Wait for the end of the program, for so many seconds at most."""
        self.process.join(within)
        assert self.code is not None, f"it does not end: {self.err}"
        return self

    def line(self) -> str:
        """Wait for the first line that the program prints, and return it."""
        while "\n" not in self.out:
            self.process.join(0.01)
            assert self.code is None, self.err
        return self.out.partition("\n")[0]

    def end(self, how: signal.Signals = KILL) -> None:
        """End the program, which must still run, by a signal, and wait for its end."""
        assert self.process.pid is not None and self.code is None, self.err
        os.kill(self.process.pid, how)
        self.process.join()

    def end_when(
        self, root: Path, moment: Callable[[runs.RunFolder], bool], how: signal.Signals = KILL
    ) -> runs.RunFolder:
        """End the program at a moment that the one run below `root` shows; return the run."""
        while not (begun := runs.listed(root)) or not moment(begun[0]):
            self.process.join(0.01)
            assert self.code is None, f"it ended before the moment came: {self.err}"
        self.end(how)
        return begun[0]


def _run(
    arguments: list[str], streams: list[Path], environment: dict[str, str], site: Path | None
) -> None:
    """Be a program: with streams, signals and an environment of its own."""
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["elenchus", *arguments]
    sys.path[:0] = [str(site)] if site else []
    program()
