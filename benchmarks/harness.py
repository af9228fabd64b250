"""What comparisons share: their options, and processes that work on one domain and seed each."""

import argparse
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import util
from multiprocessing import get_context, parent_process
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.cells import Row
from elenchus import runs
from elenchus.cli.main import settle_environment
from elenchus.errors import Interrupted, UserError

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agents", "benchmarks", "elenchus", "graphs", "retrieval", "training")
Job = Callable[[Path, int], list[Row]]  # of a domain and a seed


def parser(name: str, about: str, seeds: int) -> argparse.ArgumentParser:
    """The options that every `elenchus bench NAME` has; `seeds` is the default of `--seeds`."""
    made = argparse.ArgumentParser(f"elenchus bench {name}", description=about)
    made.add_argument("--quick", action="store_true", help="minutes; figures of little worth")
    made.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    made.add_argument("--out", type=Path, help="folder of all its runs")
    made.add_argument("--seeds", type=_count, help=f"seeds of each domain (default {seeds})")
    made.add_argument(
        "--first-seed", type=int, default=0, help="where seeds begin: to add others to earlier ones"
    )
    made.add_argument("--workers", type=_count, default=2, help="processes at once")
    made.set_defaults(name=name, usual_seeds=seeds)
    return made


def parsed(made: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The arguments as options, with their defaults; `--out` is kept for this program alone."""
    found = made.parse_args(arguments)
    for package in ("matplotlib", "pyarrow", "torch"):
        if util.find_spec(package) is None:
            raise UserError(f"this needs {package}: pip install -e '.[train,bench]'")
    name = f"{found.name}-quick" if found.quick else found.name
    found.out = found.out or Path("runs") / "bench" / name
    count = found.seeds or (1 if found.quick else found.usual_seeds)
    found.seeds = range(found.first_seed, found.first_seed + count)
    found.lock = claim(found.out)
    return found


class Silent:
    """Progress that nobody looks at."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int | None], None]]:
        yield lambda done, total: None

    def say(self, text: str) -> None:
        """Nothing."""


def claim(out: Path) -> FileLock:
    """Keep a folder for one version of the program, since rows of two cannot be compared.

    It is this process's as long as the lock that is returned is held.

    Raises:
        UserError: another process has the folder, another version made it, or it cannot be
            written to.
    """
    file, own = out / "program", program()
    with runs.explained(out, "--out"):
        known = file.read_text(encoding="utf-8") if file.exists() else ""
        # Versions that made runs without the file are other ones, too.
        if known != own and (known or (out / "runs").exists()):
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
        if not known:
            runs.write_atomic(file, own)
    return lock


def program() -> str:
    """SHA-256 over the paths and contents of this program's sources, prompts and weights."""
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    data = [*(ROOT / "prompts").rglob("*.md"), *(ROOT / "agents").rglob("*.safetensors")]
    whole = hashlib.sha256()
    for path in sorted([*sources, *data]):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def _count(text: str) -> int:
    """An argument that is one or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def in_processes(
    job: Job, domains: Sequence[Path], seeds: Sequence[int], workers: int
) -> list[Row]:
    """The rows of a job for every domain and seed, by strategy and size; told as they finish."""
    groups = [(domain, seed) for seed in seeds for domain in domains]
    rows: list[Row] = []
    # A process a group: what a finished run held is given back to the system.
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
            pool.shutdown(cancel_futures=True)  # what is under way is seen to its end, and kept
            raise
    return sorted(rows, key=lambda r: (r["strategy"], r["n"], r["domain"], r["seed"]))


def _settle() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    settle_environment()
    import torch

    torch.set_num_threads(1)  # two processes of one thread are faster than one of two


def _end_with_parent() -> None:
    """Left alone, this process would hold its run for as long as an hour."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
