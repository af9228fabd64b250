"""Graders that need no model: the same text, the same number, the same choice."""

import asyncio

import pytest

from agents.graders import GRADERS
from agents.prompting import Subject
from elenchus.questions import AnswerForm
from elenchus.records import Gold, Verdict

OWN = AnswerForm("{explanation} So: {result}.")


def grade(how: str, answers: list[str], gold: Gold, form: AnswerForm = OWN) -> Verdict:
    matcher = GRADERS.get(how)(None, Subject("tests", "English", form=form))
    return asyncio.run(matcher.grade("Which?", gold, answers))


@pytest.mark.parametrize(
    ("how", "answer", "gold", "right"),
    [
        ("exact", "It lies in port. So: The Hall!", "the hall", True),
        ("exact", "the halls", "the hall", False),
        ("exact", "", "", False),
        ("exact", "C++", "C", False),
        ("exact", "-5", "5", False),
        ("exact", "So: <", "<", True),
        ("number", "So: 72 (from 3 steps)", "72", True),
        ("contains", "That would be Paris, of course", "paris", True),
        ("contains", "Five, I think", "5 | five", True),
        ("contains", "fifteen or 15", "5 | five", False),
        ("contains", "It is 50 C++. So: C", "C++", False),
        ("contains", "anything", " | ", False),
        ("number", ".5", "0.5", True),
        ("number", "−4", "-4", True),
        ("number", "10-5", "5", True),
        ("choice", "A) is too small. So: B", "B", True),
        ("choice", "B, I think", "B", True),
        ("number", "First 3, then 1,200 in all.", "#### 1200", True),
        ("number", "3/4 of it", "0.75", True),
        ("number", "none", "4", False),
        ("number", "-4", "4", False),
        ("choice", "B. the tide, not A", "B", True),
        ("choice", "A man would say: B", "B", True),
        ("choice", "b", "B", False),
    ],
)
def test_answers_are_compared_without_a_model(
    how: str, answer: str, gold: str, right: bool
) -> None:
    verdict = grade(how, [answer], Gold(text=f"For a reason. So: {gold}.", result=gold))
    wrong = "incorrect" if answer else "abstained"
    assert verdict.grades == ("correct" if right else wrong,)
    assert verdict.results == (right,)
    assert (verdict.call_id, verdict.critiques) == ("", ())


@pytest.mark.parametrize("how", ["exact", "number", "choice"])
def test_a_result_is_looked_for_where_the_form_has_it(how: str) -> None:
    gold = {"exact": "the hall", "number": "4", "choice": "B"}[how]
    other = {"exact": "the quay", "number": "5", "choice": "A"}[how]
    form = AnswerForm()
    answers = [form.text(f"Not {other}", gold), form.text(f"Not {gold}", other)]
    assert grade(how, answers, Gold(text="", result=gold), form).grades == ("correct", "incorrect")
