"""Mistakes made on purpose: as many as asked for, each a wrong answer, each its own."""

import json
import random

import pytest

from models.blocks import Extract
from offline.reader.answering import reply
from offline.reader.chat import ReaderChatModel
from offline.reader.slips import beside
from tests.offline.reader.prompts import FINES, PASSAGE, PENALTIES, block, messages
from tests.offline.reader.prompts import RULES as PROMPT_RULES

RULES = (
    "A library card must be returned within 14 days of moving away, unless the holder is a minor. "
    "Failure to do so is a petty breach. Ball games are forbidden in the reading room. "
    "A petty breach costs 30 crowns. A gross breach costs 200 crowns. "
    '"Reading room" means the hall on the first floor. "Holder" means whoever signed the card.'
)
QUESTIONS = [
    "How long may the return of a library card take?",
    "Somebody moved away and returned the library card after 20 days. Is it a breach?",
    "Somebody moved away and returned the library card after 20 days. What is the fine?",
    "Are ball games allowed?",
    'What does "reading room" mean?',
]


def extract() -> list[Extract]:
    return [Extract("p-a", "Part 2 > 2.1 Cards", RULES)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_slip_is_never_the_right_answer_and_keeps_its_quotes(question: str) -> None:
    right = reply(question, extract())
    assert right.answer
    slips = [reply(question, extract(), random.Random(n)) for n in range(20)]
    assert all(s.answer and s.answer != right.answer for s in slips)
    assert {s.quotes for s in slips} == {right.quotes}


def test_an_expert_errs_as_often_as_it_is_told_to() -> None:
    user = block("question", "How long may the return of a library card take?")
    sent = messages("Expert: answer", user + PASSAGE + PENALTIES)
    right = ReaderChatModel().invoke(sent).text
    erring = ReaderChatModel(wrong=0.1)
    said = [erring.invoke(sent, seed=n).text for n in range(1000)]
    wrong = [text for text in said if text != right]
    assert 70 <= len(wrong) <= 130
    assert len({json.loads(text)["explanation"] for text in wrong}) > 3
    assert erring.invoke(sent, seed=5).text == erring.invoke(sent, seed=5).text


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_slips_cite_sentences_that_are_no_support(share: float) -> None:
    user = block("question", QUESTIONS[2]) + PASSAGE + PENALTIES
    sent = messages("Expert: answer", user)
    right = json.loads(ReaderChatModel().invoke(sent).text)
    erring = ReaderChatModel(wrong=0.5, unsupported=share)
    said = [json.loads(erring.invoke(sent, seed=n).text) for n in range(400)]
    wrong = [one for one in said if one["explanation"] != right["explanation"]]
    others = [one for one in wrong if one["citations"] != right["citations"]]
    assert abs(len(others) - share * len(wrong)) <= 0.1 * len(wrong)
    assert all(r["citations"] == right["citations"] for r in said if r not in wrong)
    given = {"p-a": PROMPT_RULES, "p-b": FINES}
    decisive = {c["quote"] for c in right["citations"]}
    for citation in (c for one in others for c in one["citations"]):
        assert citation["quote"] in given[citation["passage_id"]]
        assert citation["quote"] not in decisive


def test_an_answer_that_nothing_can_be_mistaken_in_keeps_its_quotes() -> None:
    user = block("question", "What is the fine for a petty breach?") + PASSAGE + PENALTIES
    sent = messages("Expert: answer", user)
    right = json.loads(ReaderChatModel().invoke(sent).text)
    assert right["result"] == "30 crowns" and len(right["citations"]) == 1
    erring = ReaderChatModel(wrong=1.0, unsupported=1.0)
    assert all(json.loads(erring.invoke(sent, seed=n).text) == right for n in range(20))


def test_without_another_sentence_the_quotes_stay() -> None:
    only = Extract("p", "", "Ball games are forbidden.")
    right = reply(QUESTIONS[3], [only])
    assert beside(right.quotes, [only], random.Random(1)) == right.quotes


def test_only_experts_err() -> None:
    sent = messages("Examiner: survey", PASSAGE)
    assert ReaderChatModel(wrong=1.0).invoke(sent).text == ReaderChatModel().invoke(sent).text


def test_another_grade_has_another_price() -> None:
    question = "Somebody moved away and returned the library card after 20 days. What is the fine?"
    slips = {reply(question, extract(), random.Random(n)).answer for n in range(60)}
    assert any("gross breach costs 200" in slip for slip in slips)
    assert not any("Grade: gross." in slip and "A petty breach" in slip for slip in slips)
