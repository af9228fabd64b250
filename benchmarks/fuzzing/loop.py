"""Puts inputs into parsers, one after another, in a process that its parent watches.

What is under way is written into a file that both map, so that an input is known that the process
did not survive.
"""

import contextlib
import faulthandler
import hashlib
import logging
import mmap
import random
import re
import resource
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.fuzzing.mutations import LARGEST, Mutations
from benchmarks.fuzzing.targets import Parser, target
from elenchus import runs

SECONDS = 10.0  # of processor time for an input; of `LARGEST` bytes, none should take more
MEMORY = 2_000_000_000  # bytes beyond those of a process that has begun
MESSAGE = 1500  # characters of an error
POOL = 300  # inputs of a parser that others are made of, besides its samples
LONGEST_SEED = 4000  # bytes of one of them
APART = "(apart) "  # before what a process of its own ends, so that it does not count
EXAMPLES = 3  # files that are kept of each kind of failure
_HEAD = struct.Struct("=QQ32sI")  # inputs, uncaught ones, parser, length
_VARIED = re.compile(r"['\"`].*|[\d.]+|0x[0-9a-f]+", re.DOTALL)
ROOT = Path(__file__).resolve().parents[2]
_OURS = ("elenchus", "models", "agents", "graphs", "retrieval", "benchmarks")


class Board:
    """What a process has done, and what it is doing, in a file that its parent reads."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(b"\0" * (_HEAD.size + LARGEST))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def show(self, inputs: int, uncaught: int, parser: str, data: bytes) -> None:
        """Say what is put into which parser now, after so many inputs."""
        data = data[:LARGEST]
        self._map[_HEAD.size : _HEAD.size + len(data)] = data
        self._map[: _HEAD.size] = _HEAD.pack(inputs, uncaught, parser.encode(), len(data))

    def seen(self) -> tuple[int, int, str, bytes]:
        """Return what `show` was told last."""
        inputs, uncaught, parser, length = _HEAD.unpack(self._map[: _HEAD.size])
        data = self._map[_HEAD.size : _HEAD.size + length]
        return inputs, uncaught, parser.rstrip(b"\0").decode(), data


@dataclass
class Kept:
    """The folder of inputs that a parser failed at, with what happened."""

    folder: Path
    kinds: dict[str, int] = field(default_factory=dict)

    def keep(self, parser: str, data: bytes, what: str, kind: str) -> None:
        """Write an input and what happened, unless enough of this kind are kept."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        name = f"{parser}-{_short(kind.encode(errors='replace'))}"
        self.folder.mkdir(parents=True, exist_ok=True)
        if len(list(self.folder.glob(f"{name}-*.txt"))) < EXAMPLES:
            name = f"{name}-{_short(data)}"
            (self.folder / f"{name}.bin").write_bytes(data)
            told = f"{kind}\n\n{what}".encode(errors="replace").decode()
            runs.write_atomic(self.folder / f"{name}.txt", told)


class Fuzz:
    """Inputs for the parsers of a target, each made of samples and of those that did something new.

    The same seed makes the same inputs.
    """

    def __init__(self, parsers: Mapping[str, Parser], seed: str, folder: Path) -> None:
        self._parsers, self._folder = parsers, folder
        self._rng = random.Random(seed)
        self._pools = {name: [s for s in parser.samples if s] for name, parser in parsers.items()}
        self._met: dict[str, set[str]] = {name: set() for name in parsers}
        self._names = list(parsers)
        self._weights = [parser.weight for parser in parsers.values()]

    def begin(self) -> None:
        """Read a sample with every parser, so that no input waits for imports."""
        for parser in self._parsers.values():
            with contextlib.suppress(*parser.refuses):
                parser.read(next(filter(None, parser.samples)), self._folder)

    def next(self) -> tuple[str, bytes]:
        """Return the next input with the name of its parser."""
        (name,) = self._rng.choices(self._names, self._weights)
        parser, pool = self._parsers[name], self._pools[name]
        mutations = Mutations(pool, parser.tokens, self._rng)
        change = mutations.archive if parser.packed else mutations.text
        return name, change(self._rng.choice(pool))

    def judge(self, name: str, data: bytes) -> tuple[str, str]:
        """Return what kind of failure an input is, and what happened.

        The kind is "" where all is well, and begins with `APART` where it does not count.
        """
        parser = self._parsers[name]
        begun = time.process_time()
        try:
            parser.read(data, self._folder)
            outcome = "read"
        except parser.refuses as error:
            outcome = f"{type(error).__name__}: {_VARIED.sub('…', str(error))}"
            if not str(error).strip() or "\n" in str(error) or len(str(error)) > MESSAGE:
                return f"no message in a line: {type(error).__name__}", traceback.format_exc()
        except KeyboardInterrupt:
            raise
        # Anything else is what is looked for; extensions raise what is no Exception.
        except BaseException as error:  # noqa: BLE001
            if not (parser.suffix and is_of_library(error)):
                return _place(error), traceback.format_exc()
            outcome = _place(error)
        if (seconds := time.process_time() - begun) > SECONDS:
            kind = f"{APART}slow" if parser.suffix else "slow"
            return kind, f"{seconds:.1f} seconds of processor time: {outcome}"
        self._learn(name, data, outcome)
        return "", outcome

    def _learn(self, name: str, data: bytes, outcome: str) -> None:
        """Make further inputs of one that something new came of."""
        met, pool = self._met[name], self._pools[name]
        if outcome not in met and len(met) < POOL:
            met.add(outcome)
            if len(data) <= max(LONGEST_SEED, *map(len, self._parsers[name].samples)):
                pool.append(data)


def work(name: str, seed: str, seconds: float, out: Path) -> None:
    """Fuzz a target for some seconds, as a process of its own."""
    threading.Thread(target=harness.end_with_parent, daemon=True).start()
    board = Board(out / "board")
    (folder := out / "folder").mkdir(exist_ok=True)
    faulthandler.register(signal.SIGUSR1, file=(out / "stack").open("w"), all_threads=True)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    fuzz = Fuzz(target(name), seed, folder)
    kept = Kept(out.parent / "kept" / name)
    fuzz.begin()
    limit_memory()
    inputs = uncaught = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        parser, data = fuzz.next()
        board.show(inputs, uncaught, parser, data)
        kind, what = fuzz.judge(parser, data)
        inputs += 1
        if kind:
            uncaught += not kind.startswith(APART)
            kept.keep(parser, data, what, kind)
    board.show(inputs, uncaught, "", b"")


def limit_memory() -> None:
    """Let this process take `MEMORY` more than it has."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def is_of_library(error: BaseException) -> bool:
    """Tell whether an error comes out of a package that reads a format, and not of this program.

    What the standard library raises is of whoever has called it.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if "site-packages" in frame.filename:
            return True
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in _OURS:
            return False
    return False


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]


def _place(error: BaseException) -> str:
    """Return the class of an error and the last lines of this program that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines: list[Any] = [f"{Path(f.filename).name}:{f.name}:{f.lineno}" for f in frames[-30:]]
    return f"{type(error).__name__} at {' > '.join([*lines[:1], *lines[-2:]])}"
