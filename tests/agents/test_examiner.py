"""The examiner: what a survey finds and keeps, and what questions are written from."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from conftest import asked, mock_caller

from agents.examiner import Examiner, Shown, Task
from agents.prompting import Subject
from elenchus.ledger import Ledger
from elenchus.records import (
    Citation,
    Failure,
    Gold,
    Grade,
    Passage,
    Point,
    Question,
    Seed,
)
from models.blocks import Block, read_request
from models.calls import Caller, CallFailed

SUBJECT = Subject("t", "English")
PASSAGE = Passage(
    document_id="d",
    source="s",
    start=0,
    end=1,
    heading=("Part 1", "Fees"),
    text="Pay within 14\ndays of entry.",
    title="The rules",
    date="May 2020",
)


def found(*quotes: str, **changes: Any) -> dict[str, Any]:
    """Return a point as a model gives it."""
    point = {"sort": "rule", "statement": "Pay in time.", "topic": "t", "kinds": ["recall"]}
    return point | {"quotes": list(quotes)} | changes


def survey(ledger: Ledger, *points: dict[str, Any], subject: Subject = SUBJECT) -> list[Point]:
    caller = mock_caller(ledger, json.dumps({"points": points}))
    return asyncio.run(Examiner(caller, subject).survey(PASSAGE))


# --- survey ------------------------------------------------------------------------------------


def test_a_point_has_what_was_found_and_where(ledger: Ledger) -> None:
    given = found("of entry", "Pay within", sort="figure", kinds=["apply", "recall", "apply"])
    grounds = tuple(Citation(passage_id=PASSAGE.id, quote=q) for q in ("of entry", "Pay within"))
    assert survey(ledger, given) == [
        Point(
            sort="figure",
            statement="Pay in time.",
            topic="t",
            grounds=grounds,
            kinds=("apply", "recall"),
        )
    ]


def test_a_quote_may_run_over_the_end_of_a_line(ledger: Ledger) -> None:
    assert len(survey(ledger, found("within 14 days"))) == 1
    assert ledger.all(Failure) == []


def test_a_quote_that_does_not_occur_is_left_out_and_on_record(ledger: Ledger) -> None:
    (point,) = survey(ledger, found("within 40 days", "of entry", " "))
    assert [ground.quote for ground in point.grounds] == ["of entry"]
    (failure,) = ledger.all(Failure)
    assert failure.code == "false-quote" and "within 40 days" in failure.raw


def test_a_point_without_a_true_quote_is_none(ledger: Ledger) -> None:
    (point,) = survey(ledger, found("within 40 days"), found("14 days", topic="kept"))
    assert point.topic == "kept"
    assert [failure.code for failure in ledger.all(Failure)] == ["false-quote"]


def test_kinds_that_there_are_not_are_dropped(ledger: Ledger) -> None:
    kinds = {"odd": "asks for what is odd", "recall": "asks", "unstated": "asks in vain"}
    own = Subject("t", "English", kinds=kinds)
    given = found("14 days", kinds=["compare", "odd", "unstated", "hard"])
    assert [point.kinds for point in survey(ledger, given, subject=own)] == [("odd",)]
    assert survey(ledger, found("14 days", kinds=["odd"])) == []


def test_a_point_that_states_nothing_is_none(ledger: Ledger) -> None:
    assert survey(ledger, found("14 days", statement=" "), found("14 days", kinds=[])) == []


def test_a_sort_that_there_is_not_makes_a_reply_unusable(ledger: Ledger) -> None:
    with pytest.raises(CallFailed):
        survey(ledger, found("14 days", sort="remark"))


# --- questions ---------------------------------------------------------------------------------


def a_point(statement: str, topic: str, sort: str = "rule") -> Point:
    ground = Citation(passage_id=PASSAGE.id, quote="14")
    return Point.model_validate(
        {"sort": sort, "statement": statement, "topic": topic, "grounds": (ground,), "kinds": ()}
    )


FIRST, PARTNER = a_point("Pay in 14 days.", "fees"), a_point("Late is 15.", "delay", "definition")
SEED = Seed(
    point_id=FIRST.id,
    kind="combine",
    round=2,
    variation=7,
    partner_ids=(PARTNER.id,),
    asked=("When to pay?", "What is late?"),
    failed=("Why pay? (missed: the limit)", "Who pays?"),
    passed=("Is there a fee?",),
    persona="a newcomer",
    format="a short question",
    wanted="no",
)
TASK = Task(SEED, [FIRST, PARTNER], [PASSAGE], exam=False)
ASKED = Question(
    text="Is 15 days late?", kind="combine", exam=False, point_id=FIRST.id, passage_ids=(), round=2,
    call_id="m-0",
)  # fmt: skip
GOLD = Gold(text="The limit is 14.\nAnswer: Yes.", result="Yes.")
SAID: tuple[tuple[str, Grade], ...] = (("Answer: no", "incorrect"), ("Answer: yes", "correct"))
PROPOSAL = {"question": "May one pay on day 15?", "kind": "apply"}
REVISION = PROPOSAL | {"difference": "It forgets the limit.", "guidance": "Ask at the limit."}


def blocks(caller: Caller, call: int = 0) -> list[Block]:
    """Return the blocks of a call's user message."""
    return list(read_request(asked(caller)[call]).blocks)


def texts(caller: Caller, tag: str, call: int = 0) -> list[str]:
    return [block.text for block in blocks(caller, call) if block.tag == tag]


def tasks(caller: Caller) -> list[str]:
    return [read_request(messages).task for messages in asked(caller)]


def propose(ledger: Ledger, task: Task, **reply: str) -> tuple[Question, Caller]:
    caller = mock_caller(ledger, json.dumps(PROPOSAL | reply))
    return asyncio.run(Examiner(caller, SUBJECT).propose(task)), caller


def revise(
    ledger: Ledger, steps: int, *replies: dict[str, str], said: Sequence[tuple[str, Grade]] = SAID
) -> tuple[Question, Caller]:
    caller = mock_caller(ledger, *map(json.dumps, replies))
    examiner = Examiner(caller, SUBJECT, steps)
    return asyncio.run(examiner.revise(TASK, Shown(ASKED, GOLD, said))), caller


def test_all_that_a_question_is_written_from_is_shown(ledger: Ledger) -> None:
    _, caller = propose(ledger, TASK)
    assert blocks(caller) == [
        Block(
            "passage",
            PASSAGE.text,
            {
                "id": PASSAGE.id,
                "document": "The rules",
                "date": "May 2020",
                "heading": "Part 1 > Fees",
            },
        ),
        Block("point", "Pay in 14 days.", {"topic": "fees", "sort": "rule"}),
        Block("partner", "Late is 15.", {"topic": "delay", "sort": "definition"}),
        Block("kind", SUBJECT.kinds["combine"], {"name": "combine"}),
        Block("purpose", "training"),
        Block("persona", "a newcomer"),
        Block("format", "a short question"),
        Block("wanted", "no"),
        Block("variation", "7"),
        Block("asked", "When to pay?\nWhat is late?"),
        Block("failed", "Why pay? (missed: the limit)"),
        Block("failed", "Who pays?"),
        Block("passed", "Is there a fee?"),
    ]


def test_a_question_knows_where_it_comes_from(ledger: Ledger) -> None:
    question, _ = propose(ledger, TASK)
    assert question.kind == "apply"  # the nearest one that the point can carry
    assert (question.text, question.point_id, question.round) == (
        "May one pay on day 15?", FIRST.id, 2,
    )  # fmt: skip
    assert question.passage_ids == (PASSAGE.id,)
    assert (question.exam, question.parent_id) == (False, None)
    assert ledger.call(question.call_id) is not None


def test_a_question_of_an_exam_is_asked_for_as_one(ledger: Ledger) -> None:
    question, caller = propose(ledger, TASK._replace(exam=True))
    assert question.exam
    assert texts(caller, "purpose") == ["exam"]


def test_a_kind_that_there_is_not_is_the_one_that_was_asked_for(ledger: Ledger) -> None:
    question, _ = propose(ledger, TASK, kind="tricky")
    assert question.kind == "combine"


def test_an_empty_question_is_on_record(ledger: Ledger) -> None:
    with pytest.raises(CallFailed):
        propose(ledger, TASK, question=" ")
    (failure,) = ledger.all(Failure)
    assert failure.code == "unparsable"
    assert "question: " in failure.detail and "empty" in failure.detail


def test_a_revision_takes_one_call(ledger: Ledger) -> None:
    question, caller = revise(ledger, 1, REVISION)
    assert tasks(caller) == ["examiner: revise"]
    assert (question.parent_id, question.text) == (ASKED.id, "May one pay on day 15?")
    assert (question.difference, question.guidance) == (
        "It forgets the limit.",
        "Ask at the limit.",
    )
    shown = blocks(caller)
    _, proposing = propose(ledger, TASK)
    assert shown[:13] == blocks(proposing)
    assert shown[13:] == [
        Block("question", ASKED.text),
        Block("expert", GOLD.text),
        Block("student", "Answer: no", {"n": "1", "grade": "incorrect"}),
        Block("student", "Answer: yes", {"n": "2", "grade": "correct"}),
        Block("standing", "some right"),
    ]


def test_a_revision_in_three_calls_hands_on_what_was_said(ledger: Ledger) -> None:
    said = {"difference": "It counts wrongly."}, {"guidance": "Give a date."}
    question, caller = revise(ledger, 3, *said, REVISION)
    assert tasks(caller) == ["examiner: feedback", "examiner: guide", "examiner: revise"]
    assert [texts(caller, "feedback", n) for n in range(3)] == [[], *[["It counts wrongly."]] * 2]
    assert [texts(caller, "guidance", n) for n in range(3)] == [[], [], ["Give a date."]]
    for n in range(3):
        assert texts(caller, "standing", n) == ["some right"]
        assert texts(caller, "asked", n) == ["When to pay?\nWhat is late?"]
    assert question.parent_id == ASKED.id


@pytest.mark.parametrize(
    ("grades", "standing"),
    [
        (("correct", "correct"), "all right"),
        (("correct", "partial"), "some right"),
        (("partial", "partial"), "all wrong"),
        (("abstained", "incorrect"), "all wrong"),
    ],
)
def test_the_student_s_standing(grades: tuple[Grade, ...], standing: str, ledger: Ledger) -> None:
    _, caller = revise(ledger, 1, REVISION, said=[("a", grade) for grade in grades])
    assert texts(caller, "standing") == [standing]
