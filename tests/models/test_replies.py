"""Replies that are no clean JSON are read whole, and those that were cut off are not read."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import asked, mock_caller
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.utils import message_chunk_to_message
from pydantic import BaseModel, JsonValue, create_model

from elenchus.ledger import Ledger
from elenchus.records import Message
from models import replies
from models.calls import Prompt
from models.reasoning import is_clean
from models.structured import text_of
from tests.models.spellings import VARIANTS, Object

RECORDED = os.environ.get("ELENCHUS_REPLIES", "")


class Reply(BaseModel):
    """The schema of a short reply."""

    answer: str
    grade: int = 0
    sure: bool | None = None
    points: list[str] = []


class Holder(BaseModel):
    """The schema of anything."""

    value: JsonValue


SHORT: list[Object] = [
    {"answer": "Yes."},
    {"answer": ""},
    {"answer": "It's the porter's \"key\"."},
    {"answer": "Use {x}, {'y': 1} or }, as in [1]."},
    {"answer": "First.\nThen:\n\t- a tab\n\n- two"},
    {"answer": "C:\\new\\table \\frac{a}{b}"},
    {"answer": "Größe „x“ – “so” 🙂"},
    {"answer": "a // b /* c */ # d", "points": []},
    {"answer": "```json\n{}\n```", "points": ["", "one", "two, three"]},
    {"answer": "<think>{</think>", "grade": -3, "sure": None},
    {"answer": "True", "grade": 10, "sure": True, "points": ["None", "null"]},
    {"answer": "said 'no', 'never'", "sure": False, "points": ["'", '"', "\\"]},
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("short", SHORT, ids=lambda short: short["answer"][:12])
def test_a_reply_is_read_in_every_form(short: Object, variant: str) -> None:
    text = VARIANTS[variant](short, "Reply")
    assert replies.parse(text, Reply).value == Reply(**short)


@pytest.mark.parametrize(
    "text",
    [
        '{answer: "Yes."}',
        "{'answer': \"Yes.\", 'sure': None}",
        '{"answer": "Yes." "grade": 0}',
        '{\n  // the reply\n  "answer": "Yes.", /* all of it */\n  "grade": 0 // none\n}',
        "{“answer”: “Yes.”}",
        '{{"answer": "Yes."}}',
        '[TOOL_CALLS][{"name": "Reply", "arguments": {"answer": "Yes."}}]',
        '{"reply": {"arguments": "{\'answer\': \'Yes.\',}"}}',
        '{"answer": "Yes."} In short: {"answer": "Yes."}',
        "{“answer”: „Yes.“, «grade»: `0`}".replace("`0`", "+0"),
        '{"answer": """Yes."""}',
        '{"answer": "Ye" + "s."}',
        '[TOOL_CALLS]Reply[ARGS]{"answer": "Yes."}',
        '<|python_tag|>{"name": "Reply", "parameters": {"answer": "Yes."}}',
        "<tool_call>\n<function=Reply>\n<parameter=answer>\nYes.\n</parameter>\n"
        "<parameter=points>\n[]\n</parameter>\n</function>\n</tool_call>",
        '<invoke name="Reply"><parameter name="answer">Yes.</parameter></invoke>',
        "<tool_call>Reply\n<arg_key>answer</arg_key>\n<arg_value>Yes.</arg_value>\n"
        "<arg_key>grade</arg_key>\n<arg_value>0</arg_value>\n</tool_call>",
        '{"answer": "Yes.", "points": "[]"}',
        '{"type": "object", "title": "Reply", "properties": {"answer": "Yes.", "sure": null}}',
        'Asked for {"an": "object"}, so: {"answer": "Yes."} As in {"grade": ',
    ],
)
def test_one_object_is_found_where_there_is_one(text: str) -> None:
    assert replies.parse(text, Reply).value.answer == "Yes."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"answer": "They say "no" to it.", "grade": 1}', 'They say "no" to it.'),
        ("{'answer': 'It's the porter's.', 'grade': 1}", "It's the porter's."),
        ('{"answer": "It\\\'s \\(x\\).", "grade": 1}', "It's \\(x\\)."),
    ],
)
def test_a_string_with_its_own_quotes_in_it_is_read_whole(text: str, answer: str) -> None:
    assert replies.parse(text, Reply).value == Reply(answer=answer, grade=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it holds no JSON object"),
        ("Yes, as \\frac{1}{2} in {x}.", "it holds no JSON object"),
        ('{"answer": "Yes, if {x} is', "broken, or was cut off"),
        ('{"answer": "Yes, if {x}', "broken, or was cut off"),
        ('{"answer": "the "best" {x}', "broken, or was cut off"),
        ('{"answer": "Yes."', "broken, or was cut off"),
        ('{"answer": , "grade": 1}', "broken, or was cut off"),
        ('{"answer": yes, indeed}', "broken, or was cut off"),
        ('{"answer" "grade": 1}', "broken, or was cut off"),
        ("{'answer': 'x', 'points': ['the user's right, etc.']}", "broken, or was cut off"),
        ("{'points': [{'answer': 'the cook's, or user's, etc.', 'grade': 1}]}", "broken"),
        ('{"Reply": {"answer": "Yes."}, "points": [', "broken, or was cut off"),
        ('<tool_call>{"name": "Reply", "arguments": {"answer": "Yes."', "broken, or was cut off"),
        ('{"name": "Reply", "arguments": "{\\"answer\\": \\"Yes"}', "answer: Field required"),
        ('{"answer": "Yes."} or {"answer": "No."}', "several JSON objects"),
        ('{"grade": 1}', "answer: Field required"),
        ("{'answer': 'Yes.', 'grade': '1'}", "grade: Input should be a valid integer"),
        ('{"thought": "I could say {\\"answer\\": \\"Yes.\\"}"}', "answer: Field required"),
        ('{"a": {"answer": "Yes."}, "b": {"answer": "No."}}', "several JSON objects"),
        ("<tool_call><parameter=answer>Yes.</parameter><parameter=grade>1", "no JSON object"),
        ('{"answer": ' + "[" * 100_000, "nested too deeply"),
        ("{'answer': " + "[" * 5_000 + "]" * 5_000 + "}", "broken, or was cut off|too deeply"),
    ],
    ids=lambda value: value[:40],
)
def test_nothing_is_made_up(text: str, reason: str) -> None:
    with pytest.raises(replies.Unusable, match=reason):
        replies.parse(text, Reply)


def test_a_reason_is_a_line_whatever_names_a_model_makes_up() -> None:
    schema = create_model("Strict", __config__={"extra": "forbid"}, answer=(str, ...))
    with pytest.raises(replies.Unusable) as caught:
        replies.parse(json.dumps({"answer": "Yes.", "and\nso on " * 5000: 1}), schema)
    reason = str(caught.value)
    assert reason.startswith("and so on") and reason.endswith("Extra inputs are not permitted")
    assert "\n" not in reason and len(reason) < 150


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ('{"answer": "Yes."}', False),
        ('So: ```json\n{"answer": "Yes."}\n``` {done}', False),
        ('{"name": "Reply", "arguments": "{\\"answer\\": \\"Yes.\\"}"}', False),
        ('{"answer": "Yes.",}', True),
        ('{"answer": "Yes.\n"}', True),
        ('{"Answer": "Yes."}', True),
        ('{"answer": "Yes.", "points": "[]"}', True),
        ('{"name": "Reply", "arguments": "{\'answer\': \'Yes.\'}"}', True),
    ],
)
def test_a_repaired_reply_says_so(text: str, repaired: bool) -> None:
    assert replies.parse(text, Reply).repaired is repaired


class Listing(BaseModel):
    """The schema of a list."""

    replies: list[Reply]
    sure: bool = True


@pytest.mark.parametrize(
    "text",
    [
        '[{"answer": "Yes."}]',
        '```json\n[{"answer": "Yes."}]\n```',
        '{"replies": [{"answer": "Yes."}]}',
    ],
)
def test_a_list_needs_no_object_around_it(text: str) -> None:
    reading = replies.parse(text, Listing)
    assert reading.value.replies == [Reply(answer="Yes.")]
    assert reading.repaired is not text.startswith("{")


def test_a_list_of_texts_is_one_too() -> None:
    schema = create_model("Texts", texts=(list[str], ...))
    assert replies.parse('["a", "b"]', schema).value.model_dump() == {"texts": ["a", "b"]}
    with pytest.raises(replies.Unusable, match="valid string"):
        replies.parse("[1]", schema)


def test_a_list_in_prose_is_no_reply() -> None:
    with pytest.raises(replies.Unusable):
        replies.parse('As in [{"answer": "Yes."}], so', Listing)


def test_slashes_and_braces_without_end_are_given_up_soon() -> None:
    units = ("{/*", "{//", "{#", '"//', "<parameter=a>", "{: ", "{'a': 'it's, ", '{"a": ', "&quot;")
    endless = [unit * (200_000 // len(unit)) for unit in units]
    for text in ("{" + "/" * 20_000, '{"a": ' + "x} " * 20_000, *endless):
        with pytest.raises(replies.Unusable):
            replies.parse(text, Reply)


_OPENED = '["'


def test_what_a_repair_would_take_minutes_for_is_given_up_soon() -> None:
    """Quadratic, in json-repair, while all other calls wait."""
    begun = time.process_time()
    for text in (
        f'{{"answer": [{{"x": "right", "che<|x”y{":" * 18_000}el|>, "c": "so."}}], "b": ""x"}}',
        f'{{"answer": "x"y", {_OPENED * 14_000}"}}',
    ):
        with contextlib.suppress(replies.Unusable):
            replies.parse(text, Reply)
    assert time.process_time() - begun < 3


def test_what_json_repair_breaks_at_is_unusable() -> None:
    text = (
        '{"tool_calls": [{["functio: {"name": "R", "arg\ufffd//0ts": {"```json\n'
        '{"```json\nlost": [1]}}}]}'
    )
    for cut in range(len(text)):
        with contextlib.suppress(replies.Unusable):
            replies.parse(text[cut:], Reply)
    with pytest.raises(replies.Unusable):
        replies.parse(text, Reply)


def test_a_long_reply_is_repaired() -> None:
    points = [f'They say "no" to rule {n}.' for n in range(340)]
    text = json.dumps({"answer": "Yes.", "points": points}).replace('\\"no\\"', '"no"')
    assert len(text) > 10_000
    assert replies.parse(text, Reply).value.points == points


def test_what_is_clean_json() -> None:
    assert is_clean('\n{"answer": "Yes."} ')
    for text in ('{"answer": "Yes.",}', 'So: {"answer": "Yes."}', "[1]", "", "{" * 100_000):
        assert not is_clean(text)


# No text holds a backspace, nor a form feed before a letter: see models/escapes.py.
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\b\f"))
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT
    | st.text("{}[]\"',:\\/ n\n\ta1"),  # those that could be taken for marks of JSON
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_VALUES, st.sampled_from(list(VARIANTS)))
def test_any_object_is_read_unchanged_in_every_form(value: Any, variant: str) -> None:
    text = VARIANTS[variant]({"value": value}, "Holder")
    assert replies.parse(text, Holder).value.value == value


@given(_VALUES, st.sampled_from(list(VARIANTS)), st.data())
def test_a_reply_that_was_cut_off_is_read_whole_or_not_at_all(
    value: Any, variant: str, data: st.DataObject
) -> None:
    text = VARIANTS[variant]({"value": value}, "Holder")
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    try:
        found = replies.parse(cut, Holder).value
    except replies.Unusable:
        return
    assert found.value == value


def test_repairs_ask_no_model_again_and_cut_off_replies_do(ledger: Ledger) -> None:
    prompt = Prompt("student", "answer", "", (Message(role="user", content="May I?"),))
    caller = mock_caller(ledger, '{"answer": "Yes, if {x}', "So: {'answer': 'Yes.',} {done}")
    parsed, call = asyncio.run(caller.parsed(prompt, Reply))
    assert parsed.answer == "Yes."
    assert call.response == "So: {'answer': 'Yes.',} {done}"
    assert call.repaired and not ledger.call(call.id, 0).repaired
    assert len(asked(caller)) == 2
    assert "JSON object is broken, or was cut off. Answer again." in asked(caller)[1][-1].text


@pytest.mark.parametrize("told", [{"finish_reason": "length"}, {"stop_reason": "max_tokens"}, {}])
def test_arguments_that_a_package_has_closed_are_no_reply(told: dict[str, str]) -> None:
    chunk = AIMessageChunk(
        content="",
        response_metadata=told,
        tool_call_chunks=[
            {
                "name": "Reply",
                "args": '{"answer": "Yes, if',
                "id": "1",
                "index": 0,
                "type": "tool_call_chunk",
            }
        ],
    )
    reply = message_chunk_to_message(chunk)
    assert isinstance(reply, AIMessage)
    assert reply.tool_calls[0]["args"] == {"answer": "Yes, if"}  # so the package makes it up
    if told:
        with pytest.raises(replies.Unusable, match="cut off"):
            replies.parse(text_of(reply), Reply)
    else:
        assert replies.parse(text_of(reply), Reply).value.answer == "Yes, if"


def recorded() -> Iterator[Object]:
    """Yield the recorded replies, and each with line breaks and tabs in its strings."""
    for line in (Path(RECORDED) / "calls.jsonl").read_text("utf-8").splitlines():
        reply = json.loads(line)["reply"]
        yield json.loads(reply)
        yield json.loads(reply.replace(". ", r".\n\n\t"))


@pytest.mark.skipif(not RECORDED, reason="ELENCHUS_REPLIES names no folder with calls.jsonl")
@pytest.mark.parametrize("variant", VARIANTS)
def test_recorded_replies_are_read_in_every_form(variant: str) -> None:
    missed = []
    values = list(recorded())
    for value in values:
        schema = create_model("Survey", **dict.fromkeys(value, (JsonValue, ...)))
        text = VARIANTS[variant](value, "Survey")
        try:
            if replies.parse(text, schema).value.model_dump() != value:
                missed.append(text)
        except replies.Unusable as error:
            missed.append(f"{error}: {text}")
    print(f"{variant}: {len(values) - len(missed)} of {len(values)}")
    assert values
    assert not missed
