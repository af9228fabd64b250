"""Whatever is damaged of a run is said in one message, with what helps."""

import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from elenchus import runs
from elenchus.config import RetrievalConfig
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen, unseen
from elenchus.records import Passage
from graphs import runner
from graphs.config import load
from graphs.integrity import damages
from retrieval.embedding import Embedder
from retrieval.store import Store
from tests.conftest import MOCKED, Outcome, records, write_pool

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
def finished(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with a finished run, with an adapter."""
    place = tmp_path_factory.mktemp("finished")
    shutil.copytree(trained_run, place / "runs" / "pool" / trained_run.name)
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


def overwrite(path: Path) -> None:
    """Overwrite the page in the middle of an SQLite file, of 4096 bytes."""
    content = bytearray(path.read_bytes())
    place = len(content) // 4096 // 2 * 4096
    content[place : place + 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def block(path: Path) -> None:
    """Put a folder where a file belongs."""
    path.unlink(missing_ok=True)
    path.mkdir()


class Case(NamedTuple):
    """A damage, what is said of it, and the commands that do their work all the same."""

    part: str
    damage: Callable[[Path], None]
    says: str
    works: tuple[str, ...] = ()


RESTORE, REUSE, ANEW = "restore it from a backup", "--reuse", "remove the folder"
OF_RUNS = {
    "ledger missing": Case("ledger.sqlite", remove, f"ledger.sqlite is missing: {RESTORE}"),
    "ledger cut": Case("ledger.sqlite", halve, f"ledger.sqlite is damaged .*: {RESTORE}"),
    "ledger with a page overwritten": Case(
        "ledger.sqlite", overwrite, f"ledger.sqlite is damaged .*: {RESTORE}"
    ),
    "ledger empty": Case("ledger.sqlite", empty, f"ledger.sqlite is empty: {RESTORE}"),
    "checkpoints missing": Case(
        "checkpoints.sqlite", remove, f"checkpoints.sqlite is missing or empty: .*{REUSE}",
        ("trace",),
    ),
    "checkpoints cut": Case(
        "checkpoints.sqlite", halve, f"checkpoints.sqlite is damaged .*{REUSE}", ("trace",)
    ),
    "checkpoints overwritten": Case(
        "checkpoints.sqlite", scribble, f"checkpoints.sqlite is damaged .*{REUSE}", ("trace",)
    ),
    "run.yaml cut": Case("run.yaml", halve, f"run.yaml is damaged.*{RESTORE}.*{REUSE}"),
    "run.yaml missing": Case("run.yaml", remove, f"run.yaml is missing: {RESTORE}.*{REUSE}"),
    "result.json broken": Case(
        "result.json", halve, "result.json is damaged: .*writes it anew", ("trace",)
    ),
    "adapter with a byte flipped": Case(
        "adapters/round-1/adapter_model.safetensors", flip,
        f"adapters/round-1 has other weights: {RESTORE}", ("trace",),
    ),
    "adapter's settings cut": Case(
        "adapters/round-1/adapter_config.json", halve,
        f"adapters/round-1 has no settings: {RESTORE}", ("trace",),
    ),
    "lock that is a folder": Case("run.lock", block, "run.lock cannot be opened: remove it",
                                  ("trace",)),
}  # fmt: skip
OF_INDEXES = {
    "catalogue missing": Case("pool-*.sqlite", remove, ""),
    "catalogue cut": Case("pool-*.sqlite", halve, "is damaged"),
    "Chroma's database missing": Case("chroma.sqlite3", remove, ""),
    "Chroma's database overwritten": Case("chroma.sqlite3", scribble, f"is damaged .*{ANEW}"),
    "vectors missing": Case("*/data_level0.bin", remove, f"data_level0.bin is missing: {ANEW}"),
    "vectors with a byte flipped": Case(
        "*/data_level0.bin", flip, f"data_level0.bin is damaged: {ANEW}"
    ),
}


def check_said(end: Outcome, says: str) -> None:
    """Check that a command told in one line what is damaged and what helps, and did nothing."""
    assert end.code == 2 and end.err.startswith("elenchus: ") and end.err.count("\n") == 1, end.err
    assert re.search(says, end.err), end.err


@pytest.mark.parametrize("case", OF_RUNS.values(), ids=OF_RUNS)
def test_what_is_damaged_of_a_run_is_said_with_what_helps(
    stopped: Home, finished: Home, tmp_path: Path, elenchus, case: Case
) -> None:
    """An interrupted run is not gone on with, a finished one not updated; others are listed."""
    of_stopped = (of(stopped).path / case.part).exists()
    for home, verb in ((stopped, "resume"), (finished, "update")):
        if home == stopped and not of_stopped and case.damage is not block:
            home, verb = finished, "resume"
        root = tmp_path / verb / "runs"
        shutil.copytree(home / "runs", root)
        (run,) = runs.listed(root)
        closed(run)
        other = shutil.copytree(run.path, run.path.with_name("20200101-000000-aaaa"))
        case.damage(run.path / case.part)
        size = run.ledger.exists() and run.ledger.stat().st_size
        if not (verb == "resume" and case.part.startswith("adapters")):
            check_said(elenchus(verb, run.id, "--runs", root), case.says)
        if "trace" in case.works:
            assert elenchus("trace", run.id, "--runs", root).code == 0
        else:
            check_said(elenchus("trace", run.id, "--runs", root), case.says)
        end = elenchus("runs", "--runs", root)
        assert end.code == 0 and other.name in end.out and run.id in end.out
        assert (run.ledger.exists() and run.ledger.stat().st_size) == size
        end = elenchus("doctor", run.id, "--runs", root)
        assert end.code == 1 and "Traceback" not in end.err
        assert case.part.split("/")[0] in end.out


@pytest.fixture
def indexed(stopped: Home, tmp_path: Path) -> Iterator[Path]:
    """The index of the domain, with so many vectors that Chroma keeps files of them; as it was."""
    place, kept = stopped / "indexes" / "pool", tmp_path / "kept"
    shutil.copytree(place, kept)
    store = Store("pool-other", place, RetrievalConfig(), Short())
    store.hold([passage(n) for n in range(1100)], unseen)
    store.close()
    yield place
    shutil.rmtree(place)
    shutil.copytree(kept, place)


class Short(Embedder):
    """Vectors that cost nothing."""

    def __init__(self) -> None:
        self._chance = np.random.default_rng(0)

    def encode(self, texts: Sequence[str]) -> Any:
        return self._chance.normal(size=(len(texts), 4)).astype(np.float32)


def passage(number: int) -> Passage:
    return Passage(
        document_id="d", source="a.md", start=number, end=number + 1, heading=(), text=str(number)
    )


@pytest.mark.parametrize("case", OF_INDEXES.values(), ids=OF_INDEXES)
def test_what_is_damaged_of_an_index_is_said_or_made_anew(
    stopped: Home, indexed: Path, tmp_path: Path, elenchus, case: Case
) -> None:
    home, root = stopped / "pool", tmp_path / "runs"
    shutil.copytree(stopped / "runs", root)
    (run,) = runs.listed(root)
    files = [file for file in indexed.glob(case.part) if file.stat().st_size]
    assert files
    for file in files:
        case.damage(file)
    commands = (
        ("launch", home, "--set", "budget.calls=20", "--runs", root),
        ("resume", run.id, "--budget", "calls=61", "--runs", root),
        ("corpus", "search", home, "rescue"),
    )
    if case.says:
        for command in commands:
            check_said(elenchus(*command), case.says)
        assert elenchus("doctor", run.id, "--runs", root).code == 1
        assert elenchus("runs", "--runs", root).code == 0
        return
    assert [elenchus(*command).code for command in commands] == [3, 3, 0]  # budgets used up
    assert elenchus("doctor", run.id, "--runs", root).code == 0


@pytest.mark.parametrize("damage", [edit, flip])
def test_settings_that_were_changed_are_not_gone_on_with(stopped: Home, copied, damage) -> None:
    run = copied(stopped)
    damage(run.path / "run.yaml")
    with pytest.raises(UserError, match=r"run.yaml is damaged"):
        runner.resume(run, Unseen(), {"calls": None})


def test_a_page_of_zeros_within_a_text_is_found(stopped: Home, copied) -> None:
    """SQLite does not look into texts."""
    run = copied(stopped)
    with contextlib.closing(sqlite3.connect(run.ledger)) as db, db:
        db.execute("UPDATE calls SET response = response || ? WHERE rowid = 1", ("a\0b",))
    with pytest.raises(UserError, match=r"ledger.sqlite is damaged \(it holds what cannot be read"):
        runner.resume(run, Unseen(), {"calls": None})


def test_a_run_is_reused_whose_settings_are_gone(stopped: Home, copied, elenchus) -> None:
    run = copied(stopped)
    remove(run.path / "run.yaml")
    root = run.path.parent.parent
    end = elenchus("launch", stopped / "pool", "--set", "budget.calls=5", "--reuse", run.id,
                   "--runs", root)  # fmt: skip
    assert end.code == 3 and "budget.calls is used up" in end.err


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
