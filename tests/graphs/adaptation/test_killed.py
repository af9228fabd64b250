"""Runs that are killed or stopped with Ctrl-C, and go on as if nothing had been."""

import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import launched, records, write_pool

from elenchus.ledger import Ledger
from elenchus.outcomes import Dataset
from elenchus.records import Seed
from elenchus.runs import RunFolder
from graphs.adaptation.seeds import how_many
from tests.programs import Program


def examinations(run: RunFolder) -> int:
    if not run.ledger.exists():
        return 0
    with closing(sqlite3.connect(run.ledger)) as db:
        try:
            query = "SELECT COUNT(*) FROM records WHERE kind = 'Examination'"
            return db.execute(query).fetchone()[0]
        except sqlite3.OperationalError:  # the table is not there yet
            return 0


def examining(run: RunFolder) -> bool:
    return examinations(run) >= 3


def training(run: RunFolder) -> bool:
    return any((run.path / "adapters").glob("round-1.partial/checkpoint-*"))


def responses(run: Path) -> list[tuple[str, str]]:
    with closing(Ledger(run / "ledger.sqlite", read_only=True)) as ledger:
        return ledger._query("SELECT id, response FROM calls ORDER BY id, attempt")


def resumed(elenchus: Any, run: RunFolder) -> dict[str, Any]:
    done = elenchus("resume", run.id, "--runs", run.path.parent.parent, "--json")
    assert done.code == 0, done.err
    return done.json


def test_killed_and_resumed_is_as_if_never_killed(
    built_in_run: tuple[Path, dict[str, Any]], tmp_path: Path, elenchus
) -> None:
    """Killed in examinations, and once resumed, in training."""
    expected = built_in_run[1]
    home, root = write_pool(tmp_path), tmp_path / "runs"
    run = Program("launch", home, "--runs", root).end_when(root, examining)
    shutil.rmtree(tmp_path / "indexes")  # a cache: it comes back
    assert Program("resume", run.id, "--runs", root).end_when(root, training) == run
    shutil.rmtree(tmp_path / "indexes")
    result = resumed(elenchus, run)
    assert result["resumed"]
    one, other = Path(expected["path"]), run.path
    assert records(other) == records(one)
    assert responses(other) == responses(one)
    for name in ("train.jsonl", "held-out.jsonl", "rejected.jsonl"):
        assert (other / "dataset" / name).read_bytes() == (one / "dataset" / name).read_bytes()
    same = ("exams", "calls", "tokens", "examples", "accuracy_by_round")
    assert {k: result[k] for k in same} == {k: expected[k] for k in same}


def test_a_round_that_falls_short_goes_on_and_so_when_killed(tmp_path: Path, elenchus) -> None:
    sizes = [11, 15]
    first_draw, homes = how_many(sizes[0], 0, 0, 1.08), []
    for name in ("whole", "killed"):
        homes.append(home := write_pool(tmp_path / name))
        tree = yaml.safe_load((home / "domain.yaml").read_text("utf-8"))
        tree["expert"] = {"options": {"wrong": 0.4, "unsupported": 1}}  # refused by checks
        tree |= {"exam": {"questions": 10, "general": 0}}
        tree["adaptation"]["examples"] = sizes
        (home / "domain.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    whole, home = homes
    expected = Path(launched(whole)["path"])
    with closing(Ledger(expected / "ledger.sqlite", read_only=True)) as ledger:
        assert ledger.count(Seed, round=1) > first_draw  # not enough of them were accepted
        made = [len(d.example_ids) for r in (1, 2) for d in ledger.all(Dataset, round=r)]
    assert made == sizes
    root = home.parent / "runs"
    run = Program("launch", home, "--runs", root).end_when(
        root, lambda run: examinations(run) > first_draw + 1
    )
    resumed(elenchus, run)
    assert records(run.path) == records(expected)
    assert responses(run.path) == responses(expected)


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C for one process there")
def test_ctrl_c_says_how_to_go_on(mock_pool: Path, tmp_path: Path) -> None:
    with (mock_pool / "domain.yaml").open("a") as settings:
        settings.write("examination: {concurrency: 1}\n")  # so that many are left
    root = tmp_path / "runs"
    stopped = Program("launch", mock_pool, "--runs", root)
    run = stopped.end_when(root, lambda run: examinations(run) >= 1, signal.SIGINT)
    assert stopped.code == 130
    assert stopped.err.endswith(f"`elenchus resume {run.id} --runs {root}` goes on\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C for one process there")
def test_ctrl_c_ends_training_at_its_next_step(trained_pool: Path, tmp_path: Path) -> None:
    settings = trained_pool / "domain.yaml"
    settings.write_text(settings.read_text("utf-8").replace("epochs: 1", "epochs: 50"), "utf-8")
    root = tmp_path / "runs"
    stopped = Program("launch", trained_pool, "--runs", root)
    run = stopped.end_when(root, lambda run: run.adapter(1).with_suffix(".partial").exists(),
                           signal.SIGINT)  # fmt: skip
    assert stopped.code == 130
    assert not run.adapter(1).exists()
