"""Exams and tests of a user's own, exported for what runs them."""

import runpy
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from elenchus.ledger import Ledger
from elenchus.records import Message
from elenchus.runs import RunFolder
from evaluation.records import TestItem
from graphs.exporting import export
from tests.conftest import Outcome
from tests.publishing.making import copied, lines


@pytest.fixture
def run(trained_run: Path) -> RunFolder:
    """A finished run, which nobody changes."""
    return RunFolder(trained_run)


@pytest.fixture
def tested(run: RunFolder, tmp_path: Path) -> RunFolder:
    """The run with two tests of the user's own: one of labels, one for a grader."""
    copy = copied(run, tmp_path)
    with closing(Ledger(copy.ledger)) as ledger:
        for n, right in enumerate(("yes", "no", "no")):
            prompt = (Message(role="user", content=f"Case {n}: {{{{answer}}}} allowed?"),)
            shared = {"place": f"cases.csv#{n}", "prompt": prompt, "asked": "", "answer": right}
            ledger.write(TestItem(test="cases", score="choice", labels=("no", "yes"), **shared))
            ledger.write(TestItem(test="judged", score="judge", **shared))
    return copy


def test_a_card_beside_an_exam_forbids_training_and_one_file_has_no_splits(
    run: RunFolder, tmp_path: Path
) -> None:
    said = {}
    for name, share in (("inspect", 0), ("trl", 0), ("messages", 0.2)):
        folder = export(run, name, tmp_path / name, share, force=False).folder
        said[name] = (folder / "README.md").read_text("utf-8")
    assert "**never train on them**" in said.pop("inspect")
    assert ["in two splits" in text for text in said.values()] == [False, True]
    assert not any("never train on them" in text for text in said.values())


def test_what_runs_an_exam_is_printed_with_its_folder(
    run: RunFolder, tmp_path: Path, elenchus: Callable[..., Outcome]
) -> None:
    to = tmp_path / "an exam"
    end = elenchus(
        "export", run.id, "--format", "lm-eval", "--to", to, "--runs", run.path.parents[1]
    )
    assert f"--include_path '{to.as_posix()}' --apply_chat_template" in end.out
    assert "FOLDER" in (to / "README.md").read_text("utf-8"), "where others have it"


def test_exams_and_own_tests_go_to_the_harness(tested: RunFolder, tmp_path: Path) -> None:
    done = export(tested, "lm-eval", tmp_path / "harness", 0, force=False)
    assert done.rows == {"pool_held_out.jsonl": 20, "pool_cases.jsonl": 3}
    assert "judged" in done.note
    text = (done.folder / "pool_cases.yaml").read_text("utf-8")
    task = yaml.safe_load(text.replace("!function ", ""))
    assert task["output_type"] == "multiple_choice" and task["doc_to_choice"] == "choices"
    for row in lines(done.folder / "pool_cases.jsonl"):
        assert row["choices"][row["label"]] == row["answer"]
        # Fields are named and not filled in: what looks like a template in a row stays as it is.
        assert "{{answer}}" in row["question"]
    rows = runpy.run_path(str(done.folder / "rows.py"))["rows"]
    assert len(rows(file="pool_held_out.jsonl")["test"]) == 20
    free = yaml.safe_load(
        (done.folder / "pool_held_out.yaml").read_text().replace("!function ", "")
    )
    assert free["output_type"] == "generate_until"


def test_exams_and_own_tests_go_to_inspect(tested: RunFolder, tmp_path: Path) -> None:
    done = export(tested, "inspect", tmp_path / "inspect", 0, force=False)
    rows = lines(done.folder / "pool_cases.jsonl")
    for row in rows:
        assert row["choices"] == ["no", "yes"]
        assert row["input"][-1]["role"] == "user" and row["target"] in ("A", "B")
    assert sorted(row["target"] for row in rows) == ["A", "A", "B"]
    code = (done.folder / "tasks.py").read_text("utf-8")
    compile(code, "tasks.py", "exec")
    assert "def pool_cases()" in code and "def pool_held_out()" in code


def test_tests_whose_names_differ_little_are_told_apart(tested: RunFolder, tmp_path: Path) -> None:
    with closing(Ledger(tested.ledger)) as ledger:
        for name in ("a-b", "a.b", "held-out"):
            ledger.write(
                TestItem(test=name, score="exact", place="x#1", asked="", answer="yes",
                         prompt=(Message(role="user", content=name),))
            )  # fmt: skip
    for form in ("lm-eval", "inspect"):
        done = export(tested, form, tmp_path / form, 0, force=False)
        assert done.rows == {
            "pool_held_out.jsonl": 20, "pool_cases.jsonl": 3, "pool_a_b.jsonl": 1,
            "pool_a_b_2.jsonl": 1, "pool_own_held_out.jsonl": 1,
        }  # fmt: skip
