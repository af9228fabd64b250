"""Running an exam: what has no grade is left out and recorded, and when that ends a run."""

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from agents.graders import Grader
from agents.matchers import Exact
from agents.prompting import Subject
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Score
from elenchus.progress import Unseen
from elenchus.records import Failure, Gold, Message
from elenchus.runs import RunFolder
from graphs.config import DomainConfig
from graphs.exams import run_exam, shown
from graphs.services import Services
from models import mock

Run = Callable[..., float]


class Lines(Unseen):
    """Progress that keeps the lines it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def progress() -> Lines:
    return Lines()


@pytest.fixture
def run(tmp_path: Path, ledger: Ledger, progress: Lines) -> Run:
    """Runs an exam of three questions; the student repeats them, "q1" has no grade."""

    def graded(messages: Sequence[BaseMessage]) -> str:
        if any("q1" in message.text for message in messages):
            return "what?"
        entry = {"result": "right", "reason": "right", "checks": [], "critique": ""}
        return json.dumps({"answers": [entry], "missed": ""})

    mock.register("repeats", lambda messages: messages[-1].text)
    mock.register("grades", graded)
    mocks = {"student": {"model": "mock:repeats"}, "grader": {"model": "mock:grades"}}
    config = DomainConfig.model_validate({"domain": "d", "title": "t", **mocks})
    services = Services(RunFolder(tmp_path), config, tmp_path, ledger, progress)

    def run(
        exam: str = "held-out",
        questions: Sequence[str] = ("q0", "q1", "q2"),
        adapter: str = "",
        graders: Mapping[str, Grader] | None = None,
    ) -> float:
        items = [
            ExamItem(
                exam=exam,
                kind="recall",
                prompt=(Message(role="user", content=question),),
                gold=Gold(text="q0", result="q0"),
            )
            for question in questions
        ]
        ledger.write(*items)
        return asyncio.run(run_exam(services, exam, 0, adapter, graders))

    return run


def test_an_answer_without_a_usable_grade_is_left_out_and_recorded(
    run: Run, ledger: Ledger
) -> None:
    assert run() == 1.0
    scores = {score.item_id: score for score in ledger.all(Score)}
    items = {item.prompt[-1].content: item.id for item in ledger.all(ExamItem)}
    assert scores.keys() == {items["q0"], items["q2"]}
    assert [score.answer for score in ledger.all(Score, item_id=items["q2"])] == ["q2"]
    (failure,) = ledger.all(Failure)
    assert (failure.role, failure.raw) == ("grader", "what?")


def test_a_kind_of_question_may_have_a_grader_of_its_own(run: Run, ledger: Ledger) -> None:
    """Such as one that needs no model."""
    assert run(graders={"recall": Exact(None, Subject("t", "English"))}) == pytest.approx(1 / 3)
    assert ledger.all(Failure) == []


def test_an_untouched_student_without_any_grade_ends_a_run(run: Run) -> None:
    with pytest.raises(UserError, match=r"none of 1 answers has a grade.*use another grader"):
        run(questions=["q1"])


def test_other_exams_without_any_grade_are_told_of(run: Run, progress: Lines) -> None:
    assert shown(run("hand", ["q1"])) == "no grades"
    (line,) = progress.lines
    assert "hand exam: none of 1 answers has a grade; most: the grader's" in line


def test_no_questions_are_no_number(run: Run) -> None:
    assert math.isnan(run("general", []))
