"""The inner loop: who is asked when, what ends it, and with which code."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elenchus.ledger import Ledger
from elenchus.records import Examination, Grade, Passage, Question, Seed, Turn
from graphs.adaptation import examination
from graphs.adaptation.predictor import Predictor, is_audited
from models.blocks import Request
from tests.graphs.making import (
    Bench,
    graded,
    make_item,
    make_passage,
    make_point,
)

STAY, FEE, PAINT = map(
    make_passage,
    ("A boat may stay 14 days.", "Later it pays 2 crowns a day.", "The jetty is painted red."),
)
POINT = make_point(STAY, kinds=("recall", "apply", "combine"))
PARTNER = make_point(FEE, topic="fee")
RIGHT: tuple[Grade, ...] = ("correct",)
WRONG: tuple[Grade, ...] = ("incorrect",)
FIRST, SECOND = "How long may a boat lie there?", "What does the fifteenth night cost?"
CHECKS = ["grader: guess", "grader: support"]
# Of every question, the student is always predicted to be right, or to fail.
SURE, UNSURE = (
    Predictor(round=2, weights=(constant, *(0.0,) * 7), tallies={}, graded=90, brier=0.1, base=0.2)
    for constant in (-3.0, 3.0)
)


def said(result: str, *cited: Passage, **more: Any) -> dict[str, Any]:
    """Return an expert's reply."""
    quotes = [{"passage_id": p.id, "quote": p.text} for p in cited or (STAY,)]
    whole = {"explanation": f"It says {result}.", "result": result, "form": "number"}
    return whole | {"citations": quotes, "abstained": False, "look_up": "", "rubric": []} | more


LACKING = said("", abstained=True)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    opened.write(STAY, FEE, PAINT, POINT, PARTNER, SURE, UNSURE)
    yield opened
    opened.close()


def bench(folder: Path, ledger: Ledger, **settings: Any) -> Bench:
    """Return a bench whose student fails all that it is asked; settings are of examinations."""
    checks = settings.pop("checks", {})
    made = Bench(folder, ledger, examination=settings, checks=checks)
    made.found = [STAY, FEE, PAINT]
    made.say("examiner: propose", {"question": FIRST, "kind": "apply"})
    revised = {"difference": "no limit", "guidance": "ask for it", "kind": "apply"}
    made.say("examiner: revise", revised | {"question": SECOND})
    made.say("student: answer", "As long as it likes.\nAnswer: always")
    made.say("expert: answer", said("14 days"))
    made.say("grader: grade", graded("incorrect", "incorrect"))
    return made


def examine(made: Bench, **changes: Any) -> Examination:
    """Examine a point, and return the examination that is written down."""
    plain = {"point_id": POINT.id, "kind": "apply", "round": 1, "variation": 1}
    seed = Seed.model_validate(plain | changes)
    made.ledger.write(seed)
    sent = {"seed_id": seed.id, "adapter": ""}
    with made.services.registered() as ref:
        asyncio.run(examination.build_graph().compile().ainvoke(sent, context=ref))
    made.services.fan_out.end()
    (one,) = made.ledger.all(Examination, seed_id=seed.id)
    return one


def code_of(one: Examination) -> str:
    assert one.rejection is not None
    return one.rejection.code


def turns_of(made: Bench, one: Examination) -> list[Turn]:
    return [made.ledger.get(Turn, i) for i in one.turn_ids]


# --- who is asked when -------------------------------------------------------------------------


def test_the_student_is_asked_first_and_what_costs_most_comes_last(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger)
    one = examine(made)
    before = ["examiner: propose", *["student: answer"] * 2, "expert: answer", "grader: grade"]
    assert made.tasks() == [*before, *CHECKS, "expert: answer"]
    (turn,) = turns_of(made, one)
    assert one.accepted_turn_id == turn.id and one.rejection is None
    assert [answer.sample for answer in turn.expert] == [0, 1]
    assert turn.expert[0].text == "It says 14 days.\nAnswer: 14 days"


def test_nothing_is_confirmed_that_would_not_be_accepted(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger)
    made.say("grader: grade", graded("correct", "correct"))
    thirds = {"question": "And a raft?", "kind": "apply", "difference": "", "guidance": ""}
    made.say("examiner: revise", thirds | {"question": SECOND}, thirds)
    one = examine(made)
    assert code_of(one) == "known" and len(one.turn_ids) == 3
    assert not {*CHECKS, "grader: agree"}.intersection(made.tasks())
    assert all(len(turn.expert) == 1 for turn in turns_of(made, one))


def test_what_no_band_takes_is_not_said_to_be_known(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, acceptance="band")
    made.say("grader: grade", graded("incorrect", "incorrect"))
    assert code_of(examine(made, fresh=True)) == "unsuited"


def test_a_points_first_question_is_not_revised(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger)
    made.say("grader: grade", graded("correct", "correct"))
    one = examine(made, fresh=True)
    assert code_of(one) == "known" and len(one.turn_ids) == 1


def test_without_sight_of_the_student_the_last_question_is_confirmed(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger, sighted=False, max_turns=2)
    one = examine(made, predictor_id=SURE.id)
    assert "student: answer" not in made.tasks() and "grader: grade" not in made.tasks()
    assert [turn.verdict for turn in turns_of(made, one)] == [None, None]
    assert one.accepted_turn_id == one.turn_ids[-1]
    assert made.tasks()[-3:] == [*CHECKS, "expert: answer"]


# --- prediction --------------------------------------------------------------------------------


def test_the_expert_is_spared_where_the_student_is_predicted_to_know(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger, audit=1e-9)
    one = examine(made, predictor_id=SURE.id)
    assert made.tasks() == ["examiner: propose", *["student: answer"] * 2]
    assert code_of(one) == "likely-known" and one.turn_ids == ()
    assert one.rejection is not None and one.rejection.detail == "probability of failing 0.05"
    asked = ledger.get(Question, one.rejection.question_id or "")
    assert asked.text == FIRST and one.rejection.passage_ids == (STAY.id,)


@pytest.mark.parametrize(
    ("predictor", "settings"),
    [("", {}), (UNSURE.id, {}), (SURE.id, {"ask_above": 0.04})],
    ids=["none", "likely to fail", "asked above less"],
)
def test_the_expert_is_asked_where_it_may_fail(
    tmp_path: Path, ledger: Ledger, predictor: str, settings: dict[str, float]
) -> None:
    one = examine(bench(tmp_path, ledger, audit=1e-9, **settings), predictor_id=predictor)
    assert one.accepted_turn_id is not None


def test_a_share_is_asked_whatever_is_predicted(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, audit=0.4)
    asked = {}
    for variation in range(30):
        plain = {"point_id": POINT.id, "kind": "apply", "round": 1, "variation": variation}
        seed = Seed.model_validate(plain | {"predictor_id": SURE.id})
        one = examine(made, variation=variation, predictor_id=SURE.id)
        asked[variation] = one.accepted_turn_id is not None
        assert asked[variation] == is_audited(seed, 0.4)
    assert set(asked.values()) == {True, False}


# --- what is confirmed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "reply", "code", "detail"),
    [
        ("grader: guess", {"result": "14 DAYS."}, "guessable", "14 DAYS."),
        ("grader: support", {"supported": False, "missing": "no"}, "unsupported", "no"),
    ],
)
def test_a_refused_answer_needs_no_second_one(
    tmp_path: Path, ledger: Ledger, task: str, reply: dict[str, Any], code: str, detail: str
) -> None:
    made = bench(tmp_path, ledger)
    made.say(task, reply)
    one = examine(made)
    assert code_of(one) == code and one.accepted_turn_id is None
    assert made.tasks().count("expert: answer") == 1
    (turn,) = turns_of(made, one)
    assert one.rejection is not None and one.rejection.detail == detail
    assert one.rejection.question_id == turn.question.id
    assert one.rejection.raw == turn.expert[0].text
    assert one.rejection.passage_ids == (STAY.id, FEE.id, PAINT.id)


def test_the_second_answer_must_agree(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger)
    made.say("expert: answer", said("14 days"), said("2 weeks"))
    made.say("grader: agree", {"agree": True, "difference": ""})
    one = examine(made)
    assert one.accepted_turn_id is not None
    first, second = made.requests("grader: agree")
    assert [first.text("first"), first.text("second")] == [
        second.text("second"), second.text("first")
    ]  # fmt: skip


def test_answers_that_disagree_are_refused_last(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger)
    made.say("expert: answer", said("14 days"), said("2 days"))
    agree = {"agree": True, "difference": ""}
    made.say("grader: agree", agree, {"agree": False, "difference": "the number"})
    one = examine(made)
    assert code_of(one) == "disagreement"
    assert made.tasks()[-5:] == [*CHECKS, "expert: answer", *["grader: agree"] * 2]
    assert one.rejection is not None and one.rejection.detail == "the number"
    assert "14 days" in one.rejection.raw and "2 days" in one.rejection.raw
    assert [len(turn.expert) for turn in turns_of(made, one)] == [2]


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (LACKING, "undecided"),
        (said("14 days", citations=[]), "false-citation"),
    ],
)
def test_the_second_answer_must_be_sound(
    tmp_path: Path, ledger: Ledger, second: dict[str, Any], code: str
) -> None:
    made = bench(tmp_path, ledger)
    made.say("expert: answer", said("14 days"), second)
    one = examine(made)
    assert code_of(one) == code and "grader: agree" not in made.tasks()


def test_an_answer_that_rests_on_one_of_two_points_is_never_compared(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger)
    made.say("examiner: propose", {"question": FIRST, "kind": "combine"})
    joins = {"kind": "combine", "partner_ids": (PARTNER.id,)}
    one = examine(made, **joins)
    assert code_of(one) == "one-sided" and one.turn_ids == ()
    assert made.tasks().count("expert: answer") == 1 and "grader: grade" not in made.tasks()
    (proposal,) = made.requests("examiner: propose")
    assert proposal.text("partner") == PARTNER.statement
    assert [passage.id for passage in proposal.passages()] == [STAY.id, FEE.id]
    made.say("examiner: propose", {"question": SECOND, "kind": "combine"})
    made.say("expert: answer", said("2 crowns", STAY, FEE))
    assert examine(made, variation=2, **joins).accepted_turn_id is not None


@pytest.mark.parametrize(
    ("checks", "missing"),
    [
        ({"support": False}, "grader: support"),
        ({"guess": False}, "grader: guess"),
        ({"agree": False}, "expert: answer"),
    ],
)
def test_each_check_can_be_left_out(
    tmp_path: Path, ledger: Ledger, checks: dict[str, bool], missing: str
) -> None:
    made = bench(tmp_path, ledger, checks=checks)
    assert examine(made).accepted_turn_id is not None
    confirmed = made.tasks()[5:]
    assert sorted([*confirmed, missing]) == sorted([*CHECKS, "expert: answer"])


def test_what_is_too_near_an_exam_question_is_put_to_nobody(tmp_path: Path, ledger: Ledger) -> None:
    ledger.write(make_item("untaught", f"{FIRST} Tell us.", POINT.id))
    made = bench(tmp_path, ledger)
    one = examine(made)
    assert code_of(one) == "near-exam" and made.tasks() == ["examiner: propose"]
    made = bench(tmp_path, ledger, checks={"novelty": 1.0})
    ledger.write(make_item("held-out", "How long may a boat lie there, Sir?", POINT.id))
    assert code_of(examine(made, variation=2)) == "near-exam"  # all of its words stand there


def test_a_refusal_names_the_passages_that_decided_it(tmp_path: Path, ledger: Ledger) -> None:
    """Those that the expert was shown for the question; where it was not asked, the question's."""
    made = bench(tmp_path, ledger)
    made.say("expert: answer", LACKING)
    one = examine(made)
    assert code_of(one) == "undecided"
    assert one.rejection is not None
    assert one.rejection.passage_ids == (STAY.id, FEE.id, PAINT.id)
    made = bench(tmp_path, ledger)
    made.say("examiner: propose", {"question": SECOND, "kind": "apply"})
    made.say("grader: grade", graded("correct", "correct"))
    again = {"question": SECOND, "kind": "apply", "difference": "", "guidance": ""}
    made.say("examiner: revise", again)
    other = examine(made, variation=2)
    assert code_of(other) == "repeats" and len(other.turn_ids) == 1
    assert other.rejection is not None and other.rejection.passage_ids == (STAY.id,)


# --- revision ----------------------------------------------------------------------------------


def test_within_a_band_what_is_all_wrong_is_revised_downwards(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger, acceptance="band")
    made.say("grader: grade", graded("incorrect", "incorrect"), graded("correct", "incorrect"))
    one = examine(made)
    (revision,) = made.requests("examiner: revise")
    assert revision.text("standing") == "all wrong"
    assert [block.attributes for block in revision.blocks if block.tag == "student"] == [
        {"n": "1", "grade": "incorrect"}, {"n": "2", "grade": "incorrect"},
    ]  # fmt: skip
    assert revision.text("expert") == "It says 14 days.\nAnswer: 14 days"
    assert one.accepted_turn_id == one.turn_ids[1]


@pytest.mark.parametrize(
    ("grades", "standing"), [(RIGHT * 2, "all right"), ((*RIGHT, "partial"), "some right")]
)
def test_the_examiner_is_told_how_the_answers_stand(
    tmp_path: Path, ledger: Ledger, grades: tuple[Grade, ...], standing: str
) -> None:
    made = bench(tmp_path, ledger)
    made.say("grader: grade", graded(*grades), graded("incorrect", "incorrect"))
    one = examine(made)
    (revision,) = made.requests("examiner: revise")
    assert revision.text("standing") == standing and revision.text("question") == FIRST
    assert FIRST in revision.text("asked").splitlines()
    _, revised = turns_of(made, one)
    assert revised.question.parent_id == turns_of(made, one)[0].question.id
    assert (revised.question.difference, revised.question.guidance) == ("no limit", "ask for it")
    assert one.accepted_turn_id == revised.id


def test_a_revision_of_three_calls_tells_each_what_the_one_before_said(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger, revision="three calls")
    made.say("grader: grade", graded("correct", "correct"), graded("incorrect", "incorrect"))
    made.say("examiner: feedback", {"difference": "Knows the limit."})
    made.say("examiner: guide", {"guidance": "Go beyond it."})

    def revised(request: Request) -> dict[str, Any]:
        told = {"difference": request.text("feedback"), "guidance": request.text("guidance")}
        return told | {"question": SECOND, "kind": "apply"}

    made.say("examiner: revise", revised)
    one = examine(made)
    steps = [task for task in made.tasks() if task.startswith("examiner")]
    assert steps == [f"examiner: {step}" for step in ("propose", "feedback", "guide", "revise")]
    (feedback,), (guide,) = (made.requests(f"examiner: {step}") for step in ("feedback", "guide"))
    assert not feedback.texts("feedback") and not guide.texts("guidance")
    assert guide.text("feedback") == "Knows the limit."
    question = turns_of(made, one)[1].question
    assert (question.difference, question.guidance) == ("Knows the limit.", "Go beyond it.")


def test_the_widest_gap_is_revised(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, accept_below=0)
    half, none = graded("correct", "incorrect"), graded("correct", "correct")
    made.say("grader: grade", half, none)
    thirds = {"kind": "apply", "difference": "", "guidance": ""}
    made.say("examiner: revise", thirds | {"question": SECOND}, thirds | {"question": "A raft?"})
    one = examine(made, failed=("Failed?\nMissed: x",), passed=("Passed?",))
    first, second = made.requests("examiner: revise")
    assert (first.text("question"), second.text("question")) == (FIRST, FIRST)
    assert second.text("standing") == "some right"
    assert second.texts("failed") == ["Failed?\nMissed: x"] and second.texts("passed") == [
        "Passed?"
    ]
    assert one.rejection is not None
    assert (one.rejection.code, one.rejection.detail) == ("known", "widest gap 0.50 in 3 turns")
