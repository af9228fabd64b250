"""The last screens: what is shown, and the commands that they name."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from elenchus import runs
from elenchus.cli import screen


def classifier(model: str) -> dict[str, Any]:
    found = {"value": 0.9, "low": 0.8, "high": 1.0}
    metrics = dict.fromkeys(("accuracy", "f1", "brier", "calibration_error"), found)
    return {"samples": 3, "mix": "real", "model": model, "metrics": metrics}


@pytest.mark.parametrize("model", ["hf:/data/[old]/m", "hf:/data/[/m]"])
def test_folders_are_no_markup(model: str) -> None:
    result = {
        "domain": "d", "run": "r-1", "test": 9, "classes": ["a", "b"], "notes": [],
        "classifiers": [classifier(model)], "examples": 3, "written": 4, "calls": 5, "tokens": 6,
        "seconds": 7, "resumed": False, "stopped": "all are written", "student": model,
    }  # fmt: skip
    console = Console(width=120, record=True)
    screen.show_classifiers(result, "runs/d/r-1", console)
    shown = console.export_text()
    assert model in shown
    assert "elenchus trace r-1 " in shown and "--runs" not in shown


def test_commands_say_where_runs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELENCHUS_RUNS", raising=False)
    here, there = (runs.RunFolder(Path(root, "d", "r-1")) for root in ("runs", "/my data/runs"))
    assert here.command("resume") == "elenchus resume r-1"
    assert there.command("trace", "e-1") == 'elenchus trace r-1 e-1 --runs "/my data/runs"'
    monkeypatch.setenv("ELENCHUS_RUNS", "/my data/runs")
    assert there.command("resume") == "elenchus resume r-1"
