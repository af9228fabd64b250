"""What comparisons share: options, output, and processes that work on one domain and seed each."""

import argparse
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import util
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from benchmarks.cells import Row
from elenchus import runs
from elenchus.cli.main import settle_environment
from elenchus.cli.usage import Parser
from elenchus.errors import Interrupted, UserError

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "elenchus", "models", "agents", "evaluation", "graphs", "retrieval", "training", "publishing",
    "inspection", "offline", "benchmarks",
)  # fmt: skip
Job = Callable[[Path, int], list[Row]]  # of a domain and a seed


def parser(name: str, about: str, seeds: int, in_processes: bool = True) -> argparse.ArgumentParser:
    """Make the parser of `elenchus bench NAME`, with the options that all comparisons have.

    Args:
        seeds: the default of `--seeds`.
        in_processes: whether it works in several at once, so that `--workers` says how many.
    """
    arguments = Parser(f"elenchus bench {name}", description=about)
    add = arguments.add_argument
    add("--quick", action="store_true", help="minutes; figures of little worth")
    add("--json", action="store_true", help="one JSON value, and nothing else")
    add("--out", type=Path, help="folder of all its runs")
    add("--seeds", type=count, help=f"seeds of each domain (default {seeds})")
    add(
        "--first-seed", type=int, default=0, help="where seeds begin, to add others to earlier ones"
    )
    if in_processes:
        add("--workers", type=count, default=2, help="processes at once")
    arguments.set_defaults(name=name, usual_seeds=seeds)
    return arguments


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """Parse the arguments, fill the defaults, and keep `--out` for this program alone.

    Raises:
        UserError: a package is missing, or the folder cannot be used: see `claim`.
    """
    options = parser.parse_args(arguments)
    for package in ("matplotlib", "pyarrow", "torch"):
        if util.find_spec(package) is None:
            raise UserError(f"this needs {package}: pip install -e '.[train,bench]'")
    folder = f"{options.name}-quick" if options.quick else options.name
    options.out = options.out or Path("runs") / "bench" / folder
    seeds = options.seeds or (1 if options.quick else options.usual_seeds)
    options.seeds = range(options.first_seed, options.first_seed + seeds)
    options.lock = claim(options.out)
    return options


def publish(
    figures: dict[str, Any], options: argparse.Namespace, show: Callable[[dict[str, Any]], None]
) -> None:
    """Write the figures into `--out`, and print them: as JSON, or as `show` does for people."""
    runs.write_json(options.out / f"{options.name}.json", figures)
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures)


def show_figures(figures: Mapping[str, Mapping[str, Any]], as_json: bool) -> None:
    """Print figures by comparison: as JSON, or a line each for people."""
    if as_json:
        print(json.dumps(figures))
        return
    for name, found in figures.items():
        print(name)
        for key, value in found.items():
            print(f"  {key:<22} {value}")


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run a comparison as a program of its own; of a `UserError` it prints the message alone."""
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"elenchus: {error}")


def claim(out: Path) -> FileLock:
    """Keep a folder for one version of the program, since rows of two cannot be compared.

    It is this process's as long as the lock that is returned is held.

    Raises:
        UserError: another process has the folder, another version made it, or it cannot be
            written to.
    """
    file, version = out / "program", program()
    with runs.explained(out, "--out"):
        recorded = file.read_text(encoding="utf-8") if file.exists() else ""
        # Runs without the file were made by a version that did not write it.
        if recorded != version and (recorded or (out / "runs").exists()):
            raise UserError(f"{out} was made by another version of the program: give another --out")
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / "lock")
        try:
            lock.acquire(timeout=1)
        except Timeout as error:
            raise UserError(
                f"{out} is in use by another process: wait for it, or give another --out; "
                "--workers says how many processes one comparison takes"
            ) from error
        if not recorded:
            runs.write_atomic(file, version)
    return lock


def keep_to(out: Path, made_of: Mapping[str, Any]) -> None:
    """Keep a folder for what its files are made of, by the option that says it.

    Raises:
        UserError: they were made of something else.
    """
    file = out / "made-of.json"
    if not file.exists():
        runs.write_json(file, made_of)
    given, recorded = (json.loads(text) for text in (json.dumps(made_of), file.read_text("utf-8")))
    if other := [name for name, value in given.items() if value != recorded.get(name)]:
        raise UserError(f"{out} was made with another {', '.join(other)}: give another --out")


def program() -> str:
    """Return the SHA-256 of the paths and contents of all sources, prompts and weights."""
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    data = [
        *(ROOT / "prompts").rglob("*.md"),
        *(ROOT / "models").rglob("*.jsonl"),
        *(ROOT / "offline").rglob("*.safetensors"),
    ]
    whole = hashlib.sha256()
    for path in sorted([*sources, *data]):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def in_processes(
    job: Job, domains: Sequence[Path], seeds: Sequence[int], workers: int
) -> list[Row]:
    """Return the rows of a job for every domain and seed, ordered by strategy and size.

    Each group that finishes is reported on standard error.

    Raises:
        UserError: a group cannot be run; those under way are finished first, and kept.
        SystemExit: Ctrl-C.
    """
    groups = [(domain, seed) for seed in seeds for domain in domains]
    rows: list[Row] = []
    # A process a group, so that the memory of a finished run is given back to the system.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_settle, max_tasks_per_child=1
    ) as pool:
        work = {pool.submit(job, *group): group for group in groups}
        try:
            for done, future in enumerate(as_completed(work), 1):
                domain, seed = work[future]
                rows += future.result()
                place = f"{domain.parent.name}, seed {seed}"
                print(f"{done} of {len(groups)}: {place}", file=sys.stderr, flush=True)
        except (KeyboardInterrupt, Interrupted):
            pool.shutdown(cancel_futures=True)
            print("elenchus: stopped; the same command goes on", file=sys.stderr)
            raise SystemExit(130) from None
        except UserError:
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(rows, key=lambda r: (r["strategy"], r["n"], r["domain"], r["seed"]))


def count(text: str) -> int:
    """Read an argument that is one or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def _settle() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    settle_environment()
    import torch

    torch.set_num_threads(1)  # two processes of one thread are faster than one of two


def end_with_parent() -> None:
    """End this process when its parent does; alone, it would hold its run for up to an hour."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
