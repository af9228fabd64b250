"""Problems of tasks from tables: what is read, what is left out, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from elenchus.errors import UserError
from graphs.pretraining.config import TaskConfig
from graphs.pretraining.tasks import Collected, collect

TRAIN = [{"question": f"How deep is well {n}?", "answer": str(n)} for n in range(6)]
TEST = [{"question": f"How deep is pit {n}?", "answer": str(n)} for n in range(6)]


def write(folder: Path, train: list[Any] = TRAIN, test: list[Any] = TEST) -> None:
    for name, rows in (("train", train), ("test", test)):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def collected(folder: Path, **settings: Any) -> Collected:
    task = TaskConfig(train="train.jsonl", test="test.jsonl", **settings)
    return collect({"depths": task}, folder, seed=0)


def test_so_many_are_drawn_by_the_seed(tmp_path: Path) -> None:
    write(tmp_path)
    problems = collected(tmp_path, problems=3, tests=2)
    assert len(problems.train) == 3 and len(problems.test) == 2
    assert problems == collected(tmp_path, problems=3, tests=2)
    assert {p.question for p in problems.train} < {row["question"] for row in TRAIN}


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    train = [
        *TRAIN,
        TRAIN[0],
        TEST[0] | {"question": "how  deep is PIT 0?"},
        TEST[1] | {"question": "Tell me: how deep is pit 1?"},
        "{",
        {"question": "?"},
    ]
    write(tmp_path, train)
    problems = collected(tmp_path)
    assert len(problems.train) == len(TRAIN)
    assert problems.left_out["repeats another problem"] == 1
    assert problems.left_out["stands in a test, too"] == 2
    (unusable,) = [reason for reason in problems.left_out if "no problem" in reason]
    assert problems.left_out[unusable] == 2
    assert "train.jsonl#10" in unusable and "'answer'" in unusable


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        *((answer, ["A)8 m", "B)12 m", "C)16 m"]) for answer in ("B", "b", 1, "1", "12 m")),
        ("2", {"text": ["8 m", "12 m", "16 m"], "label": ["1", "2", "3"]}),
    ],
)
def test_choices_are_lettered(tmp_path: Path, answer: object, options: object) -> None:
    row = {"question": "How deep?", "answer": answer, "options": options}
    write(tmp_path, [row], [row | {"question": "How wide?"}])
    (problem,) = collected(tmp_path, choices="options").train
    assert problem.question == "How deep?\nA. 8 m\nB. 12 m\nC. 16 m"
    assert problem.answer == "B"


def test_a_place_is_taken_before_a_number_among_the_choices(tmp_path: Path) -> None:
    row = {"question": "How deep?", "answer": 1, "options": ["4", "2", "1", "3"]}
    write(tmp_path, [row], [row | {"question": "How wide?"}])
    assert collected(tmp_path, choices="options").train[0].answer == "B"


def test_a_template_joins_columns(tmp_path: Path) -> None:
    row = {"query": "{lamp}", "title": "A lamp", "answer": "yes"}
    write(tmp_path, [row], [row | {"title": "A boat"}])
    problems = collected(
        tmp_path, template="Query: {query}\nAd: {title}", instruction="Does it fit?"
    )
    assert problems.train[0].question == "Does it fit?\nQuery: {lamp}\nAd: A lamp"
    assert problems.train[0].bare == "{lamp}\nA lamp"


@pytest.mark.parametrize("template", ["no column", "{title}: {answer}"])
def test_a_template_names_columns_but_not_the_answer(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        TaskConfig(train="train.jsonl", test="test.jsonl", template=template)


@pytest.mark.parametrize(
    ("train", "test", "settings", "says"),
    [
        (TRAIN, [{"other": 1}], {}, "tasks.depths.test: test.jsonl has no row that can be used"),
        (TEST, TEST, {}, "every problem stands in a test table"),
        (TRAIN, TEST, {"choices": "options"}, "nothing in the column 'options'"),
        (TRAIN, TEST, {"template": "{query}"}, "nothing in the column 'query'"),
        ([TRAIN[0] | {"options": ["7", "9"]}], TEST, {"choices": "options"}, "tasks.depths.test"),
        (TRAIN, [TEST[0] | {"answer": "deep"}], {"match": "number"}, "can be compared with 'deep'"),
        (
            [TRAIN[0] | {"options": ["7", "9"], "answer": "AB"}],
            [TEST[0] | {"options": ["0", "1"]}],
            {"choices": "options"},
            "'AB' is none of the choices",
        ),
    ],
)
def test_a_task_without_a_problem_is_refused(
    tmp_path: Path, train: list, test: list, settings: dict, says: str
) -> None:
    write(tmp_path, train, test)
    with pytest.raises(UserError, match=says):
        collected(tmp_path, **settings)


def test_only_so_many_rows_are_read(tmp_path: Path) -> None:
    write(tmp_path)
    task = TaskConfig(train={"path": "train.jsonl", "rows": 2}, test="test.jsonl")
    assert len(collect({"depths": task}, tmp_path, seed=0).train) == 2
