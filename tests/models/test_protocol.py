"""Bodies of OpenAI's protocol: whatever a server writes is an answer, or one error of a model."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ModelError
from pydantic import BaseModel

from models import replies, retries
from models.protocol import refusal, reply_of
from models.reasoning import without_reasoning
from models.structured import finish_reason


def body(message: dict[str, Any], **beside: Any) -> str:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **beside})


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": "R", "arguments": arguments}}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "Yes."}, "Yes."),
        ({"content": None}, ""),
        ({"content": {"answer": "Yes."}}, '{"answer": "Yes."}'),
        ({"content": {"type": "text", "text": "Yes."}}, "Yes."),
        ({"content": [{"type": "output_text", "text": "Ye"}, {"text": "s."}]}, "Yes."),
        ({"content": ["Ye", "s."]}, "Yes."),
        ({"content": [{"type": "reasoning", "text": "So"}, {"type": "text", "text": "Y"}]}, "Y"),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "image_url"}]}, ""),
        ({"content": None, "refusal": "I will not."}, "I will not."),
        ({"content": None, "tool_calls": [call('{"a": 1}')]}, '{"a": 1}'),
        ({"content": "So:", "tool_calls": [call({"a": 1})]}, '{"a": 1}'),
        ({"content": "Yes.", "tool_calls": [call("")]}, "Yes."),
        ({"content": "Yes.", "tool_calls": None}, "Yes."),
        ({"tool_calls": [call("{}"), call("{}")]}, "{}"),
        ({"content": None, "function_call": {"name": "R", "arguments": {"a": 1}}}, '{"a": 1}'),
    ],
)
def test_what_a_message_says(message: dict[str, Any], text: str) -> None:
    assert reply_of(body(message)).text == text


def test_completions_of_other_protocols_are_read() -> None:
    part = {"type": "output_text", "text": "Yes."}
    output = [{"type": "reasoning"}, {"type": "message", "content": [part]}]
    usage = {"input_tokens": 12, "output_tokens": 3}
    reply = reply_of(json.dumps({"output": output, "usage": usage}))
    assert reply.text == "Yes." and reply.usage_metadata["input_tokens"] == 12
    assert reply_of('\ufeff{"choices": [{"text": "Yes.\n"}]}').text == "Yes.\n"


@pytest.mark.parametrize(
    ("text", "passes", "status", "says"),
    [
        ('{"choices": [{"message": {"cont', True, None, "no whole answer"),
        ("", True, None, "no whole answer"),
        ("<!DOCTYPE html><title>Log in</title>", False, None, "is base_url right"),
        ('{"choices": []}', False, None, "is base_url right"),
        ('{"choices": [{"message": {}}], "a": tru', True, None, "no whole answer"),
        ('data: {"choices": []}', False, None, "is base_url right"),
        ("{'choices': []}", False, None, "is base_url right"),
        ('{"choices": []} {"choices": []}', False, None, "is base_url right"),
        ('{"choices": ' + "9" * 5000, False, None, "is base_url right"),
        ("[]", False, None, "is base_url right"),
        ("5", False, None, "is base_url right"),
        ('{"choices": 5}', False, None, "is base_url right"),
        ('{"choices": [{"message": {"content": 5}}]}', False, None, "is base_url right"),
        ('{"choices": ' + "[" * 100_000, False, None, "nested too deeply"),
        ('{"error": "no such option"}', False, 400, "no such option"),
        ('{"error": {"message": "full", "code": 429}}', True, 429, "full"),
        ('{"error": {"message": "down", "code": "502"}}', True, 502, "down"),
        ('{"error": {"message": "no", "code": "invalid_api_key"}}', False, 401, "no"),
        ('{"error": {"message": "full", "type": "rate_limit_error"}}', True, 429, "full"),
        ('{"error": {"message": "no", "code": [1]}}', False, 400, "no"),
        ('{"error": {"message": "no", "code": 1e400}}', False, 400, "no"),
        ('{"choices": [{"error": {"message": "cut", "code": 502}}]}', True, 502, "cut"),
        ('{"detail": [{"msg": "Field required"}]}', False, 400, "Field required"),
        ('{"object": "error", "message": "no", "code": 40303}', False, 400, "no"),
    ],
)
def test_what_is_no_answer(text: str, passes: bool, status: int | None, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        reply_of(text)
    assert retries.is_transient(caught.value) is passes
    assert retries.status(caught.value) == status


def test_what_a_server_says_is_told_in_a_line() -> None:
    said = str(refusal(400, json.dumps({"error": {"message": "no\nsuch " + "x" * 5000}})))
    assert said.startswith("400: no such xxx") and len(said) < 600


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 12, "completion_tokens": 3}, (12, 3)),
        ({"prompt_tokens": 12, "completion_tokens": 0, "total_tokens": 12}, (12, 0)),
        (None, None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": 12}, None),
        ({"prompt_tokens": -12, "completion_tokens": 3}, None),
        ({"prompt_tokens": True, "completion_tokens": 3}, None),
        ({"prompt_tokens": "12", "completion_tokens": 3}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 3}, None),
    ],
)
def test_usage_is_read_strictly(usage: Any, counted: tuple[int, int] | None) -> None:
    told = reply_of(body({"content": "Yes."}, usage=usage)).usage_metadata
    assert (told and (told["input_tokens"], told["output_tokens"])) == counted


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>So.</think>Yes.", "Yes."),
        ("So.</think>\nYes.", "Yes."),
        ("<think>So. And", ""),
        ("<thinking>So.</thinking> Yes.", "Yes."),
        ("[THINK]So.[/THINK]Yes.", "Yes."),
        ("◁think▷So.◁/think▷Yes.", "Yes."),
        ("Yes: <thinking> is a tag.", "Yes: <thinking> is a tag."),
        ('{"answer": "<think>{</think>"}', '{"answer": "<think>{</think>"}'),
        (
            "<|channel|>analysis<|message|>So.<|end|><|start|>assistant<|channel|>final<|message|>Y",
            "Y",
        ),
        ("<|start|>assistant<|channel|>final<|message|>Yes.<|return|>", "Yes."),
        ("<|channel|>analysis<|message|>So. And", ""),
        ("analysisSo.assistantfinalYes.", "Yes."),
        ("analysis of the rule: it holds.", "analysis of the rule: it holds."),
    ],
)
def test_what_was_thought_aloud_is_left_out(text: str, left: str) -> None:
    assert without_reasoning(text) == left


# Pieces of bodies and replies, of which anything may be put together.
_PIECES = [
    *'{}[]:,"\'\\\n5+', "null", "true", "NaN", "1e400", "-4", "<html>", "\u200b", "“", "„", "｛",
    '{"choices": [', '{"message": ', '"content": ', '"tool_calls": [', '{"function": {"arguments":',
    '"finish_reason": ', '"usage": {"prompt_tokens": ', '{"error": ', '"code": ', '"detail": ',
    '{"answer": "x"', "//", "/*", "*/", "#", "<think>", "</think>", "<|channel|>final<|message|>",
    "<parameter=answer>", "</parameter>", "</function>", "&quot;", '{\\"', "analysis",
    "assistantfinal", '"""', '"arguments": ', "[" * 9000, "9" * 5000, "\ud83d", "\x00",
]  # fmt: skip
_TEXTS = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=30).map("".join)


class Reply(BaseModel):
    """The schema of a short reply."""

    answer: str
    points: list[str] = []


@given(_TEXTS)
def test_any_body_is_an_answer_or_an_error_of_a_model(text: str) -> None:
    with contextlib.suppress(ModelError):
        finish_reason(reply_of(text))
    error = refusal(400, text)
    assert not retries.is_transient(error)
    assert retries.refused_setting(error, ("temperature",)) in ("", "temperature")


@given(_TEXTS)
def test_any_reply_is_read_or_said_to_be_unusable(text: str) -> None:
    with contextlib.suppress(replies.Unusable):
        replies.parse(without_reasoning(text), Reply)
