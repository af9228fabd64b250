"""Run folders: made whole or not at all, found by id, held by one process."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.records import Seed
from graphs.config import DomainConfig, of_run

CONFIG = DomainConfig(domain="d", title="t")


def test_manifest_holds_configuration_versions_and_prompts(tmp_path: Path) -> None:
    run = runs.create(tmp_path, CONFIG, tmp_path, None, "c")
    manifest = run.manifest()
    assert of_run(run) == CONFIG
    assert manifest["versions"]["langgraph"]
    assert len(manifest["prompts"]["expert/answer.md"]) == 64
    assert run.state() == "interrupted"
    assert [r.id for r in runs.listed(tmp_path)] == [run.id]


def test_runs_are_found_by_id_or_its_start(tmp_path: Path) -> None:
    run = runs.create(tmp_path, CONFIG, tmp_path, None, "c")
    assert runs.find(tmp_path, run.id) == run
    assert runs.find(tmp_path, run.id[:-1]) == run
    with pytest.raises(UserError, match=run.id):
        runs.find(tmp_path, "nothing")
    runs.create(tmp_path, CONFIG, tmp_path, None, "c")
    with pytest.raises(UserError, match="several"):
        runs.find(tmp_path, run.id[:4])


def test_nothing_is_made_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(1000, 999, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="are free"):
        runs.create(tmp_path, CONFIG, tmp_path, None, "c")
    assert list(tmp_path.glob("*/*")) == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write to"):
        runs.create(tmp_path / "runs", CONFIG, tmp_path, None, "c")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_one_message() -> None:
    full, here = Path("/dev/full"), Path("here")
    with pytest.raises(UserError, match="is full"), runs.explained(here), full.open("w") as file:
        file.write("x")
    with pytest.raises(OSError, match="other"), runs.explained(Path("here")):
        raise OSError(errno.EIO, "other")


def test_a_full_database_is_the_same_message(ledger: Ledger) -> None:
    ledger._db.connection.execute("PRAGMA max_page_count=12")
    with pytest.raises(UserError, match="is full"), runs.explained(Path("here")):
        for n in range(1000):
            ledger.write(Seed(point_id="x" * 500, kind="recall", round=1, variation=n))
    assert ledger.count(Seed) > 0


def test_one_process_holds_a_run(tmp_path: Path) -> None:
    run = runs.create(tmp_path, CONFIG, tmp_path, None, "c")
    with run.locked():
        seen = subprocess.run(
            [sys.executable, "-c", f"from pathlib import Path; from elenchus import runs; "
             f"print(runs.RunFolder(Path({str(run.path)!r})).state())"],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
            env=os.environ,
        )  # fmt: skip
    assert seen.stdout.strip() == "running"


def test_atomic_writes_leave_no_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    runs.write_json(path, {"a": "é"})
    runs.write_json(path, {"a": 2})
    assert path.read_text("utf-8") == '{\n  "a": 2\n}\n'
    assert list(tmp_path.iterdir()) == [path]
