"""Pre-training for tasks of a user's own: what is learnt, refused, and left out."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import BYELAWS
from transformers import AutoTokenizer

from elenchus import runs
from elenchus.outcomes import ExamItem
from elenchus.records import Passage
from graphs.pretraining.records import Problem, Refusal
from offline.nano.chat import WEIGHTS
from tests.graphs.pretraining.making import (
    ALONE,
    LENIENT,
    LIMITS,
    MOCKS,
    TASKS,
    all_of,
    calls_of,
    task,
    write_tasks,
)
from training import pretraining


def test_tasks_are_asked_with_solved_ones_and_graded_as_they_say(tmp_path: Path, elenchus) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages={"problems": 2, "count": 4}, **LENIENT)
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["path"])
    exam = [item for item in all_of(folder, ExamItem) if item.exam == "held-out"]
    assert Counter(item.kind for item in exam) == {"rules": 2, "limits": 2}
    for item in exam:
        assert [message.role for message in item.prompt] == ["system", "user", "assistant", "user"]
    learnt = {problem.task for problem in all_of(folder, Problem) if not problem.test}
    assert learnt == {"rules", "limits"}
    grades = [call for call in calls_of(folder) if call.task == "grade"]
    assert grades and all("How many" not in call.request for call in grades)


def test_a_paragraph_with_another_result_than_the_gold_one_is_refused(
    tmp_path: Path, elenchus
) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages=ALONE, pretraining={"shots": 0}, **MOCKS)
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["path"])
    refusals = [r for r in all_of(folder, Refusal) if r.code == "other-result"]
    of_rules = [refusal for refusal in refusals if _task(folder, refusal) == "rules"]
    assert [refusal.detail for refusal in of_rules] == ["So: breach."] * 2, "the mock quotes"
    # Numbers are compared with the result alone, and no model says what was missed.
    assert {r.detail for r in refusals if r not in of_rules} == {""}
    reason = "it comes to another result than the gold answer"
    rows = [row for row in _rejected(folder) if row["code"] == "other-result"]
    assert {r["reason"] for r in rows if r["kind"] == "rules"} == {f"{reason}: So: breach."}
    problems = {problem.id: problem for problem in all_of(folder, Problem)}
    texts = {passage.text for passage in all_of(folder, Passage)}
    assert {(row["question"], row["reply"]) for row in rows} == {
        (problems[refusal.problem_ids[0]].question, refusal.raw) for refusal in refusals
    }
    for row in rows:
        (problem,) = row["problems"]
        assert problem["answer"] and row["reply"] and row["passages"]
        assert {passage["text"] for passage in row["passages"]} <= texts
    shown = elenchus("trace", done.json["run"], "--runs", tmp_path / "runs").out
    assert f"{len(refusals)} refused: {reason}" in shown


def test_a_paragraph_that_copies_a_test_problem_is_refused(tmp_path: Path, elenchus) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages=ALONE, pretraining={"shots": 0}, **LENIENT)
    with (home / "limits-test.csv").open("a", encoding="utf-8") as file:
        file.write("The visit: a swimming cap must be handed back within 12 days of the visit,12\n")
        file.write("A swimming cap must be handed back within 12 days,12\n")
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    assert "copies-test" in done.json["refused"]


def test_a_document_that_holds_a_test_is_learnt_without_it(tmp_path: Path, elenchus) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages=ALONE | {"count": 2}, **LENIENT)
    puzzle = "Two boys have nine lamps each.\n\nThey sell four of them. How many are left?"
    copies = f"{BYELAWS}\n\nA minute that tells of lessons: {LIMITS[3][0]} Nobody knew.\n"
    (home / "documents" / "01-pool.md").write_text(copies, "utf-8")
    (home / "documents" / "04-puzzle.md").write_text(puzzle, "utf-8")
    with (home / "limits-test.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow([puzzle, "14"])
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["path"])
    tokens = pretraining.packed(folder / "packed" / "domain.tokens").tolist()
    text = AutoTokenizer.from_pretrained(WEIGHTS).decode(tokens)
    assert "towel fights" in text and "nobody knew" not in text
    assert "nine lamps" not in text, "a problem that spans paragraphs"
    left_out = [r.raw for r in all_of(folder, Refusal) if r.code == "source-copies-test"]
    assert len(left_out) == 2 and any("Nobody knew" in raw for raw in left_out)
    rows = [row for row in _rejected(folder) if row["code"] == "source-copies-test"]
    assert [row["left_out"] for row in rows] == left_out and not any(row["reply"] for row in rows)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": {"enabled": False}}, "needs training.enabled"),
        ({"pretraining": {"domain_tokens": 0, "passage_tokens": 0}}, "are both 0"),
        ({"tasks": {"rules": task("rules")}}, "passages.problems is 3"),
        ({"tasks": {"rules": task("none")}, "passages": {"problems": 1}}, "tasks.rules.test"),
        (
            {"tasks": {"rules": task("rules", answer="gold")}, "passages": {"problems": 1}},
            "no column 'gold'",
        ),
        ({"tasks": {"rules": task("rules", match="words")}}, "known: grader, exact, number"),
        ({"student": {"model": "openai:x"}}, "student.model"),
    ],
)
def test_bad_input_leaves_no_run_behind(tmp_path: Path, elenchus, changes: dict, says: str) -> None:
    home = write_tasks(tmp_path, **changes)
    ended = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert ended.code == 2 and says in ended.err
    assert runs.listed(tmp_path / "runs") == []


def _rejected(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "dataset" / "rejected.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _task(folder: Path, refusal: Refusal) -> str:
    """Return the task of the one problem that a refused text is about."""
    (problem_id,) = refusal.problem_ids
    return next(p.task for p in all_of(folder, Problem) if p.id == problem_id)
