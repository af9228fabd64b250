"""`elenchus bench evaluation`: each comparison, at its smallest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import evaluation, evaluation_figures, evaluation_harness
from evaluation import figures
from evaluation.records import TestItem


def test_figures_are_those_of_scikit_learn(elenchus: Callable[..., Any]) -> None:
    done = elenchus("bench", "evaluation", "--only", "figures", "--quick", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["figures"]
    assert found["tables"] == evaluation_figures.QUICK_TABLES
    assert found["largest_difference"] <= evaluation_figures.ROUNDING
    assert "balanced accuracy" in found["by_measure"]


ITEMS = [
    TestItem(test="t", place=f"t#{n}", prompt=(), asked="", answer=right, score="choice",
             labels=("no", "yes"))
    for n, right in enumerate(("yes", "no", "yes", "no"))
]  # fmt: skip


def test_two_programs_are_compared_item_by_item() -> None:
    ours = {item.id: (-2.0, -1.0) for item in ITEMS}  # yes, whatever is asked
    same = evaluation_harness.compared(ITEMS, ours, ours)
    assert same["agreement"] == 1 and same["accuracy"] == same["their_accuracy"] == 0.5
    assert same["largest_difference"] == 0 and not same["under_target"]
    theirs = ours | {ITEMS[0].id: (-1.0, -1.5)}
    apart = evaluation_harness.compared(ITEMS[:3], ours, {**theirs, ITEMS[2].id: (-2.0, -1.25)})
    assert apart["agreement"] == pytest.approx(2 / 3)
    assert apart["largest_difference"] == 1 and apart["accuracy"] > apart["their_accuracy"]
    assert apart["under_target"] == ["agreement", "accuracy"]
    few = evaluation_harness.compared(ITEMS, {ITEMS[0].id: (0.0, 1.0)}, ours)
    assert few["items"] == 1 and few["left_out"] == 3
    assert evaluation_harness.compared(ITEMS, {}, {})["under_target"]


def test_an_environment_without_the_harness_is_told(
    elenchus: Callable[..., Any], tmp_path: Path
) -> None:
    lacking = tmp_path / "python"
    lacking.write_text('#!/bin/sh\necho \'{"missing": "lm_eval"}\'\n', encoding="utf-8")
    lacking.chmod(0o755)
    command = ("bench", "evaluation", "--only", "harness", "--quick", "--lm-eval")
    end = elenchus(*command, lacking)
    assert end.code == 2 and "is not installed here" in end.err and "--lm-eval" in end.err
    end = elenchus(*command, tmp_path / "none")
    assert end.code == 2 and "cannot be run" in end.err


def test_a_wrong_figure_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "f1", lambda *_: 0.5)
    assert evaluation.main(["--only", "figures", "--quick", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["figures"]
    assert found["under_target"] == ["F1"]
