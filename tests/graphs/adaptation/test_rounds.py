"""Rounds with other settings and students: those that give little, or nothing, and what is said."""

import json
from pathlib import Path

import pytest
from conftest import write_pool

from elenchus import runs
from elenchus.ledger import Ledger
from elenchus.records import Examination, Seed, Turn
from graphs.adaptation import examination
from graphs.adaptation.seeds import how_many
from offline.nano.chat import WEIGHTS


def test_a_round_that_accepts_nothing_ends_the_run_with_a_result(tmp_path: Path, elenchus) -> None:
    home = write_pool(tmp_path)
    with (home / "domain.yaml").open("a") as settings:
        settings.write("examination: {accept_below: 0}\n")
    result = elenchus("launch", home, "--runs", tmp_path / "runs", "--json").json
    assert result["stopped"] == "no examination was accepted"
    assert result["adapter"] == ""
    assert result["exams"]["held-out"]["gain"] is None
    assert result["accepted"] == result["examples"] == 0
    ledger = Ledger(runs.find(tmp_path / "runs", result["run"]).ledger)
    fresh = {seed.id: seed.fresh for seed in ledger.all(Seed)}
    turns = {True: set(), False: set()}
    for one in ledger.all(Examination):
        turns[fresh[one.seed_id]].add(len(one.turn_ids))
    ledger.close()
    assert max(turns[True]) == 1  # what is known at the first question is left alone
    assert 1 < max(turns[False]) <= 3


@pytest.mark.parametrize("share, goes_on", [(0, True), (1, False)])
def test_a_round_that_falls_short_ends_where_the_student_has_learnt(
    tmp_path: Path, elenchus, share: float, goes_on: bool
) -> None:
    home, root = write_pool(tmp_path), tmp_path / "runs"
    with (home / "domain.yaml").open("a") as settings:
        settings.write("examination: {accept_gap: 0.9}\nseed: 3\n")  # 13 of 14 are failed
    sets = ("--set", f"adaptation.stop_failure_share={share}", "--set", "adaptation.examples=[11]")
    result = elenchus("launch", home, *sets, "--runs", root, "--json").json
    assert (result["examinations"] > how_many(11, 0, 0, 1.08)) == goes_on
    assert (result["examples"] == 11) == goes_on
    assert len(result["failure_share_by_round"]) == 1


def test_a_round_without_a_question_is_no_sign_of_learning(
    tmp_path: Path, elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "unfit", lambda question, asked: "the question repeats one")
    home, root = write_pool(tmp_path), tmp_path / "runs"
    result = elenchus("launch", home, "--runs", root, "--json").json
    assert result["stopped"] == "no question could be put to the student"
    assert result["failure_share_by_round"] == []
    (first, *_) = elenchus("trace", result["run"], "--json", "--runs", root).json
    shown = elenchus("trace", result["run"], first["examination"], "--runs", root).out
    assert "question" in shown and "?" in shown  # what was refused is kept and shown


def test_examples_too_long_to_train_on_are_left_out_and_counted(tmp_path: Path, elenchus) -> None:
    home = write_pool(tmp_path)
    settings = home / "domain.yaml"
    settings.write_text(settings.read_text().replace("epochs: 2", "epochs: 2, max_tokens: 16"))
    result = elenchus("launch", home, "--runs", tmp_path / "runs", "--json").json
    assert "over training.max_tokens" in result["stopped"]
    assert result["too_long"] == result["candidates"] == result["accepted"] > 0


def test_texts_too_long_to_train_on_are_left_out_and_counted(tmp_path: Path, elenchus) -> None:
    changes = {"method": "rewriting", "rewriting": "{form: entigraph, tokens: 1500}"}
    changes |= {"training.max_tokens": 110, "exam": "{questions: 6, general: 0}"}
    sets = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    ended = elenchus("launch", write_pool(tmp_path), *sets, "--runs", tmp_path / "runs")
    assert ended.code == 0, ended.err
    assert "left out, over training.max_tokens" in ended.out + ended.err


def test_a_student_in_a_folder_is_trained_round_after_round(tmp_path: Path, elenchus) -> None:
    student = f"{{model: 'hf:{WEIGHTS}', options: {{max_new_tokens: 24}}, samples: 1}}"
    sets = ("--set", f"student={student}", "--set", "exam={questions: 6}")
    ended = elenchus("launch", write_pool(tmp_path), *sets, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    result = ended.json
    assert result["rounds"] == 2 and len(result["accuracy_by_round"]) == 3
    assert (Path(result["path"]) / result["adapter"] / "adapter_model.safetensors").is_file()


def test_a_student_without_a_temperature_is_asked_as_often_as_any(tmp_path: Path, elenchus) -> None:
    home, root = write_pool(tmp_path), tmp_path / "runs"
    sets = ("--set", "student.temperature=null", "--set", "adaptation.examples=[11]")
    result = elenchus("launch", home, *sets, "--runs", root, "--json").json
    ledger = Ledger(runs.find(root, result["run"]).ledger)
    assert {len(turn.student) for turn in ledger.all(Turn)} == {2}
    ledger.close()


def test_an_exam_without_a_grade_is_told_and_ends_nothing(tmp_path: Path, elenchus) -> None:
    home = write_pool(tmp_path)
    asked = {"question": "May one swim? " * 900, "answer": "no breach"}  # too long for the nano
    (home / "exam.jsonl").write_text(json.dumps(asked), encoding="utf-8-sig")
    sets = ("--set", "exam.hand=exam.jsonl", "--set", "adaptation.examples=[11]")
    ended = elenchus("launch", home, *sets, "--runs", tmp_path / "runs")
    assert ended.code == 0, ended.err
    assert "hand exam: none of 1 answers has a grade; most: the student's: the prompt" in ended.err
    (run,) = runs.listed(tmp_path / "runs")
    exams = json.loads(run.result.read_text("utf-8"))["exams"]
    assert exams["hand"] == {
        "questions": 0, "ungraded": 1, "before": None, "after": None, "gain": None, "kinds": {},
    }  # fmt: skip
    assert exams["held-out"]["after"]
    assert "hand-written exam, closed book" in ended.out and "1 answers had no usable" in ended.out


def test_without_a_grade_of_the_untouched_student_nothing_more_is_asked(
    tmp_path: Path, elenchus
) -> None:
    home, root = write_pool(tmp_path), tmp_path / "runs"
    with (home / "domain.yaml").open("a") as settings:
        settings.write("student: {model: builtin:nano, options: {max_new_tokens: 1020}}\n")
    ended = elenchus("launch", home, "--runs", root)
    assert ended.code == 2
    assert "held-out exam: none of 20 answers has a grade; most: the student's" in ended.err
    assert "use another student" in ended.err
    ledger = Ledger(runs.listed(root)[0].ledger, read_only=True)
    assert ledger.count(Examination) == 0
    ledger.close()
