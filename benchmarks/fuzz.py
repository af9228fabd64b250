"""Put broken and hostile input into every parser of what others wrote.

    elenchus bench fuzz                     # ten minutes for each target
    elenchus bench fuzz --only documents --minutes 60 --seed 2
    elenchus bench fuzz --quick             # seconds: whether it runs at all

Targets are what models and servers reply (`reply`), configurations and arguments (`settings`),
`tables`, `archives` and `documents`. Inputs begin as valid ones and are changed at random
(`benchmarks/fuzzing/`). A parser may return, or raise the one error that it is documented to raise.
Another error, an end of the process, over `SECONDS` of time and over `MEMORY` are uncaught: `--out`
keeps such inputs in `kept/TARGET/`, each with what happened. What a converter of documents does to
its own process is judged by whoever reads files in one (`retrieval.formats.apart`).

Keys of the JSON: by target `inputs`, `minutes` and `uncaught`, and `uncaught` of all, for which the
exit code is 1. Needs a Unix system.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.fuzzing import loop, targets
from elenchus import runs
from elenchus.cli.main import settle_environment
from elenchus.cli.usage import Parser
from retrieval.formats import Unreadable
from retrieval.formats.apart import Reader

MINUTES, QUICK = 10.0, 0.05
BEGIN = 180.0  # seconds that a process may take to begin
LOOK = 0.2  # seconds between looks at a process


def main(arguments: list[str] | None = None) -> int:
    """Fuzz the targets one after the other, and print what came of them."""
    parser = Parser("elenchus bench fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, help=f"for each target (default {MINUTES:g})")
    parser.add_argument("--only", action="append", choices=targets.TARGETS, help="repeatable")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other inputs")
    parser.add_argument("--quick", action="store_true", help="seconds; finds little")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/fuzz"), help="folder to keep")
    options = parser.parse_args(arguments)
    minutes = options.minutes or (QUICK if options.quick else MINUTES)
    figures: dict[str, Any] = {}
    for name in options.only or targets.TARGETS:
        figures[name] = fuzzed(name, minutes, options.seed, options.out)
        print(f"{name}: {figures[name]}", file=sys.stderr, flush=True)
    figures["uncaught"] = sum(of_target["uncaught"] for of_target in figures.values())
    options.name = "fuzz"
    harness.publish(figures, options, show)
    return 1 if figures["uncaught"] else 0


def fuzzed(name: str, minutes: float, seed: int, out: Path) -> dict[str, Any]:
    """Return the figures of a target, fuzzed by processes that may die at an input."""
    folder, inputs, uncaught, lives = out / name, 0, 0, 0
    begun = time.monotonic()
    with runs.explained(out, "--out"):
        folder.mkdir(parents=True, exist_ok=True)
    kept = loop.Kept(out / "kept" / name)
    while (left := begun + 60 * minutes - time.monotonic()) > 0:
        (folder / "board").unlink(missing_ok=True)
        board = loop.Board(folder / "board")
        ended = _life(name, f"{name}/{seed}/{lives}", left, folder, board)
        done, failed, parser, data = board.seen()
        inputs, uncaught, lives = inputs + done, uncaught + failed, lives + 1
        if ended:
            stack = (folder / "stack").read_text(errors="replace") if parser else ""
            counts = not _is_for_apart(name, parser, data)
            inputs, uncaught = inputs + 1, uncaught + counts
            kept.keep(parser or "start", data, stack, ended if counts else f"{loop.APART}{ended}")
            if not parser:  # it did not even begin
                break
    shutil.rmtree(folder)
    minutes = round((time.monotonic() - begun) / 60, 2)
    return {"inputs": inputs, "minutes": minutes, "uncaught": uncaught}


def show(figures: dict[str, Any]) -> None:
    """Print a line for each target."""
    print(f"{'target':<12}{'inputs':>10}{'minutes':>10}{'uncaught':>10}")
    for name, found in figures.items():
        if name != "uncaught":
            print(
                f"{name:<12}{found['inputs']:>10,}{found['minutes']:>10.1f}{found['uncaught']:>10}"
            )


def _life(name: str, seed: str, seconds: float, folder: Path, board: loop.Board) -> str:
    """Let a process fuzz a target; return how it ended before its time, or "" where it did not."""
    settle_environment()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=loop.work, args=(name, seed, seconds, folder))
    process.start()
    pid = process.pid
    assert pid is not None  # it has been started
    try:
        last, since = b"", time.monotonic()
        while process.is_alive():
            process.join(LOOK)
            inputs, _, parser, _ = board.seen()
            now = f"{inputs} {parser}".encode()
            if now != last:
                last, since = now, time.monotonic()
            # The limit is one of processor time; this process may have to wait for it.
            limit = 3 * loop.SECONDS if parser else BEGIN
            if time.monotonic() - since > limit:
                os.kill(pid, signal.SIGUSR1)
                time.sleep(LOOK)
                return f"no end after {limit:g} seconds"
        return f"ended with {process.exitcode}" if process.exitcode else ""
    finally:
        process.kill()
        process.join()


def _is_for_apart(name: str, parser: str, data: bytes) -> bool:
    """Tell whether a file that was the end of a process is one for those that end with their file.

    There it is refused, or even read.
    """
    suffix = targets.target(name)[parser].suffix if parser else ""
    if not suffix:
        return False
    reader = Reader(targets.EXPANDED, loop.SECONDS, loop.MEMORY)
    with reader, contextlib.suppress(Unreadable):
        reader.read(f"a{suffix}", data)
    return True


if __name__ == "__main__":
    harness.run_program(main)
