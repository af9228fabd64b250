"""`elenchus bench exports`: what is loaded by what is here, and what is told of what is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import export_loaders, exports
from publishing.exports import EVERY


def test_what_is_installed_loads_its_formats(
    elenchus: Callable[..., Any], trained_run: Path
) -> None:
    done = elenchus("bench", "exports", "--quick", "--json", "--run", trained_run)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    rows = len((trained_run / "dataset" / "train.jsonl").read_text("utf-8").splitlines())
    assert found["loaded"].keys() == set(exports.QUICK) and not found["failed"]
    assert {one["rows"] for one in found["loaded"].values()} == {rows}
    assert found["loaded"]["parquet"]["tool"] == "datasets"
    assert not (trained_run / "exports").exists()


def test_every_format_has_a_loader() -> None:
    assert export_loaders.LOADERS.keys() == EVERY.keys()


def test_missing_tools_are_told_and_broken_exports_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trained_run: Path
) -> None:
    from elenchus.runs import RunFolder

    run = RunFolder(trained_run)
    told = exports._loaded(run, "axolotl", tmp_path / "axolotl", [exports.sys.executable])
    assert "not installed" in told.get("reason", "not installed")
    assert "failed" not in told.get("reason", "")
    (tmp_path / "parquet").mkdir()
    (tmp_path / "parquet" / "README.md").write_text("no data", encoding="utf-8")
    broken = exports._asked(exports.sys.executable, "parquet", tmp_path / "parquet")
    assert broken["reason"].startswith("failed: ")
