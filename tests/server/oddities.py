"""Answers of servers that speak otherwise, drawn as faults are, and habits that a server keeps.

An oddity is one answer in another form, or one that nobody can use. A habit is of every answer.
"""

import functools
import json
import re
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from aiohttp import web

MEGABYTE = b" " * 2**20
BOMB, LONG = 1024, 24  # megabytes of a body that is packed, and of one that is not
DEPTH = 200_000
Message = dict[str, Any]


class Oddity(StrEnum):
    """One answer that is not as the protocol has it."""

    # They are read.
    BRACES = "braces around JSON"
    NAMED = "JSON under a name"
    CALL_TEXT = "<tool_call> as text"
    MARKED_UP = "call in markup"
    RAW_BREAKS = "raw line breaks"
    TRAILING = "trailing comma"
    SINGLE = "single quotes"
    HARMONY = "Harmony channels"
    BARE_HARMONY = "Harmony without marks"
    PARTS = "output_text parts"
    OBJECT = "arguments as an object"
    CONTENT_OBJECT = "content as an object"
    IN_STRING = "JSON in a string"
    # They are failures of their calls.
    THOUGHT = "only reasoning"
    ERROR_200 = "error with status 200"
    HTML = "HTML"
    DEEP = "nested body"
    CODE_LIST = "error code as a list"
    BOMB = "gzip bomb"
    HUGE_BODY = "endless body"
    AWAY = "redirect to another host"
    # They are waited out.
    YEAR_9999 = "Retry-After in 9999"


class Habit(StrEnum):
    """One thing that a server does with every call."""

    MODERATES = "403 to one prompt in four"
    BREAKS_AT_SCHEMA = "500 to json_schema"
    NO_SYSTEM = "no system role"
    NO_TEMPERATURE = "no temperature"
    NO_MAX_TOKENS = "no max_tokens"
    NO_MODELS = "no /models"
    ANY_MODEL = "* in /models"
    MODELS_AWAY = "redirect of /models to another host"
    ENDLESS_MODELS = "gzip bomb as /models"
    NO_USAGE = "no usage"
    NEGATIVE_USAGE = "usage below zero"
    INFINITE_USAGE = "1e400 tokens"
    ABSURD_USAGE = "a billion tokens"
    TINY_USAGE = "one token"


READ = frozenset(list(Oddity)[: list(Oddity).index(Oddity.THOUGHT)])
LOST = frozenset(list(Oddity)[list(Oddity).index(Oddity.THOUGHT) :]) - {Oddity.YEAR_9999}
USAGES = {
    Habit.NEGATIVE_USAGE: '{"prompt_tokens": -5, "completion_tokens": 3}',
    Habit.INFINITE_USAGE: '{"prompt_tokens": 1e400, "completion_tokens": 1e400}',
    Habit.ABSURD_USAGE: '{"prompt_tokens": 1000000000, "completion_tokens": 1000000000}',
    Habit.TINY_USAGE: '{"prompt_tokens": 1, "completion_tokens": 1}',
    Habit.NO_USAGE: "null",
}


def response(oddity: Oddity | None) -> web.Response | None:
    """Return an answer without a completion; None where an oddity has one."""
    match oddity:
        case Oddity.ERROR_200:
            return _json({"error": {"message": "No model can take this.", "code": "unknown"}})
        case Oddity.HTML:
            return web.Response(text="<html>Please log in.</html>", content_type="text/html")
        case Oddity.DEEP:
            return web.Response(text='{"choices": ' + "[" * DEPTH, content_type="application/json")
        case Oddity.CODE_LIST:
            return _json({"error": {"message": "No.", "code": [400], "param": {"a": 1}}}, 400)
        case Oddity.BOMB:
            return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})
        case Oddity.HUGE_BODY:
            return web.Response(body=MEGABYTE * LONG)
        case Oddity.AWAY:
            return web.Response(status=307, headers={"Location": "http://models.invalid/v1"})
        case Oddity.YEAR_9999:
            after = {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}
            return _json({"error": {"message": "Please try again."}}, 429, after)
    return None


@functools.cache
def _bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(MEGABYTE) for _ in range(BOMB)) + packer.flush()


def message(text: str, oddity: Oddity | None) -> Message:
    """Return the message of a completion, in the form of an oddity."""
    usual = {"role": "assistant", "content": text}
    match oddity:
        case Oddity.THOUGHT:
            return usual | {"content": None, "reasoning_content": "Let me see. " * 20}
        case Oddity.PARTS:
            return usual | {"content": [{"type": "output_text", "text": text, "annotations": []}]}
        case Oddity.OBJECT if text.startswith("{"):
            function = {"name": "reply", "arguments": json.loads(text)}
            return usual | {"content": None, "tool_calls": [{"id": "1", "function": function}]}
        case Oddity.CONTENT_OBJECT if text.startswith("{"):
            return usual | {"content": json.loads(text)}
    return usual | {"content": _respelt(text, oddity) if oddity else text}


def _respelt(text: str, oddity: Oddity) -> str:
    """Return a JSON object as an oddity spells it."""
    if not text.startswith("{"):
        return text
    value = json.loads(text)
    match oddity:
        case Oddity.BRACES:
            return f"The set {{x}}:\n```json\n{text}\n```\nI left {{a: b}} and {{'c': 1}} out."
        case Oddity.NAMED:
            return json.dumps({"reply": value})
        case Oddity.CALL_TEXT:
            return f"<tool_call>{json.dumps({'name': 'reply', 'arguments': value})}</tool_call>"
        case Oddity.MARKED_UP:
            return f"<tool_call><function=reply>{_marked_up(value)}</function></tool_call>"
        case Oddity.RAW_BREAKS:
            return re.sub(r"\\.", lambda m: {r"\n": "\n", r"\t": "\t"}.get(m[0], m[0]), text)
        case Oddity.TRAILING:
            return text.rstrip()[:-1] + ",}"
        case Oddity.SINGLE:
            return repr(value)
        case Oddity.HARMONY:
            thought = '<|channel|>analysis<|message|>Is it {"answer": 1}?<|end|><|start|>assistant'
            return f"{thought}<|channel|>final<|message|>{text}<|return|>"
        case Oddity.BARE_HARMONY:
            return f'analysisIs it {{"answer": 1}}?assistantfinal{text}'
        case Oddity.IN_STRING:
            return json.dumps(text)
    return text


def _marked_up(value: Mapping[str, Any]) -> str:
    """Return the arguments of a call in markup: texts as they are, all else in JSON."""
    spelt = {k: v if isinstance(v, str) else json.dumps(v) for k, v in value.items()}
    return "\n".join(f"<parameter={k}>\n{v}\n</parameter>" for k, v in spelt.items())


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers=headers)
