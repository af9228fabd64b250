"""The last screens: what is shown, and the commands that they name."""

from pathlib import Path

import pytest
from rich.console import Console

from elenchus import runs
from elenchus.results import Estimate
from graphs.classification.result import ClassificationResult, ClassifierRow, MainMetrics
from graphs.classification.screen import show

SHARE = Estimate(value=0.9, low=0.8, high=1.0)
METRICS = MainMetrics(
    accuracy=SHARE, precision=None, recall=None, f1=None, brier=SHARE, calibration_error=SHARE,
    roc_auc=None, pr_auc=None,
)  # fmt: skip


@pytest.mark.parametrize("model", ["hf:/data/[old]/m", "hf:/data/[/m]"])
def test_folders_are_no_markup(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELENCHUS_RUNS", raising=False)
    row = ClassifierRow(mix="real", model=model, samples=3, metrics=METRICS)
    result = ClassificationResult(
        method="indicators", domain="d", run="r-1", stopped="all are written", rounds=1,
        examples=3, calls=5, tokens=6, resumed=False, seconds=7, classes=["a", "b"], student=model,
        train=3, validation=1, test=9, rows_left_out=[], real_left_out={}, written=4, left_out={},
        indicators={}, lost=[], diversity={}, retained={}, classifiers=[row], notes=[],
    )  # fmt: skip
    console = Console(width=120, record=True)
    show(result, runs.RunFolder(Path("runs/d/r-1")), console)
    shown = console.export_text()
    assert model in shown and "90.0% [80.0, 100.0]" in shown
    assert "3 synthetic messages kept of 4; 5 calls, 6 tokens, 7 s." in shown
    assert "runs/d/r-1/classifiers" in shown
    assert "elenchus trace r-1 " in shown and "--runs" not in shown


def test_commands_say_where_runs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELENCHUS_RUNS", raising=False)
    here, there = (runs.RunFolder(Path(root, "d", "r-1")) for root in ("runs", "/my data/runs"))
    assert here.command("resume") == "elenchus resume r-1"
    assert there.command("trace", "e-1") == 'elenchus trace r-1 e-1 --runs "/my data/runs"'
    monkeypatch.setenv("ELENCHUS_RUNS", "/my data/runs")
    assert there.command("resume") == "elenchus resume r-1"
