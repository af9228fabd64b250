"""Kinds of question, and the form of an answer: what was put in is found again."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from elenchus.config import AnswersConfig, QuestionsConfig
from elenchus.questions import (
    JOINING,
    KINDS,
    STRAIGHT,
    UNSTATED,
    AnswerForm,
    kinds_of,
    label_in,
    unstated_in,
)
from graphs.config import validate

PLAIN = AnswerForm()
DEMONSTRATION = AnswerForm("{explanation} So: {result}.")
FORMS = {
    "label on a line of its own": PLAIN,
    "no label": DEMONSTRATION,
    "another label": AnswerForm(label="Réponse :"),
    "label among marks": AnswerForm("{explanation}\n\n**{label}** {result} ✓"),
    "label before all": AnswerForm("Q. {explanation}\n### {result}"),
    "nothing between": AnswerForm("{explanation}{result}", label=""),
}
MARKED = [form for name, form in FORMS.items() if name != "nothing between"]
LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.sampled_from(MARKED), LINES, LINES.map(str.strip), st.sampled_from(["", "."]))
def test_a_result_is_found_again(form: AnswerForm, explanation: str, result: str, end: str) -> None:
    """But for the full stop at its end, where the form has one of its own."""
    assume(result and form.mark not in result)
    text = form.text(explanation, result + end)
    assert form.has_result(text)
    stopped = form.template.endswith(".")
    kept = (result + end).removesuffix(".") if stopped else result + end
    assert form.result(text) == kept.strip()
    assert not (stopped and end and text.endswith(result + ".."))


@given(LINES)
def test_what_an_explanation_says_is_no_result(explanation: str) -> None:
    """Not even where it holds the mark, or what looks like a place to fill."""
    said = f"{explanation} {PLAIN.mark} {{result}} {{label}}"
    text = PLAIN.text(said, "7 days")
    assert PLAIN.result(text) == "7 days"
    assert text.startswith(said.strip())


@pytest.mark.parametrize(
    ("form", "text", "result"),
    [
        (PLAIN, "Pipes split in frost.\nAnswer: The full one.", "The full one."),
        (PLAIN, "Answer: first thought. No.\nAnswer: yes", "yes"),
        (PLAIN, "Answer:", ""),
        (PLAIN, "The rules.\nAnswer: It is 4.", "It is 4."),
        (PLAIN, "  I do not know.\n", "I do not know."),
        (PLAIN, "It is 4. So: 4.", "It is 4. So: 4."),
        (DEMONSTRATION, "It is four. So: 4.", "4"),
        (DEMONSTRATION, "It is four. So: 4.5", "4.5"),
        (DEMONSTRATION, "It is four. So: the 4 p.m. one.", "the 4 p.m. one"),
        (DEMONSTRATION, "Four.", "Four"),
        (FORMS["nothing between"], "It is four.", "It is four."),
    ],
)
def test_a_result_is_what_stands_in_its_place_or_all(
    form: AnswerForm, text: str, result: str
) -> None:
    assert form.result(text) == result


@pytest.mark.parametrize(
    ("form", "whole", "alone"),
    [
        (PLAIN, "Because.\nAnswer: no", "Answer: no"),
        (DEMONSTRATION, "Because. So: no.", "So: no."),
        (FORMS["label among marks"], "Because.\n\n**Answer:** no ✓", "**Answer:** no ✓"),
        (FORMS["nothing between"], "Because.no", "no"),
    ],
)
def test_the_text_of_an_answer(form: AnswerForm, whole: str, alone: str) -> None:
    assert form.text(" Because.\n", "no") == whole
    assert form.text("", "no") == alone
    assert form.result(alone) == "no"


def test_a_form_is_shown_with_its_places_named() -> None:
    assert PLAIN.shown == "<explanation>\nAnswer: <result>"
    assert DEMONSTRATION.shown == "<explanation> So: <result>."


def test_a_domain_adds_kinds_changes_them_and_takes_them_out() -> None:
    kinds = kinds_of({"odd": "asks for what is odd", "compare": None, "recall": "asks again"})
    assert set(kinds) == {*KINDS, "odd"} - {"compare"}
    assert (kinds["odd"], kinds["recall"]) == ("asks for what is odd", "asks again")
    assert kinds_of({}) == KINDS
    assert {*JOINING, *STRAIGHT, UNSTATED} <= set(KINDS)


def test_a_kind_must_be_left_that_asks_about_the_documents() -> None:
    none = {kind: None for kind in KINDS if kind != UNSTATED}
    with pytest.raises(ValidationError, match="no kind is left"):
        QuestionsConfig(kinds=none)
    assert QuestionsConfig(kinds=none | {"odd": "asks for what is odd"}).kinds["odd"]


@pytest.mark.parametrize(
    "template",
    ["{result}", "{explanation}", "{result} {explanation}", "{explanation} {result} {result}"],
)
def test_a_form_needs_a_reason_and_then_a_result(template: str) -> None:
    with pytest.raises(ValidationError, match=r"explanation|result"):
        AnswersConfig(template=template)


@pytest.mark.parametrize(
    ("language", "label", "unstated"),
    [
        ("English", "Answer:", "The documents do not say."),
        (" german ", "Antwort:", "Die Dokumente sagen es nicht."),
        ("Japanese", "答え：", "文書には書かれていません。"),
        ("Hungarian", "Válasz:", "The documents do not say."),
        ("Klingon", "Answer:", "The documents do not say."),
    ],
)
def test_words_of_the_form_are_in_the_language(language: str, label: str, unstated: str) -> None:
    assert (label_in(language), unstated_in(language)) == (label, unstated)
    config = validate({"domain": "d", "title": "t", "language": language}, "here")
    assert config.answer_form == AnswerForm(label=label, unstated=unstated)
    own = {"template": "{explanation} => {result}", "label": "", "unstated": "?"}
    config = validate({"domain": "d", "title": "t", "language": language, "answers": own}, "here")
    assert config.answer_form == AnswerForm("{explanation} => {result}", "", "?")
