"""What a question and the expert's answers must pass before anything more is asked."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.records import Answer, Form, Passage, Point, Question, Rejection
from graphs.checks import overlap, unfit, ungrounded
from tests.graphs.checking import FEE, PAINT, STAY, a_point, a_question, an_answer

# --- unfit -------------------------------------------------------------------------------------

OTHER = "How long may a boat stay in the old harbour?"


@pytest.mark.parametrize(
    ("text", "asked", "examined", "code"),
    [
        (OTHER, (), (), None),
        (OTHER, (OTHER,), (), "repeats"),
        (OTHER, (), (OTHER,), "near-exam"),
        (OTHER.upper(), (), (OTHER,), "near-exam"),
        ("May a boat stay?", (), (OTHER, "Which fee is due?"), "near-exam"),  # 2 of 2 trigrams
        ("Where may a boat go?", (), (OTHER,), None),  # 1 of 3
        ("Which fee is due when?", (), (OTHER,), None),
        ("Why?", (), ("Why?",), None),  # of two words there is nothing to compare
        ("What does the passage above say?", (), (), "not-alone"),
        ("According to this text, who pays?", (), (), "not-alone"),
        ("What must the document given to a skipper hold?", (), (), "not-alone"),
        ("May a boat follow the text of its permit, or its spirit?", (), (), None),
        ("Is a passage above the bridge allowed?", (), (), None),
    ],
)
def test_what_is_put_to_nobody(
    text: str, asked: Sequence[str], examined: Sequence[str], code: str | None
) -> None:
    question = a_question(text)
    refused = unfit(question, asked, examined, 0.5)
    assert (refused and refused.code) == code
    if refused:
        assert (refused.raw, refused.question_id) == (text, question.id)


def test_a_question_near_the_exam_is_told_with_the_one_that_it_is_near() -> None:
    near = a_question("How long may a boat stay in the new harbour?")
    assert unfit(near, (), (OTHER,), 0.76) is None
    refused = unfit(near, (), ("Which fee?", OTHER), 0.75)
    assert refused is not None
    assert refused.detail == f"75% of its word trigrams are those of: {OTHER}"


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_overlap_is_a_share_and_whole_with_itself(one: list[str], other: list[str]) -> None:
    ours, theirs = " ".join(one), " ".join(other)
    assert 0 <= overlap(ours, theirs) <= 1
    assert overlap(ours, ours) == (len(one) > 2)
    assert overlap(ours, f"{ours}; {theirs}") == (len(one) > 2)


# --- ungrounded --------------------------------------------------------------------------------


def grounds(
    answer: Answer,
    question: Question | None = None,
    points: Sequence[Point] = (),
    shown: Sequence[Passage] = (STAY, FEE),
) -> Rejection | None:
    return ungrounded(answer, shown, question or a_question(), points or [a_point(STAY)])


def test_an_answer_with_true_grounds_may_be_trained_on() -> None:
    assert grounds(an_answer(STAY)) is None


@pytest.mark.parametrize(
    ("kind", "answer", "code"),
    [
        ("apply", an_answer(), "false-citation"),
        ("apply", an_answer(PAINT), "false-citation"),
        ("apply", an_answer(abstained=True), "undecided"),
        ("unstated", an_answer(abstained=True), None),
        ("unstated", an_answer(STAY, abstained=True), None),
        ("unstated", an_answer(PAINT, abstained=True), "false-citation"),
        ("unstated", an_answer(STAY), "decided"),
        ("unstated", an_answer(PAINT), "decided"),
    ],
)
def test_what_has_no_grounds(kind: str, answer: Answer, code: str | None) -> None:
    question = a_question(kind=kind)
    refused = grounds(answer, question)
    assert (refused and refused.code) == code
    if refused:
        assert (refused.raw, refused.question_id) == (answer.text, question.id)


BOTH, FIRST_ALONE = [a_point(STAY), a_point(FEE)], [a_point(STAY)]


@pytest.mark.parametrize("kind", ["combine", "compare"])
@pytest.mark.parametrize(
    ("points", "cited", "shown", "says"),
    [
        (BOTH, (STAY, FEE), (STAY, FEE), None),
        (BOTH, (STAY,), (STAY, FEE), "does not cite both points"),
        (BOTH, (FEE,), (STAY, FEE), "does not cite both points"),
        (BOTH, (FEE, PAINT), (STAY, FEE, PAINT), "does not cite both points"),
        (BOTH, (STAY,), (STAY,), "does not find both points"),
        (BOTH, (FEE,), (FEE,), "does not find both points"),
        # One of several partners is enough.
        ([*BOTH, a_point(PAINT)], (STAY, PAINT), (STAY, PAINT), None),
        # Two points in one passage take two quotes of it.
        ([a_point(STAY), a_point(STAY)], (STAY,), (STAY,), "does not cite both points"),
        ([a_point(STAY), a_point(STAY)], (STAY, STAY), (STAY,), None),
        # A point that stands in two passages is found in either.
        ([a_point(STAY, PAINT), a_point(FEE)], (PAINT, FEE), (PAINT, FEE), None),
        (FIRST_ALONE, (STAY, FEE), (STAY, FEE), None),
        (FIRST_ALONE, (STAY,), (STAY, FEE), None),
    ],
)
def test_what_joins_points_must_rest_on_both(
    kind: str,
    points: Sequence[Point],
    cited: Sequence[Passage],
    shown: Sequence[Passage],
    says: str | None,
) -> None:
    refused = grounds(an_answer(*cited), a_question(kind=kind), points, shown)
    if says is None:
        assert refused is None
    else:
        assert refused is not None and refused.code == "one-sided" and says in refused.detail
    if set(cited) <= set(shown):
        assert grounds(an_answer(*cited), a_question(kind="apply"), points, shown) is None


@pytest.mark.parametrize(
    ("result", "form", "code"),
    [
        ("After two whole weeks.", "phrase", "gives-answer"),
        ("two weeks", "phrase", None),  # so few words may stand in any question
        ("after three whole weeks", "phrase", None),
        ("after two whole weeks", "choice", None),  # the question offers it
    ],
)
def test_a_question_must_not_hold_its_answer(result: str, form: Form, code: str | None) -> None:
    question = a_question("Does one pay after two whole weeks, or at once?")
    refused = grounds(an_answer(STAY, result=result, form=form), question)
    assert (refused and refused.code) == code
