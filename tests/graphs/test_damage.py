"""Whatever is damaged of a run is said in one message, with what helps."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from elenchus import runs
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from graphs import runner
from graphs.config import load
from graphs.integrity import damages
from tests.conftest import MOCKED, TRAINED, records, write_pool

Home = Path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with a domain and a run of it that its budget stopped half way."""
    place = tmp_path_factory.mktemp("stopped")
    home = write_pool(place, MOCKED)
    with pytest.raises(RunStopped):
        config = load(home / "domain.yaml", changes=["budget.calls=60"])
        runner.launch(config, home, place / "runs", None, Unseen())
    return place


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with a domain and a finished run of it, with an adapter."""
    place = tmp_path_factory.mktemp("finished")
    home = write_pool(place, TRAINED)
    runner.launch(load(home / "domain.yaml"), home, place / "runs", None, Unseen())
    return place


def of(place: Path) -> runs.RunFolder:
    (run,) = runs.listed(place / "runs")
    return run


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], runs.RunFolder]:
    def copy(place: Path) -> runs.RunFolder:
        shutil.copytree(place / "runs", tmp_path / "runs")
        return of(tmp_path)

    return copy


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def scribble(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def remove(path: Path) -> None:
    path.unlink() if path.is_file() else shutil.rmtree(path)


def edit(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace("seed: 0", "seed: 1"), "utf-8")


def closed(run: runs.RunFolder) -> None:
    """Bring what SQLite keeps in its logs into the files, as a closed run has it."""
    for path in (run.ledger, run.checkpoints):
        db = sqlite3.connect(path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()


OF_STOPPED = [
    ("ledger.sqlite", halve, "ledger.sqlite is damaged"),
    ("ledger.sqlite", scribble, "ledger.sqlite is damaged"),
    ("ledger.sqlite", remove, "ledger.sqlite is missing"),
    ("checkpoints.sqlite", halve, "--reuse"),
    ("checkpoints.sqlite", scribble, "--reuse"),
    ("checkpoints.sqlite", remove, "checkpoints.sqlite is missing or empty.*--reuse"),
    ("run.yaml", halve, "run.yaml is damaged"),
    ("run.yaml", edit, "run.yaml is damaged"),
    ("run.yaml", flip, "run.yaml is damaged"),
]
OF_FINISHED = [
    ("result.json", halve, "result.json is damaged"),
    ("result.json", scribble, "result.json is damaged"),
    ("adapters/round-1", remove, "adapters/round-1 is missing"),
    ("adapters/round-1/adapter_model.safetensors", flip, "adapters/round-1 has other weights"),
    ("run.lock", lambda path: (path.unlink(missing_ok=True), path.mkdir()), "run.lock is a folder"),
]


@pytest.mark.parametrize(("part", "damage", "says"), OF_STOPPED)
def test_a_run_that_is_damaged_is_not_gone_on_with(
    stopped: Home, copied, part: str, damage, says: str
) -> None:
    run = copied(stopped)
    closed(run)
    damage(run.path / part)
    with pytest.raises(UserError, match=says) as told:
        runner.resume(run, Unseen(), {"calls": None})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("part", "damage", "says"), OF_FINISHED)
def test_what_is_damaged_of_a_finished_run_is_found(
    finished: Home, copied, elenchus, part: str, damage, says: str
) -> None:
    run = copied(finished)
    damage(run.path / part)
    end = elenchus("doctor", run.id, "--runs", run.path.parent.parent)
    assert end.code == 1 and "Traceback" not in end.err
    assert says.split(" ", 1)[1] in end.out and says.split(" ")[0] in end.out
    assert elenchus("runs", "--runs", run.path.parent.parent).code == 0


def test_whole_runs_have_no_damage(stopped: Home, finished: Home, elenchus) -> None:
    assert not [*damages(of(stopped)), *damages(of(finished))]
    end = elenchus("doctor", of(finished).id, "--runs", finished / "runs")
    assert (end.code, end.out.split()[-1]) == (0, "whole")


def test_a_result_that_is_gone_is_written_anew(finished: Home, copied, elenchus) -> None:
    run = copied(finished)
    before, kept = json.loads(run.result.read_text()), records(run.path)
    halve(run.result)
    assert "put aside" in elenchus("doctor", run.id, "--runs", run.path.parent.parent).out
    runner.resume(run, Unseen())
    after = json.loads(run.result.read_text())
    for result in (before, after):
        del result["seconds"], result["resumed"]
    assert after == before and records(run.path) == kept


def test_a_damaged_index_is_named_and_made_anew(stopped: Home, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "all")
    run = of(tmp_path / "all")
    place = stopped / "indexes" / "pool"
    try:
        for file in place.glob("*.sqlite"):
            scribble(file)
        (damage,) = damages(run)
        assert f"remove the folder {place}" in damage.remedy
        with pytest.raises(UserError, match=r"is damaged.*remove the folder"):
            runner.resume(run, Unseen(), {"calls": None})
    finally:
        shutil.rmtree(place)
    assert runner.resume(run, Unseen(), {"calls": None}).examples > 0


def test_a_kill_while_tables_are_made_leaves_all_or_none(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "ledger.sqlite")
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    Ledger(tmp_path / "ledger.sqlite").close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    assert {"records", "calls"} <= tables


def test_calls_of_a_damaged_run_are_not_reused(stopped: Home, copied) -> None:
    run = copied(stopped)
    closed(run)
    halve(run.ledger)
    home = stopped / "pool"
    with pytest.raises(UserError, match=r"ledger.sqlite is damaged"):
        runner.launch(load(home / "domain.yaml"), home, run.path.parent.parent, None, Unseen(), run)
