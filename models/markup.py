"""Reads calls that a model has marked up argument by argument, as some chat templates teach it.

These are the forms of Qwen's coders, Anthropic's and MiniMax's (`<parameter name="…">`), and GLM's.
"""

import contextlib
import json
import re
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from models.escapes import restored

_ARGUMENT = re.compile(
    r"<parameter(?:=|\s+name=)[\"']?(?P<name>\w+)[\"']?\s*>(?P<value>(?:(?!<parameter).)*?)</parameter>"
    r"|<arg_key>\s*(?P<key>\w+)\s*</arg_key>\s*"
    r"<arg_value>(?P<argument>(?:(?!<arg_key>).)*?)</arg_value>",
    re.DOTALL,
)
_ENDS = re.compile(r"\s*</(?:\w+:)?(?:function|tool_call|invoke)>")


def arguments(text: str, schema: type[BaseModel]) -> dict[str, Any]:
    """Return the arguments of a call that is marked up; {} where there is none, or it was cut off.

    A text is kept as it stands where the schema takes one, and is read as JSON elsewhere.
    """
    found = list(_ARGUMENT.finditer(text))
    if not found or "{" in text[: found[0].start()] or not _ENDS.match(text, found[-1].end()):
        return {}
    values = {}
    for argument in found:
        name = argument["name"] or argument["key"]
        values[name] = _value(argument["value"] or argument["argument"] or "", name, schema)
    return values


def _value(spelt: str, name: str, schema: type[BaseModel]) -> Any:
    text = spelt.removeprefix("\n").removesuffix("\n")
    if name not in schema.model_fields:
        return text
    annotation: Any = schema.model_fields[name].annotation
    try:
        TypeAdapter(annotation).validate_python(text, strict=True)
    except ValidationError:
        with contextlib.suppress(ValueError, RecursionError):
            return restored(json.loads(text))
    return text
