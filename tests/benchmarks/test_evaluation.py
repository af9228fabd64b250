"""`elenchus bench evaluation`: each comparison, at its smallest."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import evaluation, evaluation_figures
from evaluation import figures


def test_figures_are_those_of_scikit_learn(elenchus: Callable[..., Any]) -> None:
    done = elenchus("bench", "evaluation", "--only", "figures", "--quick", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["figures"]
    assert found["tables"] == evaluation_figures.QUICK_TABLES
    assert found["largest_difference"] <= evaluation_figures.ROUNDING
    assert "balanced accuracy" in found["by_measure"]


def test_a_wrong_figure_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "f1", lambda *_: 0.5)
    assert evaluation.main(["--only", "figures", "--quick", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["figures"]
    assert found["under_target"] == ["F1"]
