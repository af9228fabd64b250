"""The forms in which models write one object, that are no clean JSON."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

from models.reasoning import without_reasoning

Object = dict[str, Any]


def spelt(value: Any, quote: str = '"', raw: bool = False, trailing: bool = False) -> str:
    """Return a value nearly in JSON: in other quotes, with raw line breaks, or trailing commas."""
    more = "," if trailing else ""
    if isinstance(value, dict):
        pairs = (
            f"{spelt(k, quote, raw)}: {spelt(v, quote, raw, trailing)}" for k, v in value.items()
        )
        return "{" + ", ".join(pairs) + (more if value else "") + "}"
    if isinstance(value, list):
        inner = ", ".join(spelt(each, quote, raw, trailing) for each in value)
        return f"[{inner}{more if value else ''}]"
    if not isinstance(value, str):
        return json.dumps(value)
    inside = json.dumps(value, ensure_ascii=False)[1:-1]
    if raw:
        breaks = {r"\n": "\n", r"\t": "\t"}
        inside = re.sub(r"\\.", lambda m: breaks.get(m[0], m[0]), inside)
    if quote == "'":
        inside = inside.replace(r"\"", '"').replace("'", r"\'")
    return quote + inside + quote


def called(arguments: Any) -> str:
    return json.dumps({"name": "Reply", "arguments": arguments}, ensure_ascii=False)


VARIANTS: dict[str, Callable[[Object, str], str]] = {
    "as it is": lambda o, name: json.dumps(o),
    "fences, and prose with braces": lambda o, name: (
        f"The set {{x}} is asked for.\n```json\n{json.dumps(o, indent=2)}\n```\n"
        "Where {a, b} or \\frac{1}{2} stands, I took {it as {it} is}. So: {'done'"
    ),
    "raw line breaks": lambda o, name: spelt(o, raw=True),
    "its schema's name": lambda o, name: json.dumps({name: o}),
    "arguments": lambda o, name: json.dumps({"arguments": o}),
    "parameters": lambda o, name: json.dumps({"type": "function", "parameters": o}),
    "a call": lambda o, name: called(o),
    "a call in text": lambda o, name: f"<tool_call>\n{called(o)}\n</tool_call>",
    "a call with a string": lambda o, name: f"<tool_call>{called(json.dumps(o))}</tool_call>",
    "a string in single quotes": lambda o, name: called(spelt(o, "'")),
    "trailing commas": lambda o, name: spelt(o, trailing=True),
    "single quotes": lambda o, name: f"Sure: {spelt(o, quote=chr(39))} I'm done.",
    "both": lambda o, name: spelt(o, "'", trailing=True, raw=True),
    "channels": lambda o, name: without_reasoning(
        '<|channel|>analysis<|message|>Perhaps {"answer": "no", "value": 1}?<|end|><|start|>'
        f"assistant<|channel|>final <|constrain|>json<|message|>{json.dumps(o)}<|return|>"
    ),
    "channels without marks": lambda o, name: without_reasoning(
        'analysisPerhaps {"answer": "no", "value": 1}?assistantcommentary to=functions.Reply'
        f" json{json.dumps(o)}"
    ),
    "a list of calls": lambda o, name: json.dumps(
        {"tool_calls": [{"type": "function", "function": {"name": name, "arguments": o}}]}
    ),
    "a call's input": lambda o, name: json.dumps(
        {"type": "tool_use", "id": "1", "name": name, "input": o}
    ),
    "another name": lambda o, name: json.dumps({"final_answer": {"response": o}}),
    "the schema's properties": lambda o, name: json.dumps({"type": "object", "properties": o}),
    "a string": lambda o, name: json.dumps(json.dumps(o)),
    "HTML": lambda o, name: f"<pre>{html.escape(json.dumps(o))}</pre>",
    "comments": lambda o, name: (
        json.dumps(o, indent=1)
        .replace("{\n", "{ // an answer\n# so\n")
        .replace("\n}", "/* end */\n}")
    ),
    "marks of full width": lambda o, name: (
        "｛" + json.dumps(o)[1:-1].replace('": ', '"： ', 1) + "｝"
    ),
    "marks of no width": lambda o, name: "\ufeff{\u200b" + json.dumps(o)[1:],
    "another spelling of names": lambda o, name: json.dumps({k.title(): v for k, v in o.items()}),
}
