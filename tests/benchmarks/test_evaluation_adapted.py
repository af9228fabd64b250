"""`elenchus bench evaluation --only adapted`: small tests in the layout of published ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BYELAWS, CHARGES

from benchmarks import evaluation_adapted
from elenchus.errors import UserError
from elenchus.results import Estimate, TestResult, TestSitting
from retrieval import tasks

TAUGHT = "A swimming cap must be handed back within 12 days of the visit, unless the till is out."
CLAUSES = (
    TAUGHT,
    "The Buyer must pay each invoice within 30 days of receipt.",
    "A notice of audit is given at least 14 days before the audit takes place.",
    "All samples are returned to the Licensor when this contract ends.",
    "Neither party hires those who work for the other, nor asks them to leave.",
)
PROMPT = "Is it about {0}?\n\nClause: x\nLabel: Yes\n\nClause: {{{{text}}}}\nLabel:"


def write(folder: Path) -> None:
    for name in ("audit_rights", "insurance"):
        (task := folder / "cuad" / name).mkdir(parents=True)
        (task / "base_prompt.txt").write_text(PROMPT.format(name), encoding="utf-8")
        rows = [f"{'Yes' if n % 2 else 'No'}\t{text}" for n, text in enumerate(CLAUSES)]
        # What is read as rules stands in the documents; one clause of them is asked about.
        rules = [part.replace("\n", " ") for part in (BYELAWS + CHARGES).split("\n\n")]
        known = [f"Yes\t{text}" for text in [TAUGHT, *rules] if text[0] != "#"]
        for table, lines in (("train", known), ("test", rows)):
            whole = "\n".join(["label\ttext", *lines])
            (task / f"{table}.tsv").write_text(whole, encoding="utf-8")


def test_a_student_takes_the_tests_before_and_after(
    tmp_path: Path, elenchus: Callable[..., Any]
) -> None:
    write(tmp_path)
    only = ("bench", "evaluation", "--only", "adapted", "--quick", "--json", "--data", tmp_path)
    done = elenchus(*only, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    found = json.loads(done.out)["adapted"]["cuad"]
    assert list(found["tests"]) == ["audit_rights", "insurance"]
    assert found["student"] == "builtin:nano" and found["examples"] > 0
    for row in (*found["tests"].values(), found["together"]):
        assert row["questions"] and row["after"] is not None
        assert row["gain"]["value"] == pytest.approx(
            row["after"]["accuracy"] - row["before"]["accuracy"]
        )
    assert found["together"]["questions"] == sum(t["questions"] for t in found["tests"].values())
    assert found["together"]["chance"] >= 0.5
    again = elenchus(*only, "--out", tmp_path / "out")
    assert json.loads(again.out)["adapted"]["cuad"] == found, "a finished run is read"
    assert len(list((tmp_path / "out" / "runs" / "cuad").glob("*/*/run.yaml"))) == 1


def test_no_clause_of_the_documents_is_asked_about(tmp_path: Path) -> None:
    write(tmp_path)
    domain, changes = evaluation_adapted._cuad(tmp_path / "cuad", tmp_path / "out", quick=False)
    assert domain == "legalbench"
    asked = tasks.rows(Path(changes["data"]) / "insurance" / "test.tsv")
    assert [row["text"] for row in asked] == list(CLAUSES[1:])
    prompt = (Path(changes["data"]) / "insurance" / "base_prompt.txt").read_text("utf-8")
    assert prompt == "Is it about insurance?\n\nClause: {{text}}\nLabel:"


def test_what_was_not_trained_has_no_after() -> None:
    half = Estimate(value=0.5, low=0.4, high=0.6)
    test = TestResult(score="exact", questions=4, models={"before": TestSitting(accuracy=half)})
    row = evaluation_adapted._row(test)
    assert (row["before"], row["after"], row["gain"]) == (
        {"accuracy": 0.5, "balanced": None},
        None,
        None,
    )


def test_a_folder_without_the_data_is_told(tmp_path: Path, elenchus: Callable[..., Any]) -> None:
    only = ("bench", "evaluation", "--only", "adapted", "--quick")
    assert "adapted wants --data FOLDER" in elenchus(*only).err
    assert "has neither cuad nor sara" in elenchus(*only, "--data", tmp_path).err


def test_no_domain_is_prepared_without_its_tasks(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no task \* in"):
        evaluation_adapted._cuad(tmp_path, tmp_path / "out", quick=True)
