"""What confirms an answer: the cheapest check first, and no more calls.

The expert and the grader are the real ones, with mocks for models.
"""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import asked

from agents.expert import Expert
from agents.judge import Judge
from agents.prompting import Subject
from elenchus.config import ChecksConfig
from elenchus.ledger import Ledger
from elenchus.records import Answer, Passage, Question, Rejection
from elenchus.sections import ModelConfig
from graphs.checks import LEAST_LENGTH, failed_call, unconfirmed
from models.backend import make_model
from models.blocks import read_request
from models.calls import Caller, CallFailed
from tests.graphs.checking import FEE, STAY, a_point, a_question, an_answer

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
