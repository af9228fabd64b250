"""The expert: explanation and result make an answer; what it cites must be there."""

import asyncio
import json
from typing import Any

import pytest
from conftest import asked, mock_caller

from agents.expert import Expert, false_citation, gold_of
from agents.prompting import Subject
from elenchus.ledger import Ledger
from elenchus.questions import AnswerForm
from elenchus.records import Answer, Citation, Passage
from models.blocks import read_request
from models.calls import Caller

FORM = AnswerForm("{explanation} So: {result}.", unstated="Nobody says")
SUBJECT = Subject("t", "English", form=FORM)
REPLY = {
    "explanation": " Ice is wide. ",
    "result": " the full one ",
    "form": "choice",
    "rubric": ["Says which."],
    "citations": [],
    "abstained": False,
}


def passage(text: str) -> Passage:
    return Passage(document_id="d", source="s", start=0, end=1, heading=(), text=text)


FROST, TAPS = passage("Water widens\nas it freezes."), passage("Taps <passage> are drained.")


def answer(
    ledger: Ledger, *replies: dict[str, Any], look_ups: int = 2, samples: tuple[int, ...] = (0,)
) -> tuple[list[Answer], list[Passage], Caller]:
    """Ask an expert who finds frost, and for "taps" the taps."""
    caller = mock_caller(ledger, *(json.dumps(REPLY | reply) for reply in replies))

    async def search(query: str) -> list[Passage]:
        return [TAPS] if query == "taps" else [FROST]

    expert = Expert(caller, search, SUBJECT, look_ups)
    answers, passages = asyncio.run(expert.answer("Which splits?", samples))
    return answers, passages, caller


def test_explanation_and_result_make_the_text_in_the_domains_form(ledger: Ledger) -> None:
    ((given,), passages, _) = answer(ledger, {})
    assert given.text == "Ice is wide. So: the full one."
    assert (given.explanation, given.result, given.form) == (
        "Ice is wide.", "the full one", "choice",
    )  # fmt: skip
    assert not given.abstained
    assert passages == [FROST]


@pytest.mark.parametrize(
    ("form", "rubric"),
    [("judgement", ("Says which.",)), ("choice", ()), ("phrase", ())],
)
def test_checks_are_those_of_a_judgement(form: str, rubric: tuple[str], ledger: Ledger) -> None:
    ((given,), _, _) = answer(ledger, {"form": form})
    assert given.rubric == rubric


@pytest.mark.parametrize(
    "reply",
    [
        {"abstained": True, "result": ""},
        {"abstained": True, "result": "perhaps the full one"},
        {"abstained": False, "result": " \n"},
        {"abstained": True, "result": "", "form": "judgement"},
    ],
)
def test_who_abstains_gives_the_result_that_the_documents_do_not_say(
    reply: dict[str, Any], ledger: Ledger
) -> None:
    ((given,), _, _) = answer(ledger, reply)
    assert given.abstained
    assert given.text == "Ice is wide. So: Nobody says."
    assert (given.result, given.form, given.rubric) == ("Nobody says", "phrase", ())


def test_a_form_that_there_is_not_is_asked_for_again(ledger: Ledger) -> None:
    ((given,), _, caller) = answer(ledger, {"form": "essay"}, {"form": "list"})
    assert given.form == "list"
    assert "form: Input should be" in asked(caller)[1][-1].text


def test_what_is_looked_up_is_shown_too(ledger: Ledger) -> None:
    replies = {"look_up": "taps", "result": ""}, {"look_up": "taps"}, {"look_up": "more"}
    ((given,), passages, caller) = answer(ledger, *replies, look_ups=1)
    assert [given.result, passages] == ["the full one", [FROST, TAPS]]
    shown = [[p.id for p in read_request(m).passages()] for m in asked(caller)]
    assert shown == [[FROST.id], [FROST.id, TAPS.id]]


def test_answers_have_the_numbers_of_their_samples(ledger: Ledger) -> None:
    answers, _, caller = answer(ledger, {}, samples=(1, 2))
    assert [given.sample for given in answers] == [1, 2]
    assert len({given.call_id for given in answers}) == len(asked(caller)) == 2


def test_an_explanation_needs_no_rubric(ledger: Ledger) -> None:
    caller = mock_caller(ledger, json.dumps({k: v for k, v in REPLY.items() if k != "rubric"}))

    async def search(query: str) -> list[Passage]:
        return [FROST]

    given, passages = asyncio.run(Expert(caller, search, SUBJECT, 0).explain("Which splits?"))
    assert read_request(asked(caller)[0]).task == "expert: explain"
    assert (given.text, passages) == ("Ice is wide. So: the full one.", [FROST])


def test_gold_is_an_answer_with_what_it_quotes(ledger: Ledger) -> None:
    quotes = [{"passage_id": FROST.id, "quote": q} for q in ("Water widens", "freezes")]
    ((given,), _, _) = answer(ledger, {"form": "judgement", "citations": quotes})
    gold = gold_of(given)
    assert gold.model_dump(exclude={"quotes"}) == given.model_dump(
        include={"text", "result", "form", "rubric"}
    )
    assert gold.quotes == ("Water widens", "freezes")


@pytest.mark.parametrize(
    ("cited", "abstained", "wrong"),
    [
        ([(FROST, "Water widens as it")], False, None),  # over the end of a line
        ([(FROST, "Water widens"), (TAPS, "Taps ‹passage> are")], False, None),
        ([], False, "cites nothing"),
        ([], True, None),
        ([(FROST, "Water shrinks")], False, "does not occur"),
        ([(FROST, "Water shrinks")], True, "does not occur"),
        ([(FROST, "Water widens"), (FROST, "drained")], False, "does not occur"),
        ([(FROST, " ")], False, "does not occur"),
        ([(passage("elsewhere"), "elsewhere")], False, "was not among those given"),
    ],
)
def test_quotes_must_occur_in_what_was_given(
    cited: list[tuple[Passage, str]], abstained: bool, wrong: str | None
) -> None:
    citations = tuple(Citation(passage_id=p.id, quote=quote) for p, quote in cited)
    given = Answer(text="a", citations=citations, abstained=abstained, call_id="m", tokens=1)
    reason = false_citation(given, [FROST, TAPS])
    assert reason is None if wrong is None else wrong in (reason or "")
