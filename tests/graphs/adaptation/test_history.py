"""What earlier examinations showed: what is counted, what is shown, and what fades."""

import pytest

from elenchus.ledger import Ledger
from elenchus.reasons import Code
from elenchus.records import Grade, Rejection, Seed, Turn
from graphs.adaptation.history import SHOWN, failed, fresh_failures, history
from tests.graphs.making import (
    make_item,
    make_passage,
    make_point,
    make_question,
    make_turn,
    write_examination,
)

ONE, TWO, OTHER = (
    make_point(make_passage(text), topic=topic)
    for text, topic in (("A", "Mooring  fees"), ("B", "mooring fees"), ("C", "paint"))
)
FAILED: tuple[Grade, ...] = ("incorrect", "correct", "partial")
PASSED: tuple[Grade, ...] = ("correct", "incorrect", "correct")
KINDS = (ONE.id, "apply")


@pytest.fixture(autouse=True)
def _points(ledger: Ledger) -> None:
    ledger.write(ONE, TWO, OTHER)


def seed_of(n: int, round_: int = 1, point_id: str = ONE.id) -> Seed:
    return Seed(point_id=point_id, kind="apply", round=round_, variation=n)


def turn_of(text: str, grades: tuple[Grade, ...], round_: int = 1) -> Turn:
    return make_turn(make_question(text, round_=round_), grades)


def refusal(code: Code, turn: Turn) -> Rejection:
    return Rejection(code=code, raw="r", question_id=turn.question.id)


def test_questions_of_a_topic_are_shown_by_how_they_went(ledger: Ledger) -> None:
    write_examination(ledger, seed_of(1), turn_of("Failed?", FAILED), accepted=True)
    write_examination(ledger, seed_of(2, point_id=TWO.id), turn_of("Passed?", PASSED))
    past = history(ledger, 2, 0.3)
    assert past.missed["mooring fees"] == ["Failed?\nMissed: the limit"]
    assert past.known["mooring fees"] == ["Passed?"]
    assert past.missed["paint"] == past.known["paint"] == []
    assert past.questions[ONE.id] == ["Failed?"] and past.questions[TWO.id] == ["Passed?"]
    assert (past.covered[ONE.id], past.covered[TWO.id]) == (1, 0)


def test_the_newest_few_are_shown(ledger: Ledger) -> None:
    for n in range(3 * SHOWN):
        turn = turn_of(f"Question {n}?", FAILED, round_=n + 1)
        write_examination(ledger, seed_of(n, round_=n + 1), turn)
    shown = history(ledger, 99, 0.3).missed["mooring fees"]
    assert [text.partition("?")[0] for text in shown] == [
        f"Question {n}" for n in range(2 * SHOWN, 3 * SHOWN)
    ]


@pytest.mark.parametrize("code", ["unsupported", "disagreement", "guessable", "grader-failed"])
def test_a_question_that_a_check_refused_tells_nothing(ledger: Ledger, code: Code) -> None:
    turn = turn_of("Unsound?", FAILED)
    write_examination(ledger, seed_of(1), turn, refused=refusal(code, turn))
    past = history(ledger, 2, 0.3)
    assert past.asked[KINDS] == past.failed[KINDS] == 0
    assert past.missed["mooring fees"] == []
    assert past.questions[ONE.id] == ["Unsound?"], "it is not asked again all the same"
    assert fresh_failures(ledger, 1) == (0, 0)


def test_what_a_later_question_was_refused_for_leaves_the_first_sound(ledger: Ledger) -> None:
    first, second = turn_of("First?", PASSED), turn_of("Second?", FAILED)
    write_examination(ledger, seed_of(1), first, second, refused=refusal("unsupported", second))
    past = history(ledger, 2, 0.3)
    assert (past.asked[KINDS], past.failed[KINDS]) == (1, 0)
    assert past.known["mooring fees"] == ["First?"] and past.missed["mooring fees"] == []
    assert fresh_failures(ledger, 1) == (0, 1)


@pytest.mark.parametrize("code", ["known", "unsuited"])
def test_what_teaches_too_little_is_no_refusal(ledger: Ledger, code: Code) -> None:
    turn = turn_of("Known?", PASSED)
    write_examination(ledger, seed_of(1), turn, refused=refusal(code, turn))
    assert history(ledger, 2, 0.3).known["mooring fees"] == ["Known?"]
    assert fresh_failures(ledger, 1) == (0, 1)


def test_what_it_was_predicted_to_know_counts_as_known(ledger: Ledger) -> None:
    """Else only what it fails would be left to count, and the point be asked about again."""
    spared = turn_of("Spared?", PASSED)
    ledger.write(spared.question)
    write_examination(ledger, seed_of(1), refused=refusal("likely-known", spared))
    write_examination(ledger, seed_of(2), turn_of("Failed?", FAILED), accepted=True)
    past = history(ledger, 2, 0.3)
    assert (past.asked[KINDS], past.failed[KINDS]) == (2, 1)
    assert sorted(past.questions[ONE.id]) == ["Failed?", "Spared?"]
    assert past.known["mooring fees"] == [], "it was not seen to know it"
    assert fresh_failures(ledger, 1) == (1, 2)


def test_older_rounds_count_for_less(ledger: Ledger) -> None:
    for round_ in (1, 2, 3):
        write_examination(ledger, seed_of(1, round_), turn_of("Q?", FAILED, round_))
    past = history(ledger, 4, 0.5)
    assert past.asked[KINDS] == past.failed[KINDS] == 1 + 0.5 + 0.25
    assert history(ledger, 3, 0.5).asked[KINDS] == 1 + 1 + 0.5
    assert fresh_failures(ledger, 2) == (1, 1)


def test_revised_questions_are_shown_but_only_first_ones_counted(ledger: Ledger) -> None:
    first, second = turn_of("First?", PASSED), turn_of("Second?", FAILED)
    write_examination(ledger, seed_of(1), first, second, accepted=True)
    past = history(ledger, 2, 0.3)
    assert (past.asked[KINDS], past.failed[KINDS]) == (1, 0)
    assert past.missed["mooring fees"] == ["Second?\nMissed: the limit"]


def test_exam_questions_of_both_kinds_are_known(ledger: Ledger) -> None:
    ledger.write(make_item("held-out", "Held?", ONE.id), make_item("untaught", "Kept?", TWO.id))
    ledger.write(make_item("general", "Other?", ONE.id))
    past = history(ledger, 1, 0.3)
    assert (past.examined[ONE.id], past.examined[TWO.id]) == (["Held?"], ["Kept?"])
    assert past.questions == {}


def test_unseen_answers_count_for_nothing(ledger: Ledger) -> None:
    """Where the student is not looked at, there is no verdict."""
    turn = turn_of("Blind?", FAILED).model_copy(update={"verdict": None, "student": ()})
    write_examination(ledger, seed_of(1), Turn.model_validate(turn.model_dump()), accepted=True)
    past = history(ledger, 2, 0.3)
    assert past.asked[KINDS] == 0 and past.covered[ONE.id] == 1
    assert fresh_failures(ledger, 1) == (0, 0)


@pytest.mark.parametrize(
    ("grades", "fails"),
    [
        (("correct", "correct"), False),
        (("correct", "incorrect"), False),
        (("correct", "partial", "abstained"), True),
        (("partial",), True),
    ],
)
def test_most_answers_decide(grades: tuple[Grade, ...], fails: bool) -> None:
    verdict = turn_of("Q?", grades).verdict
    assert verdict is not None and failed(verdict) is fails
