"""Kills of small runs: a short comparison, and figures that would tell of a loss."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.killing import Domain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its signals are those of Unix")


def test_a_run_that_is_killed_comes_to_the_same_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert kills.main(["--quick", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["kills"] == sum(figures["by_signal"].values()) == 1
    assert (figures["equal"], figures["fatal"], figures["records_lost"]) == (True, 0, 0)
    assert figures["records_paid_twice"] == 0
    assert figures["calls_over_cap"] == 0 and figures["caps"]["calls"]["spent"] > 90


@pytest.mark.parametrize(
    ("rows", "dataset", "lost", "unequal"),
    [
        ({("Seed", "s-1"): "{}", ("Call", "m-1"): "yes"}, "one", 0, 0),
        ({("Seed", "s-1"): "{}", ("Call", "m-1"): "no"}, "one", 1, 1),
        ({("Seed", "s-1"): "{}"}, "one", 1, 1),
        ({("Seed", "s-1"): "{}", ("Call", "m-1"): "yes", ("Seed", "s-2"): "{}"}, "one", 0, 1),
        ({("Seed", "s-1"): "{}", ("Call", "m-1"): "yes"}, "two", 0, 1),
    ],
    ids=["the same", "another answer", "one less", "one more", "another dataset"],
)
def test_what_differs_is_counted(
    rows: dict, dataset: str, lost: int, unequal: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    whole = kills.Whole(
        {("Seed", "s-1"): "{}", ("Call", "m-1"): "yes"}, {"train.jsonl": b"one"}, Counter(), 1.0
    )
    run = tmp_path / "d" / "run-1"
    (run / "dataset").mkdir(parents=True)
    (run / "run.yaml").touch()
    (run / "dataset" / "train.jsonl").write_text(dataset, "utf-8")
    monkeypatch.setattr("benchmarks.killing.rows", lambda folder: rows)
    tally = kills.Tally()
    kills._compare(Domain(tmp_path / "domain.yaml", tmp_path), whole, {}, tally)
    assert (tally.lost, tally.unequal) == (lost, unequal)
