"""Whole runs in a database: killed here and resumed there, refused, and read from anywhere."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, TRAINED, Outcome, write_pool
from postgres_server import PASSWORD, QUOTED, Server

from elenchus import postgres, runs
from elenchus.ledger import Ledger
from elenchus.postgres import VARIABLE, Place, session
from elenchus.postgres.session import common
from elenchus.records import Turn
from inspection.index import Index
from inspection.pages.library import Library
from models.prices import Prices

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
DATASET = ("train.jsonl", "pairs.jsonl", "held-out.jsonl", "rejected.jsonl")
SMALLER = (("questions: 20, general: 8", "questions: 6, general: 4"), ("[11, 22]", "[4, 8]"))
OWN = ("run", "path", "seconds", "resumed", "calls", "tokens")  # of a result: other each time
Elenchus = Callable[..., Outcome]


def write_small(folder: Path, models: str) -> Path:
    home = write_pool(folder, models)
    settings = home / "domain.yaml"
    text = settings.read_text()
    for before, after in SMALLER:
        assert before in text
        text = text.replace(before, after)
    settings.write_text(text)
    return home


def begin(home: Path, *more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "elenchus", "launch", str(home), "--json", "--runs"]
    return subprocess.Popen(
        [*command, str(home.parent / "runs"), *map(str, more)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], address: str, query: str) -> str:
    """Wait until a query, of a run's id, gives one while the process works; return it."""
    while True:
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            if found := common(address).query(query):
                return found[0][0]
        else:
            raise AssertionError(process.communicate())


def told(ledger: Ledger) -> dict[str, Any]:
    """Return all records of a run by id, and the answers to its calls."""
    records = dict(ledger._query("SELECT id, body FROM records"))
    return records | {call.id: call.response for call in ledger.calls()}


def result_of(run: runs.RunFolder) -> dict[str, Any]:
    found = json.loads(run.result.read_text("utf-8"))
    return {name: value for name, value in found.items() if name not in OWN}


def test_a_run_killed_on_one_machine_goes_on_on_another(
    tmp_path: Path, database: str, elenchus: Elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one shares the database, and nothing else."""
    whole, home = (write_small(tmp_path / name, TRAINED) for name in ("whole", "first"))
    second = tmp_path / "second"
    second.mkdir()
    process = begin(home)
    wait_for(process, database, "SELECT run FROM elenchus.files WHERE path ~ '^adapters/round-1/'")
    monkeypatch.chdir(second)
    (row,) = elenchus("runs", "--json").json
    refused = elenchus("resume", row["id"])
    process.send_signal(KILL)
    process.communicate()
    assert row["state"] == "running"
    assert refused.code == 2 and "is in use by another process; wait for it" in refused.err
    shutil.rmtree(home.parent)

    (row,) = elenchus("runs", "--json").json
    assert row["state"] == "interrupted"
    resumed = elenchus("resume", row["id"], "--json")
    assert resumed.code == 0, resumed.err
    there = runs.find(Path("runs"), row["id"])
    assert isinstance(there.ledger, Place)
    assert elenchus("doctor", there.id).out.splitlines()[-1].endswith("whole")
    assert not [*second.rglob("*.sqlite")]
    for path in second.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()
        assert not path.is_file() or QUOTED.encode() not in path.read_bytes()

    monkeypatch.setenv(VARIABLE, "")
    undisturbed = elenchus("launch", whole, "--runs", whole.parent / "runs", "--json")
    assert undisturbed.code == 0, undisturbed.err
    here = runs.find(whole.parent / "runs", undisturbed.json["run"])
    assert isinstance(here.ledger, Path)
    assert result_of(there) == result_of(here)
    for name in DATASET:
        assert (there.dataset / name).read_bytes() == (here.dataset / name).read_bytes()
    monkeypatch.setenv(VARIABLE, database)
    with closing(Ledger(here.ledger)) as one, closing(Ledger(there.ledger)) as other:
        assert told(one) == told(other)
        assert (one.kinds(), one.usage()[0]) == (other.kinds(), other.usage()[0])


@pytest.fixture
def finished(
    mock_pool: Path, database: str, elenchus: Elenchus, monkeypatch: pytest.MonkeyPatch
) -> runs.RunFolder:
    """A run of the database, and a second place from which alone it is seen."""
    done = elenchus("launch", mock_pool, "--runs", mock_pool.parent / "runs", "--json")
    assert done.code == 0, done.err
    place = mock_pool.parent / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    return runs.RunFolder(Path("runs") / "pool" / done.json["run"])


def test_a_run_is_read_from_anywhere(finished: runs.RunFolder, elenchus: Elenchus) -> None:
    (row,) = elenchus("runs", "--json").json
    assert (row["id"], row["state"]) == (finished.id, "finished")
    rows = elenchus("trace", finished.id, "--json").json
    assert len(rows) == result_of(finished)["examinations"]
    found = elenchus("trace", finished.id, "--search", "swimming cap", "--json").json
    assert 0 < len(found) < len(rows)
    whole = elenchus("trace", finished.id, rows[0]["examination"], "--json")
    assert whole.json
    assert elenchus("report", finished.id).code == 0
    assert elenchus("export", finished.id, "--format", "trl", "--to", "out").code == 0
    refused = elenchus("resume", finished.id)
    assert refused.code == 2 and "is finished" in refused.err
    with closing(Library(Path("runs"))) as library:
        (listing,) = library.listed()
        assert (listing.row.id, listing.usd, listing.fault) == (finished.id, 0, "")
        index = library.open("pool", finished.id).indexed("calls", threading.TIMEOUT_MAX)
        assert index is not None
        ((calls,),) = index.query("SELECT COUNT(*) FROM calls")
    with closing(Ledger(finished.ledger, read_only=True)) as ledger:
        assert calls == len([*ledger.calls()])


def test_an_index_follows_what_is_written(finished: runs.RunFolder, elenchus: Elenchus) -> None:
    place = runs.find(Path("runs"), finished.id).ledger
    with closing(Ledger(place)) as ledger, closing(Index(place, Prices({}))) as index:
        assert index.refresh("calls", threading.TIMEOUT_MAX)
        count = "SELECT COUNT(*) FROM calls"
        ((before,),) = index.query(count)
        call = next(iter(ledger.calls())).model_copy(update={"id": "another"})
        ledger.write_call(call)
        assert index.refresh("calls", threading.TIMEOUT_MAX)
        assert index.query(count) == [(before + 1,)]


def test_an_update_and_a_reuse_find_the_earlier_run(
    finished: runs.RunFolder, mock_pool: Path, elenchus: Elenchus
) -> None:
    with closing(Ledger(runs.find(Path("runs"), finished.id).ledger)) as ledger:
        turns = ledger.count(Turn)
    again = elenchus("launch", mock_pool, "--reuse", finished.id, "--json")
    assert again.code == 0, again.err
    assert again.json["calls"] == 0
    with closing(Ledger(Place(again.json["run"], ""))) as ledger:
        assert ledger.count(Turn) == turns


def test_a_server_that_goes_away_for_a_while_is_waited_for(
    mock_pool: Path, server: Server, database: str, elenchus: Elenchus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It crashes in mid-run, and is started again when the run says that it waits."""
    waited: list[str] = []
    reopen, insert = session.Session._reopen, session.Session.write

    def restarted(text: str) -> None:
        waited.append(text)
        server.start()

    def crash(self: session.Session, sql: str, values: Any) -> None:
        insert(self, sql, values)
        if self._run and not waited and any("Examination" in str(v) for v in values):
            self.say = restarted
            server.stop("immediate")

    monkeypatch.setattr(session.Session, "write", crash)
    assert reopen
    done = elenchus("launch", mock_pool, "--runs", mock_pool.parent / "runs", "--json")
    assert done.code == 0, done.err
    assert len(waited) == 1
    monkeypatch.setenv(VARIABLE, "")
    same = elenchus("launch", mock_pool, "--runs", mock_pool.parent / "files", "--json")
    there, here = (
        runs.RunFolder(mock_pool.parent / place / "pool" / end.json["run"])
        for place, end in (("runs", done), ("files", same))
    )
    assert result_of(there) == result_of(here)
    with closing(Ledger(here.ledger)) as one, closing(Ledger(there.ledger)) as other:
        assert told(one) == told(other)


def test_a_database_that_is_gone_for_good_names_the_way_on(
    mock_pool: Path, server: Server, database: str, elenchus: Elenchus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(session, "PATIENCE", 0.1)
    insert, stopped = session.Session.write, threading.Event()

    def crash(self: session.Session, sql: str, values: Any) -> None:
        insert(self, sql, values)
        if self._run and not stopped.is_set() and any("Examination" in str(v) for v in values):
            stopped.set()
            server.stop("fast")

    monkeypatch.setattr(session.Session, "write", crash)
    root = mock_pool.parent / "runs"
    done = elenchus("launch", mock_pool, "--runs", root)
    server.start()
    assert done.code == 3
    (run,) = runs.listed(root)
    assert "has been away for" in done.err
    assert done.err.rstrip().endswith(f"`elenchus resume {run.id} --runs {root}` goes on")
    assert elenchus("resume", run.id, "--runs", root, "--json").code == 0


def of(address: str, **changes: str) -> str:
    for before, after in changes.items():
        address = address.replace({"password": QUOTED, "user": "owner"}.get(before, before), after)
    return address


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://root@localhost/x", "take postgresql://USER@HOST/NAME; this is one of 'mysql'"),
        ("host=localhost", "take postgresql://USER@HOST/NAME; this is no address"),
        ("postgresql://u:se/cret@h/x", "are written as %2F and so on"),
        ("postgresql://u@127.0.0.1:1/x", "database x at 127.0.0.1:1 cannot be opened"),
        ("{wrong}", "give the right user and password: in ELENCHUS_DATABASE, PGPASSWORD or ~/"),
        ("{none}", "give the right user and password: in ELENCHUS_DATABASE, PGPASSWORD or ~/"),
        ("{missing}", "make it with `createdb`"),
        ("{guest}", "let its owner run `CREATE SCHEMA elenchus AUTHORIZATION \"guest\"`"),
        ("{latin}", "does not keep UTF-8: make one with `createdb -E UTF8 NAME`"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_used_is_told_before_anything_is_made(
    address: str, said: str, mock_pool: Path, server: Server, elenchus: Elenchus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(VARIABLE, "")
    if address == "{guest}":
        server.execute("CREATE ROLE guest LOGIN PASSWORD 'let-me-in-please'")
    if address == "{latin}":
        server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    named = {
        "{wrong}": server.address("postgres", password="not-the-password"),
        "{none}": server.address("postgres"),
        "{missing}": server.address("nowhere", password=QUOTED),
        "{guest}": server.address("postgres", "guest", "let-me-in-please"),
        "{latin}": server.address("latin", password=QUOTED),
    }.get(address, address)
    root = mock_pool.parent / "runs"
    refused = elenchus("launch", mock_pool, "--runs", root, "--database", named)
    assert refused.code == 2
    assert said in refused.err and len(refused.err.splitlines()) == 1
    for secret in ("not-the-password", "let-me-in-please", QUOTED, PASSWORD, "se/cret"):
        assert secret not in refused.err
    assert not root.exists()


def test_without_its_packages_the_extra_is_named(
    mock_pool: Path, elenchus: Elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://h/d")
    monkeypatch.setattr(postgres, "NEEDED", ("psycopg_that_is_not.there",))
    refused = elenchus("launch", mock_pool, "--runs", mock_pool.parent / "runs")
    assert refused.code == 2 and "pip install -e '.[postgres]'" in refused.err
