r"""Backslashes that a model left bare are restored: to JSON, `\frac` is a form feed and "rac"."""

import asyncio
import json
from typing import Any

import pytest
from conftest import mock_caller
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from elenchus.ledger import Ledger
from elenchus.records import Message
from models import replies
from models.calls import Prompt
from models.escapes import restored


class Reply(BaseModel):
    """The schema of a short reply."""

    answer: str
    grade: int = 0
    points: list[str] = []


@pytest.mark.parametrize(
    "answer",
    [
        r"\frac{1}{2}", r"$\forall x$", r"\beta", r"$\bar{x}$", r"\begin{cases} x \end{cases}",
        r"2\text{ m}", r"\textbf{x}", r"2 \times 3", r"\theta_1", r"\tilde{x}", r"\tfrac{1}{2}",
        r"a \neq b", r"a\neq0", r"\nabla f", r"x \notin S", r"\rho", r"\left(x\right)",
        r"a \rightarrow b", r"\alpha", r"\(x\)", r"\[x\]", r"\varepsilon", r"\xi", r"\underline{x}",
        r"\sqrt{2} \cdot \pi", r"\bword\b", r"\w+\b", r"C:\Users\file",
        r"$\varepsilon \frac{1}{2} \times \beta \leq \rho$",
    ],
)  # fmt: skip
def test_a_command_is_what_it_was_meant_to_be(answer: str) -> None:
    for text in (f'{{"answer": "{answer}"}}', f"{{'answer': '{answer}'}}"):
        reading = replies.parse(text, Reply)
        assert reading.value.answer == answer and reading.repaired


@pytest.mark.parametrize(
    "answer",
    [
        "A line.\nAnd another.", "a\tb", "\theading", "\ttable\t\text\n", "one\nu\nv",
        "\nequal\n", "one\neq. 2\n", "a\n\f\n# Page", "\f", "\r\nright", "\ninline", "\nEq",
        "\tau\tto\tan", "\nne\nnot", "\rand", r"\frac{1}{2} as it should be", "\u000b", "C:\\new",
    ],
)  # fmt: skip
def test_breaks_and_tabs_of_a_text_stay(answer: str) -> None:
    reading = replies.parse(json.dumps({"answer": answer}), Reply)
    assert reading.value.answer == answer and not reading.repaired


@pytest.mark.parametrize(
    "text",
    [
        r'{"answer": "\frac{1}{2}", "grade": "3"}',
        r'{"Reply": {"answer": "\frac{1}{2}", "grade": "3"}}',
        r'{"answer": "\frac{1}{2}", "grade": 3, "points": "[]"}',
        r'{"name": "Reply", "arguments": {"answer": "\frac{1}{2}", "grade": 3}}',
        r'{"name": "Reply", "arguments": "{\"answer\": \"\\frac{1}{2}\", \"grade\": 3}"}',
        r"{\"answer\": \"\frac{1}{2}\", \"grade\": 3}",
        "<function=Reply>\n<parameter=answer>\n\\frac{1}{2}\n</parameter>\n"
        "<parameter=grade>\n3\n</parameter>\n</function>",
    ],
)
def test_it_is_so_wherever_the_object_stands(text: str) -> None:
    reading = replies.parse(text, Reply)
    assert reading.value == Reply(answer=r"\frac{1}{2}", grade=3) and reading.repaired


@pytest.mark.parametrize(
    "text",
    [
        r'["\frac{1}{2}", "\beta"]',
        r'{"points": "[\"\\frac{1}{2}\", \"\\beta\"]"}',
        '<invoke name="L"><parameter name="points">["\\frac{1}{2}", "\\beta"]</parameter></invoke>',
    ],
)
def test_lists_in_strings_and_markup_have_theirs(text: str) -> None:
    class Listing(BaseModel):
        points: list[str]

    reading = replies.parse(text, Listing)
    assert reading.value.points == [r"\frac{1}{2}", r"\beta"] and reading.repaired


def test_the_ledger_tells_it_as_other_repairs(ledger: Ledger) -> None:
    prompt = Prompt("student", "answer", "", (Message(role="user", content="How much?"),))
    said = r'{"answer": "\frac{1}{2}"}'
    parsed, call = asyncio.run(mock_caller(ledger, said).parsed(prompt, Reply))
    assert parsed.answer == r"\frac{1}{2}"
    assert call.response == said and call.repaired


TREES = st.recursive(
    st.none() | st.integers() | st.text() | st.text("\b\f\n\r\t\\aehiqrtx{"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(TREES)
def test_restoring_adds_backslashes_alone_and_once(value: Any) -> None:
    once = restored(value)
    assert restored(once) == once
    texts, kept = json.dumps(value), json.dumps(once)
    if texts == kept:
        assert once == value
    else:
        assert len(kept) > len(texts), "a control character is a backslash and a letter"
