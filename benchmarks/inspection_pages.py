"""How long pages of `elenchus inspect` take, and how much memory, for a run of many examinations.

`elenchus bench inspection` prints both figures. A page is opened twice, first before the index of
its run is whole, and the slower time counts. The run is a small real one, each of whose
examinations is written again and again with questions, turns and calls of its own.
"""

import contextlib
import functools
import itertools
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from elenchus import domains
from elenchus.cli.main import settle_environment
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Answer, Examination, Question, Record, Seed, Turn
from graphs import runner
from graphs.config import load

EXAMINATIONS, QUICK = 10_000, 200
DOMAIN = "market"
SMALL = ("exam.questions=20", "exam.general=8", "adaptation.examples=[10]", "training.epochs=1")
FEWEST = ("exam.questions=8", "exam.general=4", "adaptation.examples=[4]", "training.epochs=1")
PAGES = {
    "overview": "",
    "examinations": "/examinations",
    "search": "/examinations?q=the+rule&outcome=accepted&sort=gap&order=desc",
    "filters": "/examinations?kind=recall&model=builtin:nano&tokens_from=100&sort=tokens&page=9",
    "examination": "/examinations/{examination}",
    "call": "/record/{call}",
    "record": "/record/{turn}",
    "rejections": "/rejections",
    "dataset": "/dataset",
    "exams": "/exams",
    "corpus": "/corpus",
    "corpus search": "/corpus?q=market",
    "records": "/records/Turn?q=crowns",
    "calls": "/records/Call?q=grader&page=3",
}


def page_seconds(quick: bool) -> dict[str, Any]:
    """Return the seconds of the slowest page, of each page, and the size of the run."""
    measured = _measured(quick)
    return {name: measured[name] for name in ("slowest", "by_page", "examinations", "ledger_mb")}


def memory_mb(quick: bool) -> int:
    """Return the most memory that the server's process took after any page, in MB."""
    return int(_measured(quick)["memory_mb"])


@functools.cache
def _measured(quick: bool) -> dict[str, Any]:
    """Measure pages of a run with 10,000 examinations, or with a few hundred, once for both."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "runs"
        small = _launched(root, FEWEST if quick else SMALL)
        large = root / small.parent.name / f"{small.name}-large"
        made = multiplied(small, large, QUICK if quick else EXAMINATIONS)
        shutil.rmtree(small)
        figures = _visit(root, large)
        megabytes = (large / "ledger.sqlite").stat().st_size / 1e6
        return figures | {"examinations": made, "ledger_mb": round(megabytes)}


def multiplied(small: Path, large: Path, wanted: int) -> int:
    """Copy a run, and write its examinations again until there are so many; return how many.

    A copy's questions end in a number of their own, and its calls are calls of its own.
    """
    shutil.copytree(small, large)
    ledger = Ledger(large / "ledger.sqlite")
    originals = ledger.all(Examination)
    turns = {turn.id: turn for turn in ledger.all(Turn)}
    seeds = {seed.id: seed for seed in ledger.all(Seed)}
    questions = {question.id: question for question in ledger.all(Question)}
    calls = sqlite3.connect(large / "ledger.sqlite", isolation_level=None)
    made = len(originals)
    for number in itertools.count(1):
        if made >= wanted:
            break
        records: list[Record] = []
        copies: dict[str, str] = {}
        for examination in originals[: wanted - made]:
            records += _copied(examination, number, turns, seeds, questions, copies)
            made += 1
        ledger.write(*records)
        _copy_calls(calls, copies, number)
    calls.close()
    ledger.close()
    return made


def _copied(
    examination: Examination,
    number: int,
    turns: dict[str, Turn],
    seeds: dict[str, Seed],
    questions: dict[str, Question],
    copies: dict[str, str],
) -> Iterator[Record]:
    """Yield a copy of an examination with what it is made of; `copies` gets the ids of calls."""

    def call(call_id: str) -> str:
        copies[call_id] = f"{call_id[:-5]}{number:05x}" if call_id else ""
        return copies[call_id]

    def asked(question: Question) -> Question:
        changes = {"text": f"{question.text} ({number})", "call_id": call(question.call_id)}
        return question.model_copy(update=changes)

    def answer(one: Answer) -> Answer:
        return one.model_copy(update={"call_id": call(one.call_id)})

    seed = seeds[examination.seed_id]
    seed = seed.model_copy(update={"variation": seed.variation + 10_000 * number})
    yield seed
    ids = {}
    for turn in (turns[i] for i in examination.turn_ids):
        verdict = turn.verdict and turn.verdict.model_copy(
            update={"call_id": call(turn.verdict.call_id)}
        )
        copy = turn.model_copy(
            update={
                "question": asked(turn.question),
                "expert": tuple(map(answer, turn.expert)),
                "student": tuple(map(answer, turn.student)),
                "verdict": verdict,
            }
        )
        ids[turn.id] = copy.id
        yield copy
    rejection = examination.rejection
    if rejection and rejection.question_id:
        refused = asked(questions[rejection.question_id])
        yield refused
        rejection = rejection.model_copy(update={"question_id": refused.id})
    yield examination.model_copy(
        update={
            "seed_id": seed.id,
            "turn_ids": tuple(ids.values()),
            "accepted_turn_id": ids.get(examination.accepted_turn_id or ""),
            "rejection": rejection,
        }
    )


def _copy_calls(calls: sqlite3.Connection, copies: dict[str, str], number: int) -> None:
    """Write calls again under ids of their own, and checks with the questions that they are of."""
    columns = [row[1] for row in calls.execute("PRAGMA table_info(calls)")]
    rest = ", ".join(columns[1:])
    calls.execute("BEGIN")
    calls.executemany(
        f"INSERT OR IGNORE INTO calls SELECT ?, {rest} FROM calls WHERE id = ?",
        [(copy, call_id) for call_id, copy in copies.items() if call_id],
    )
    end = "\\n</question>"  # as JSON has it
    changed = rest.replace("request", f"replace(request, '{end}', ' ({number}){end}')")
    calls.execute(
        f"INSERT OR IGNORE INTO calls SELECT id || '{number:05x}', {changed} FROM calls "
        "WHERE role = 'grader' AND task IN ('support', 'guess', 'agree') AND length(id) < 28"
    )
    calls.execute("COMMIT")


def _launched(root: Path, changes: tuple[str, ...]) -> Path:
    """Launch a small run of the demonstration, and return its folder."""
    settle_environment()
    file = domains.find(DOMAIN)
    index = f"retrieval.index={root.parent / 'indexes'}"
    config = load(file, changes=[*changes, "exam.hand=null", index])
    result = runner.launch(config, file.parent, root, None, Unseen())
    return root / result.domain / result.run


def _visit(root: Path, run: Path) -> dict[str, Any]:
    """Open each page of a server of its own twice; return how long each took at most."""
    ledger = Ledger(run / "ledger.sqlite", read_only=True)
    examination = next(e for e in ledger.all(Examination) if e.accepted_turn_id)
    turn = ledger.get(Turn, examination.turn_ids[0])
    names = {"examination": examination.id, "turn": turn.id, "call": turn.expert[0].call_id}
    ledger.close()
    address = f"/runs/{run.parent.name}/{run.name}"
    paths = {name: address + page.format(**names) for name, page in PAGES.items()}
    seconds: dict[str, float] = {}
    most = 0
    with _server(root) as (client, memory):
        for _ in range(2):
            for name, path in {"runs": "/runs", **paths}.items():
                seconds[name] = max(seconds.get(name, 0.0), _seconds(client, path))
                most = max(most, memory())
    return {
        "slowest": round(max(seconds.values()), 2),
        "by_page": {name: round(value, 2) for name, value in seconds.items()},
        "memory_mb": round(most / 1e6),
    }


@contextlib.contextmanager
def _server(root: Path) -> Iterator[tuple[httpx.Client, Callable[[], int]]]:
    """Run `elenchus inspect`; yield a client of it, and what tells the memory that it takes."""
    command = [sys.executable, "-m", "elenchus", "inspect", "--port", "0", "--runs", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            place = said.split("http://")[1].split("/")[0]
            taken = psutil.Process(process.pid)
            with httpx.Client(base_url=f"http://{place}", timeout=600) as client:
                yield client, lambda: int(taken.memory_info().rss)
        finally:
            process.terminate()


def _seconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - began
