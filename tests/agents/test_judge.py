"""The judge: result and reason make a grade, and an answer is looked at from all sides."""

import asyncio
import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from conftest import asked, mock_caller

from agents.judge import Judge, Judged, grade_of
from agents.prompting import Subject
from elenchus.ledger import Ledger
from elenchus.records import Failure, Form, Gold, Grade, Passage
from models.blocks import Block, read_request
from models.calls import Caller, CallFailed

SUBJECT = Subject("t", "English")
FORMS: tuple[Form, ...] = ("", "yes-no", "choice", "number", "list", "phrase", "judgement")
GUESSABLE = ("yes-no", "choice")
RESULTS = ("right", "partly", "wrong", "none")
REASONS = ("right", "thin", "wrong", "none")
# What result and reason come to: where a right result may be luck, and everywhere else.
LUCK: dict[tuple[str, str], Grade] = {("right", "right"): "correct"}
FREE: dict[tuple[str, str], Grade] = {
    ("right", "right"): "correct",
    ("right", "thin"): "correct",
    ("right", "none"): "correct",
    ("right", "wrong"): "partial",
    **{("partly", reason): "partial" for reason in REASONS},
}


def judged(result: str, reason: str = "right", *checks: bool, critique: str = "") -> Judged:
    given = {"result": result, "reason": reason, "checks": checks, "critique": critique}
    return Judged.model_validate(given)


def replying(ledger: Ledger, *replies: Mapping[str, Any]) -> Caller:
    return mock_caller(ledger, *map(json.dumps, replies))


def blocks(caller: Caller, call: int = 0) -> list[Block]:
    return list(read_request(asked(caller)[call]).blocks)


# --- grades ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("result", "reason"), product(RESULTS, REASONS))
def test_result_and_reason_decide(form: Form, result: str, reason: str) -> None:
    table = LUCK if form in GUESSABLE else FREE
    otherwise: Grade = "abstained" if result == "none" else "incorrect"
    wanted = table.get((result, reason), otherwise)
    assert grade_of(judged(result, reason), Gold(text="g", result="g", form=form)) == wanted


@pytest.mark.parametrize(
    ("checks", "grade"),
    [
        ((True, True, True), "correct"),
        ((True, True, False), "partial"),
        ((True, False, False), "incorrect"),
        ((True, False), "partial"),
        ((False, False), "incorrect"),
    ],
)
@pytest.mark.parametrize("result", ["right", "partly", "wrong"])
def test_a_judgement_is_worth_the_checks_that_it_meets(
    checks: tuple[bool, ...], grade: Grade, result: str
) -> None:
    gold = Gold(text="g", result="g", form="judgement", rubric=("c",) * len(checks))
    assert grade_of(judged(result, "none", *checks), gold) == grade
    assert grade_of(judged("none", "none", *checks), gold) == "abstained"


def test_a_judgement_without_a_rubric_is_graded_as_a_phrase() -> None:
    gold = Gold(text="g", result="g", form="judgement")
    assert grade_of(judged("right", "thin"), gold) == "correct"


def test_answers_are_graded_one_by_one(ledger: Ledger) -> None:
    answers = [
        judged("right", "none", critique="It shows nothing.").model_dump(),
        judged("right", "right", critique="Well.").model_dump(),
        judged("wrong", "wrong", critique="It forgets.").model_dump(),
        judged("none", "none", critique="It says nothing.").model_dump(),
    ]
    caller = replying(ledger, {"answers": answers, "missed": "The limit."})
    gold = Gold(text="By 14.\nAnswer: yes", result="yes", form="yes-no", quotes=("14 days", "fee"))
    given = asyncio.run(Judge(caller, SUBJECT).grade("Late?", gold, ["yes", "y", "no", ""]))
    assert given.grades == ("incorrect", "correct", "incorrect", "abstained")
    assert given.results == (True, True, False, False)
    assert given.critiques == ("It shows nothing.", "Well.", "It forgets.", "It says nothing.")
    assert (given.missed, given.gap) == ("The limit.", 0.75)
    assert ledger.call(given.call_id) is not None
    assert blocks(caller) == [
        Block("question", "Late?"),
        Block("expert", "By 14.\nAnswer: yes", {"form": "yes-no"}),
        Block("passage", "14 days"),
        Block("passage", "fee"),
        *(
            Block("student", text, {"n": str(n)})
            for n, text in enumerate(["yes", "y", "no", ""], 1)
        ),
    ]


def test_the_checks_of_a_judgement_are_shown(ledger: Ledger) -> None:
    answers = [judged("right", "right", True, False).model_dump()]
    caller = replying(ledger, {"answers": answers, "missed": ""})
    gold = Gold(text="g", result="g", form="judgement", rubric=("Says when.", "Says why."))
    given = asyncio.run(Judge(caller, SUBJECT).grade("Which?", gold, ["s"]))
    assert (given.grades, given.results) == (("partial",), (True,))
    checks = [block for block in blocks(caller) if block.tag == "check"]
    assert checks == [Block("check", "Says when.", {"n": "1"}),
                      Block("check", "Says why.", {"n": "2"})]  # fmt: skip


# --- agreement ---------------------------------------------------------------------------------

YES = {"agree": True, "difference": ""}
NO = {"agree": False, "difference": "30 days and a month."}


@pytest.mark.parametrize(
    ("replies", "said", "calls"),
    [
        ([YES, YES], "", 2),
        ([YES, NO], "30 days and a month.", 2),
        ([NO, YES], "30 days and a month.", 1),
        ([YES, NO | {"difference": ""}], "they do not agree", 2),
        ([YES | {"difference": "other words"}, YES], "", 2),
    ],
)
def test_answers_agree_where_they_do_in_both_orders(
    replies: list[dict[str, Any]], said: str, calls: int, ledger: Ledger
) -> None:
    caller = replying(ledger, *replies)
    assert asyncio.run(Judge(caller, SUBJECT).agree("When?", "30 days", "a month")) == said
    pairs = [[(b.tag, b.text) for b in blocks(caller, n)] for n in range(calls)]
    assert len(asked(caller)) == calls
    assert (
        pairs
        == [
            [("question", "When?"), ("first", "30 days"), ("second", "a month")],
            [("question", "When?"), ("first", "a month"), ("second", "30 days")],
        ][:calls]
    )


# --- support, guess and conflicts --------------------------------------------------------------


@pytest.mark.parametrize(
    ("supported", "missing", "said"),
    [
        (True, "", ""),
        (True, "nothing", ""),
        (False, "It does not say who.", "It does not say who."),
        (False, "", "the passages do not establish it"),
    ],
)
def test_an_answer_is_held_against_what_it_cites(
    supported: bool, missing: str, said: str, ledger: Ledger
) -> None:
    caller = replying(ledger, {"supported": supported, "missing": missing})
    passages = [
        Passage(document_id="d", source="s", start=0, end=1, heading=("H",), text=text)
        for text in ("one", "two")
    ]
    judge = Judge(caller, SUBJECT)
    assert asyncio.run(judge.support("Who?", "Answer: all", passages)) == said
    shown = [(b.tag, b.text) for b in blocks(caller)]
    assert shown == [
        ("question", "Who?"),
        ("passage", "one"),
        ("passage", "two"),
        ("answer", "Answer: all"),
    ]


@pytest.mark.parametrize("result", ["", "yes"])
def test_a_guess_is_made_from_the_wording_alone(result: str, ledger: Ledger) -> None:
    caller = replying(ledger, {"result": result})
    assert asyncio.run(Judge(caller, SUBJECT).guess("Surely not?")) == result
    assert blocks(caller) == [Block("question", "Surely not?")]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([(1, 3)], [(0, 2)]),
        ([(3, 1)], [(0, 2)]),  # the higher number first is the same pair
        ([(1, 2), (2, 3)], [(0, 1), (1, 2)]),
        ([(0, 1), (1, 4), (-1, 2), (2, 2)], []),
        ([(1, 9), (2, 3)], [(1, 2)]),
        ([], []),
    ],
)
def test_conflicts_are_pairs_of_answers_that_were_shown(
    said: list[tuple[int, int]], found: list[tuple[int, int]], ledger: Ledger
) -> None:
    conflicts = [{"first": first, "second": second, "why": "w"} for first, second in said]
    caller = replying(ledger, {"conflicts": conflicts})
    answers = [("When?", "Before."), ("Who?", "All."), ("How?", "After.")]
    pairs = asyncio.run(Judge(caller, SUBJECT).conflicts(answers))
    assert pairs == [(first, second, "w") for first, second in found]
    assert blocks(caller) == [
        Block("answer", "Before.", {"n": "1", "question": "When?"}),
        Block("answer", "All.", {"n": "2", "question": "Who?"}),
        Block("answer", "After.", {"n": "3", "question": "How?"}),
    ]


@pytest.mark.parametrize("task", ["grade", "agree", "support", "guess", "conflicts"])
def test_a_reply_that_cannot_be_read_is_on_record(task: str, ledger: Ledger) -> None:
    judge = Judge(mock_caller(ledger, "I would rather not."), SUBJECT)
    work = {
        "grade": lambda: judge.grade("q", Gold(text="a", result="a"), ["a"]),
        "agree": lambda: judge.agree("q", "a", "b"),
        "support": lambda: judge.support("q", "a", []),
        "guess": lambda: judge.guess("q"),
        "conflicts": lambda: judge.conflicts([("q", "a"), ("q", "b")]),
    }
    with pytest.raises(CallFailed):
        asyncio.run(work[task]())
    (failure,) = ledger.all(Failure)
    assert (failure.role, failure.code) == ("grader", "unparsable")
    assert failure.raw == "I would rather not."
