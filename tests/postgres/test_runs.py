"""Whole runs in a database: killed here and resumed there, refused, and read from anywhere."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import MOCKED, ROOT, TRAINED, Outcome, write_pool
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


def crash_once(
    monkeypatch: pytest.MonkeyPatch, server: Server, how: str, said: Callable[[str], Any]
) -> None:
    """Stop the server once a run has written something; what waits for it is told."""
    insert, stopped = session.Session.write, threading.Event()

    def crash(self: session.Session, sql: str, values: Any) -> None:
        insert(self, sql, values)
        if self._run and not stopped.is_set():
            stopped.set()
            self.say = said
            server.stop(how)

    monkeypatch.setattr(session.Session, "write", crash)


def test_a_run_killed_on_one_machine_goes_on_on_another(
    tmp_path: Path, server: Server, database: str, elenchus: Elenchus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The other one shares the database, and nothing else; and the server crashes meanwhile."""
    waited: list[str] = []
    whole, home = (write_small(tmp_path / name, TRAINED) for name in ("whole", "first"))
    second = tmp_path / "second"
    second.mkdir()
    process = begin(home)
    wait_for(process, database, "SELECT id FROM elenchus.runs WHERE begun")
    monkeypatch.chdir(second)
    (row,) = elenchus("runs", "--json").json
    refused = elenchus("resume", row["id"])
    wait_for(process, database, "SELECT run FROM elenchus.files WHERE path ~ '^adapters/round-1/'")
    process.send_signal(KILL)
    process.communicate()
    assert row["state"] == "running"
    assert refused.code == 2 and "is in use by another process; wait for it" in refused.err
    shutil.rmtree(home.parent)

    (row,) = elenchus("runs", "--json").json
    assert row["state"] == "interrupted"
    crash_once(monkeypatch, server, "immediate", lambda t: (waited.append(t), server.start()))
    resumed = elenchus("resume", row["id"], "--json")
    assert resumed.code == 0, resumed.err
    assert len(waited) == 1 and "is away: waiting for it" in waited[0]
    there = runs.find(Path("runs"), row["id"])
    assert isinstance(there.ledger, Place)
    assert elenchus("doctor", there.id).out.splitlines()[-1].endswith("whole")
    assert not [*there.path.glob("*.sqlite")]
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


@pytest.fixture(scope="module")
def launched(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str, str]]:
    """A domain, the id of a finished run of it, and the address of the database that has it."""
    server.execute("CREATE DATABASE finished")
    address = server.address("finished", password=QUOTED)
    home = write_small(tmp_path_factory.mktemp("first"), MOCKED)
    process = begin(home, "--database", address)
    out, err = process.communicate()
    assert process.returncode == 0, err
    yield home, json.loads(out)["run"], address
    server.execute("DROP DATABASE finished WITH (FORCE)")


@pytest.fixture
def finished(
    launched: tuple[Path, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> runs.RunFolder:
    """A finished run, seen from a place that has the database alone."""
    _, run_id, address = launched
    monkeypatch.setenv(VARIABLE, address)
    monkeypatch.chdir(tmp_path)
    return runs.RunFolder(Path("runs") / "pool" / run_id)


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


def test_an_index_follows_what_is_written(finished: runs.RunFolder) -> None:
    place = runs.find(Path("runs"), finished.id).ledger
    with closing(Ledger(place)) as ledger, closing(Index(place, Prices({}))) as index:
        assert index.refresh("calls", threading.TIMEOUT_MAX)
        count = "SELECT COUNT(*) FROM calls"
        ((before,),) = index.query(count)
        call = next(iter(ledger.calls())).model_copy(update={"id": "another"})
        ledger.write_call(call)
        assert index.refresh("calls", threading.TIMEOUT_MAX)
        assert index.query(count) == [(before + 1,)]


def test_its_calls_are_reused_in_files(
    finished: runs.RunFolder, launched: tuple[Path, str, str], elenchus: Elenchus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with closing(Ledger(runs.find(Path("runs"), finished.id).ledger)) as ledger:
        turns = ledger.count(Turn)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # the folder has the address without it
    again = elenchus("launch", launched[0], "--reuse", finished.id, "--json", "--database", "")
    assert again.code == 0, again.err
    assert again.json["calls"] == 0
    with closing(Ledger(finished.path.with_name(again.json["run"]) / "ledger.sqlite")) as ledger:
        assert ledger.count(Turn) == turns


def test_a_database_that_is_gone_for_good_names_the_way_on(
    tmp_path: Path, server: Server, database: str, elenchus: Elenchus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(session, "PATIENCE", 0.1)
    crash_once(monkeypatch, server, "fast", print)
    root = tmp_path / "runs"
    done = elenchus("launch", write_small(tmp_path, MOCKED), "--runs", root)
    server.start()
    assert done.code == 3
    (run,) = runs.listed(root)
    assert "has been away for" in done.err
    assert done.err.rstrip().endswith(f"`elenchus resume {run.id} --runs {root}` goes on")
    assert elenchus("resume", run.id, "--runs", root, "--json").code == 0


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://root@localhost/x", "such as postgresql://HOST/NAME; this is one of 'mysql'"),
        ("host=localhost", "such as postgresql://HOST/NAME; this is no address"),
        ("postgresql://u:se/cret@h/x", "are written as %2F and so on"),
        ("postgresql://u@127.0.0.1:1/x", "database x at 127.0.0.1:1 cannot be opened (connection "),
        ("{wrong}", "give the right user and password: in ELENCHUS_DATABASE, PGPASSWORD or ~/"),
        ("{none}", "give the right user and password: in ELENCHUS_DATABASE, PGPASSWORD or ~/"),
        ("{missing}", "make it with `createdb -E UTF8 NAME`"),
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
