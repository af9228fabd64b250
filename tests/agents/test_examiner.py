"""The survey of a passage: what it finds, and what of it cannot be used."""

import asyncio
import json

import pytest
from conftest import mock_caller

from agents.examiner import Examiner
from agents.prompting import Subject
from elenchus.ledger import Ledger
from elenchus.records import Failure, Passage, Point, Seed
from models.calls import CallFailed

SUBJECT = Subject("t", "English")
PASSAGE = Passage(
    document_id="d", source="s", start=0, end=1, heading=(), text="Pay within 14\ndays of entry."
)


def survey(ledger: Ledger, *quotes: str) -> list[Point]:
    points = [{"quote": quote, "topic": "t", "kinds": ["recall"]} for quote in quotes]
    caller = mock_caller(ledger, json.dumps({"points": points}))
    return asyncio.run(Examiner(caller, SUBJECT).survey(PASSAGE))


def test_a_quote_may_run_over_the_end_of_a_line(ledger: Ledger) -> None:
    assert len(survey(ledger, "within 14 days")) == 1
    assert ledger.all(Failure) == []


def test_a_quote_that_does_not_occur_is_on_record(ledger: Ledger) -> None:
    (point,) = survey(ledger, "within 40 days", "of entry", " ")
    assert point.quote == "of entry"
    (failure,) = ledger.all(Failure)
    assert failure.code == "false-quote" and "within 40 days" in failure.raw


def test_an_empty_question_is_on_record(ledger: Ledger) -> None:
    point = Point(passage_id=PASSAGE.id, quote="14 days", topic="t", kinds=("recall",))
    seed = Seed(point_id=point.id, kind="recall", round=1, variation=0)
    examiner = Examiner(mock_caller(ledger, '{"question": " ", "kind": "recall"}'), SUBJECT)
    with pytest.raises(CallFailed):
        asyncio.run(examiner.propose(seed, point, [PASSAGE], "training"))
    (failure,) = ledger.all(Failure)
    assert failure.code == "unparsable"
    assert "question: " in failure.detail and "empty" in failure.detail
