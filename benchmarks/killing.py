"""Small runs of every method whose models answer over HTTP, and processes that are killed."""

import csv
import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import yaml

from benchmarks import invented, server
from benchmarks.server import MODEL
from elenchus import runs
from elenchus.cli import main as cli
from elenchus.errors import UserError
from elenchus.runs import RunFolder

POLL = 0.02  # seconds
# Importing these takes longer than a small run: processes are forked from one that has.
IMPORTS = ("sentence_transformers", "peft", "chromadb", "sklearn.linear_model", "graphs.runner")
RULES = 8
STUDENT = "builtin:nano"
TRAINING = {"epochs": 0.1, "least_steps": 2, "rank": 2, "save_steps": 1}
EXAM = {"questions": 8, "general": 0}
TREES: dict[str, dict[str, Any]] = {
    "examination": {
        "exam": EXAM,
        "adaptation": {"examples": [4, 8], "stop_failure_share": 0},
        "training": TRAINING,
    },
    "indicators": {
        "messages": {"train": "train.csv", "test": "test.csv", "near_duplicate": 0.999},
        "indicators": {"examples": 6},
        "generation": {
            "per_class": 24, "per_request": 4, "group": 5, "near_real": 1.0, "near_duplicate": 1.0,
        },
        "classifier": {"mixes": ["hybrid"], "least_steps": 2},
        "training": TRAINING,
    },
    "passages": {
        "exam": EXAM,
        "passages": {"count": 4, "written": 12},
        "pretraining": {"domain_tokens": 300, "passage_tokens": 600, "block": 64, "shots": 0},
    },
}  # fmt: skip
PLACES = ("home", "work", "the station", "the bank", "my office", "a shop")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
LINES = {
    "arrival": "my new card has not come to {} since {}",
    "theft": "somebody stole my wallet at {} last {}",
}
Rows = dict[tuple[str, str], str]  # bodies of records and answers of calls, by kind and id


@dataclass(frozen=True)
class Domain:
    """A domain's file, and the folder in which its runs and all that they need are kept."""

    path: Path
    folder: Path

    def at(self, name: str) -> "Domain":
        """Return the same domain, for runs in another folder."""
        return Domain(self.path, self.folder.with_name(name))

    @property
    def run(self) -> RunFolder | None:
        """The run, once there is one."""
        begun = runs.listed(self.folder)
        return begun[0] if begun else None


def demand_signals() -> None:
    """Raise a UserError where processes cannot be forked, and so know no signals either."""
    if "forkserver" not in get_all_start_methods():
        raise UserError("this needs a Unix system, for its signals")


def write(folder: Path, method: str, url: str, **changes: Any) -> Domain:
    """Write a small domain of a method whose roles, but for the student, answer at `url`.

    Args:
        changes: to sections of the domain.yaml, which they replace.
    """
    path = invented.write(folder, method, RULES)
    role = {"model": MODEL, "base_url": url}
    tree = yaml.safe_load(path.read_text(encoding="utf-8")) | {"method": method}
    tree |= dict.fromkeys(("expert", "examiner", "grader"), role)
    tree |= {"student": {"model": STUDENT, "samples": 2}} | TREES[method]
    if method == "indicators":
        tree["generation"] |= {"author": role}
        _write_messages(path.parent)
    path.write_text(yaml.safe_dump(tree | changes), encoding="utf-8")
    return Domain(path, folder / "runs" / f"{method}-whole")


def _write_messages(folder: Path) -> None:
    """Write two tables of messages of two classes."""
    rows = [
        (line.format(place, day), label)
        for label, line in LINES.items()
        for place in PLACES
        for day in DAYS
    ]
    for name, part in (("train.csv", rows[::2]), ("test.csv", rows[1::2])):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *part])


@contextmanager
def started(domain: Domain, *more: str) -> Iterator[BaseProcess]:
    """Launch a domain in a process, or resume the run that there is; what it says is in a file.

    Args:
        more: options of the command.
    """
    run = domain.run
    index = f"retrieval.index={domain.folder / 'index'}"
    verb = ["resume", run.id] if run else ["launch", str(domain.path), "--set", index]
    domain.folder.mkdir(parents=True, exist_ok=True)
    context = get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTS))
    arguments = [*verb, "--runs", str(domain.folder), "--json", *more]
    process = context.Process(target=_command, args=(arguments, said(domain)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _command(arguments: list[str], said_to: Path) -> None:
    """Be the command line with these arguments."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background processes ignore it
    with said_to.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["elenchus", *arguments]
    cli.program()


def said(domain: Domain) -> Path:
    """Return the file with what the last process of a run has said."""
    return domain.folder / "said.txt"


def demand_end(domain: Domain, code: int | None) -> None:
    """Raise a UserError unless a process, which nobody killed, came to its end."""
    if code != 0:
        raise UserError(f"a run failed: {said(domain).read_text(encoding='utf-8')[-2000:]}")


def wait_for_work(domain: Domain, process: BaseProcess) -> bool:
    """Wait until a process works on its run; False where it ends before."""
    while process.is_alive():
        if (run := domain.run) and run.state() != "interrupted":
            return True
        process.join(POLL)
    return False


def strike(process: BaseProcess, signals: Sequence[str], pause: float = 0.0) -> bool:
    """Send signals, so many seconds apart; tell whether they ended the process.

    Args:
        signals: their names.
    """
    for number, one in enumerate(signals):
        if number:
            process.join(pause)
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.Signals[one])
    process.join()
    return process.exitcode != 0


def is_finished(domain: Domain) -> bool:
    """Tell whether the run has its result."""
    return domain.run is not None and domain.run.result.exists()


def rest(url: str) -> None:
    """Wait until the server has ended what a process that was killed had begun."""
    while server.counts(url)["in_flight"]:
        time.sleep(POLL)


def rows(run: RunFolder | None) -> Rows:
    """Return all records of a run, and the answers of all attempts of its calls."""
    kept = _query(run, "SELECT kind, id, body FROM records")
    answers = _query(run, "SELECT id, attempt, response FROM calls")
    return {(kind, record_id): body for kind, record_id, body in kept} | {
        ("Call", f"{call_id}, attempt {attempt}"): response
        for call_id, attempt, response in answers
    }


def asked(run: RunFolder | None) -> Counter[str]:
    """Return how many answers of the server a run holds for each prompt, spelt as it does."""
    told = _query(run, "SELECT request FROM calls WHERE model = ?", MODEL)
    return Counter(json_of(request) for (request,) in told)


def json_of(text: str) -> str:
    """Return a JSON text as `json.dumps` spells it."""
    return json.dumps(json.loads(text))


def dataset(run: RunFolder) -> dict[str, bytes]:
    """Return the files of a run's dataset by their names, without the name of the run."""
    files = sorted(run.dataset.iterdir())
    return {path.name: path.read_bytes().replace(run.id.encode(), b"RUN") for path in files}


def _query(run: RunFolder | None, query: str, *values: str) -> list[tuple[Any, ...]]:
    if run is None or not run.ledger.exists():
        return []
    address = f"{(run.path / 'ledger.sqlite').absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as ledger:
        try:
            return ledger.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # it was only just made
                return []
            raise
