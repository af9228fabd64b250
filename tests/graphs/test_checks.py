"""What a question and the expert's answers must pass: the cheapest check first, and no more calls.

The expert and the grader are the real ones, with mocks for models.
"""

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import asked
from hypothesis import given
from hypothesis import strategies as st

from agents.expert import Expert
from agents.judge import Judge
from agents.prompting import Subject
from elenchus.config import ChecksConfig
from elenchus.ledger import Ledger
from elenchus.records import Answer, Citation, Form, Passage, Point, Question, Rejection
from elenchus.sections import ModelConfig
from graphs.checks import LEAST_LENGTH, failed_call, overlap, unconfirmed, unfit, ungrounded
from models.backend import make_model
from models.blocks import read_request
from models.calls import Caller, CallFailed


def a_question(text: str = "How long may a boat stay?", kind: str = "apply") -> Question:
    return Question(
        text=text, kind=kind, exam=False, point_id="o", passage_ids=(), round=1, call_id="m"
    )


def passage(text: str) -> Passage:
    return Passage(document_id="d", source="s", start=0, end=1, heading=(), text=text)


STAY, FEE, PAINT = map(passage, ("A boat stays 14 days.", "Later it pays 2 crowns.", "It is red."))


def a_point(*places: Passage) -> Point:
    grounds = tuple(Citation(passage_id=p.id, quote=p.text) for p in places)
    return Point(sort="rule", statement="s", topic="t", grounds=grounds, kinds=("recall",))


def an_answer(
    *cited: Passage, result: str = "14 days", form: Form = "number", abstained: bool = False
) -> Answer:
    return Answer(
        text=f"Boats may stay for two weeks.\nAnswer: {result}",
        explanation="Boats may stay for two weeks.",
        result=result,
        form=form,
        citations=tuple(Citation(passage_id=p.id, quote=p.text) for p in cited),
        abstained=abstained,
        call_id="m",
        tokens=1,
    )


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


# --- unconfirmed -------------------------------------------------------------------------------

YES = {
    "grader: guess": {"result": ""},
    "grader: support": {"supported": True, "missing": ""},
    "grader: agree": {"agree": True, "difference": ""},
    "expert: answer": {
        "explanation": "A fortnight.",
        "result": "14 days",
        "form": "number",
        "citations": [{"passage_id": STAY.id, "quote": STAY.text}],
        "abstained": False,
    },
}
ALL = ["grader: guess", "grader: support", "expert: answer", "grader: agree", "grader: agree"]


class Run:
    """The parts of a run that confirm an answer, and the tasks that they were asked, in order."""

    def __init__(self, ledger: Ledger, replies: dict[str, Any], **settings: Any) -> None:
        texts = {task: json.dumps(reply) for task, reply in (YES | replies).items()}
        checks = ChecksConfig(**settings.pop("checks", {}))
        language, samples = settings.pop("language", "English"), settings.pop("samples", 2)
        self.config = SimpleNamespace(checks=checks, language=language)
        model = ModelConfig(model="mock:plain", options={"replies": texts}, samples=samples)
        self.caller = Caller(make_model(model), model, ledger)
        subject = Subject("t", language)

        async def search(query: str) -> list[Passage]:
            return [STAY, FEE]

        self.expert = Expert(self.caller, search, subject, look_ups=0)
        self.grader = Judge(self.caller, subject)

    @property
    def tasks(self) -> list[str]:
        return [read_request(messages).task for messages in asked(self.caller)]


def confirm(
    run: Run, answer: Answer | None = None, question: Question | None = None
) -> tuple[Rejection | None, list[Answer]]:
    work = unconfirmed(
        answer or an_answer(STAY), [STAY, FEE], question or a_question(), [a_point(STAY)], run
    )
    return asyncio.run(work)


def test_what_passes_all_checks_is_confirmed_by_another_answer(ledger: Ledger) -> None:
    run = Run(ledger, {})
    refused, more = confirm(run)
    assert refused is None
    assert [(a.sample, a.text) for a in more] == [(1, "A fortnight.\nAnswer: 14 days")]
    assert run.tasks == ALL


GERMAN = (
    "Ein Boot darf höchstens vierzehn Tage im alten Hafen liegen, danach zahlt sein Eigner eine "
    "Gebühr von zwei Kronen für jeden weiteren Tag, den es dort liegt."
)


@pytest.mark.parametrize(
    ("replies", "answer", "question", "code", "calls"),
    [
        ({}, an_answer(STAY), a_question(GERMAN), "other-language", 0),
        ({"grader: guess": {"result": "14 DAYS."}}, None, None, "guessable", 1),
        ({"grader: support": {"supported": False, "missing": "the old"}}, None, None,
         "unsupported", 2),
        ({"expert: answer": YES["expert: answer"] | {"abstained": True}}, None, None,
         "undecided", 3),
        ({"expert: answer": YES["expert: answer"] | {"citations": []}}, None, None,
         "false-citation", 3),
        ({"grader: agree": {"agree": False, "difference": "a day"}}, None, None,
         "disagreement", 4),
    ],
)  # fmt: skip
def test_the_cheapest_check_comes_first_and_ends_it(
    replies: dict[str, Any],
    answer: Answer | None,
    question: Question | None,
    code: str,
    calls: int,
    ledger: Ledger,
) -> None:
    """The expert is not asked again before the question has passed all that costs less."""
    run = Run(ledger, replies)
    refused, more = confirm(run, answer, question)
    assert refused is not None and refused.code == code
    assert run.tasks == ALL[:calls]
    assert bool(more) == ("expert: answer" in ALL[:calls])
    assert refused.question_id == (question or a_question()).id
    decided = more[0].text if code in ("undecided", "false-citation") else an_answer(STAY).text
    assert refused.raw.startswith(decided)


def test_answers_that_disagree_are_both_on_record(ledger: Ledger) -> None:
    refused, _ = confirm(Run(ledger, {"grader: agree": {"agree": False, "difference": "a day"}}))
    assert refused is not None
    assert refused.detail == "a day"
    assert refused.raw.endswith("A fortnight.\nAnswer: 14 days")


@pytest.mark.parametrize(
    ("off", "left"),
    [
        ({"guess": False}, ALL[1:]),
        ({"support": False}, [ALL[0], *ALL[2:]]),
        ({"agree": False}, ALL[:2]),
        ({"guess": False, "support": False, "agree": False}, []),
    ],
)
def test_a_check_can_be_left_out(off: dict[str, bool], left: list[str], ledger: Ledger) -> None:
    run = Run(ledger, {}, checks=off)
    assert confirm(run)[0] is None
    assert run.tasks == left


def test_one_sample_asks_for_no_second_answer(ledger: Ledger) -> None:
    run = Run(ledger, {}, samples=1)
    assert confirm(run) == (None, [])
    assert run.tasks == ALL[:2]


def test_all_further_answers_must_agree(ledger: Ledger) -> None:
    run = Run(ledger, {}, samples=3)
    refused, more = confirm(run)
    assert refused is None and [a.sample for a in more] == [1, 2]
    assert run.tasks.count("expert: answer") == 2


def test_an_answer_in_the_same_words_agrees_without_a_call(ledger: Ledger) -> None:
    same = YES["expert: answer"] | {"explanation": "Boats may stay for two weeks."}
    run = Run(ledger, {"expert: answer": same})
    assert confirm(run)[0] is None
    assert run.tasks == ALL[:3]


def test_only_the_answer_itself_may_be_guessed(ledger: Ledger) -> None:
    assert confirm(Run(ledger, {"grader: guess": {"result": "a week"}}))[0] is None


def test_what_nobody_states_is_not_guessed_and_is_looked_for_in_all_passages(
    ledger: Ledger,
) -> None:
    lacking = YES["expert: answer"] | {"result": "", "abstained": True, "citations": []}
    run = Run(ledger, {"expert: answer": lacking, "grader: guess": {"result": "Not said."}})
    answer = an_answer(result="Not said.", abstained=True)
    refused, more = confirm(run, answer, a_question(kind="unstated"))
    assert refused is None and [a.abstained for a in more] == [True]
    assert run.tasks == ALL[1:]
    shown = [p.id for p in read_request(asked(run.caller)[0]).passages()]
    assert shown == [STAY.id, FEE.id]


def test_support_is_looked_for_in_what_is_cited_alone(ledger: Ledger) -> None:
    run = Run(ledger, {})
    confirm(run)
    (support,) = [m for m in asked(run.caller) if read_request(m).task == "grader: support"]
    assert [p.id for p in read_request(support).passages()] == [STAY.id]


@pytest.mark.parametrize(
    ("language", "text", "settings", "code"),
    [
        ("German", GERMAN, {}, None),
        ("Esperanto", GERMAN, {}, None),  # nobody can tell
        ("English", GERMAN, {"language": False}, None),
        ("English", GERMAN[:60], {}, None),  # too short to tell, with its answer
        ("english ", GERMAN, {}, "other-language"),
        ("French", GERMAN, {}, "other-language"),
    ],
)
def test_questions_are_in_the_language(
    language: str, text: str, settings: dict[str, bool], code: str | None, ledger: Ledger
) -> None:
    answer = an_answer(STAY).model_copy(update={"text": "14"})
    run = Run(ledger, {}, language=language, checks=settings)
    assert len(GERMAN) > LEAST_LENGTH > 63
    refused, _ = confirm(run, answer, a_question(text))
    assert (refused and refused.code) == code
    if refused:
        assert refused.detail == "it is de"


def test_a_failed_call_is_a_rejection_of_its_role(ledger: Ledger) -> None:
    run = Run(ledger, {})
    run.caller = Caller(
        make_model(ModelConfig(model="mock:plain", options={"replies": ["no JSON"]})),
        ModelConfig(model="mock:plain"),
        ledger,
    )
    run.grader = Judge(run.caller, Subject("t", "English"))
    with pytest.raises(CallFailed) as failed:
        confirm(run)
    refused = failed_call(failed.value, a_question())
    assert (refused.code, refused.raw) == ("grader-failed", "no JSON")
    assert refused.question_id == a_question().id
