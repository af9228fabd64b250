"""Reads the object of a schema in what a model said, however it is wrapped or misspelt.

An object is looked for as the reply spells it (`models/spelling.py`), and then within what is
wrapped around it: a call, a name, a list, a string. Nothing is made up: an object that was cut off
is not read, nor is one of several that differ.

The ledger keeps each reply as it came, and says which of them were repaired.
"""

import contextlib
import functools
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from elenchus.printing import in_line
from models.escapes import restored
from models.fitting import validated
from models.markup import arguments
from models.spelling import Found, NoObject, objects

Schema = TypeVar("Schema", bound=BaseModel)
SHOWN = 80  # characters of the names of fields in a reason
DEEPEST = 6  # wrappings around an object
RECENT = 100  # replies kept as they were read: one is first looked at, and then used

_ARGUMENTS = ("arguments", "parameters", "input")
_CALL = {"id", "type", "name", *_ARGUMENTS}
_LENIENT = json.JSONDecoder(strict=False)
# The first brace of a reply, and what an escaped quotation mark looks like.
_IN_STRING = re.compile(r"[^{]*(\{(?:\s|\\[nrt])*\\\")")
_IN_HTML = re.compile(r"[^{]*\{\s*&(?:quot|#34);")

_LIST = re.compile(r"\s*(?:```\w*\s*)?(\[.*\])\s*(?:```\s*)?", re.DOTALL)


class Unusable(Exception):
    """A reply holds no object that fits; the message is the reason that a model is shown."""


@dataclass(frozen=True)
class Reading(Generic[Schema]):
    """The object in a reply; one that was `repaired` does not stand there as JSON that fits."""

    value: Schema
    repaired: bool


def parse(text: str, schema: type[Schema]) -> Reading[Schema]:
    """Read the object of `schema` in a reply; one that is misspelt must be of the very types.

    Raises:
        Unusable: there is none, it was cut off, it does not fit, or several differ that do.
    """
    return _parsed(text, schema)


@functools.lru_cache(maxsize=RECENT)
def _parsed(text: str, schema: type[Schema]) -> Reading[Schema]:
    reasons: list[str] = []
    fitting: list[Reading[Schema]] = []
    try:
        for found in _found(text, schema):
            for reading in _readings(found, schema, reasons):
                if all(reading.value != other.value for other in fitting):
                    fitting.append(reading)
        if not fitting and (bare := _bare_list(text, schema)):
            fitting = _own(bare, schema, reasons)
    except RecursionError:
        raise Unusable("its JSON is nested too deeply") from None
    if not fitting:
        raise Unusable(reasons[0])
    if len(fitting) > 1:
        raise Unusable("it holds several JSON objects, where one is expected")
    return fitting[0]


def was_repaired(text: str, schema: type[BaseModel]) -> bool:
    """Tell whether a reply can be used, and had to be repaired for that."""
    try:
        return parse(text, schema).repaired
    except Unusable:
        return False


def _found(text: str, schema: type[BaseModel]) -> list[Found]:
    """Return the call that a reply marks up, or else its outermost objects.

    Raises:
        Unusable: there is none.
    """
    if called := arguments(text, schema):
        return [Found(called, repaired=True)]
    plain = _unescaped(text)
    try:
        return [replace(one, repaired=one.repaired or plain != text) for one in objects(plain)]
    except NoObject as error:
        if bare := _bare_list(text, schema):
            return [bare]
        raise Unusable(str(error)) from None


def _unescaped(text: str) -> str:
    """Return a reply as it was before all of it was put into a string, or into HTML."""
    if _IN_HTML.match(text):
        return html.unescape(text)
    if escaped := _IN_STRING.match(text):
        with contextlib.suppress(ValueError):
            return str(_LENIENT.decode(f'"{text[escaped.start(1) : text.rfind("}") + 1]}"'))
    return text


def _bare_list(text: str, schema: type[BaseModel]) -> Found | None:
    """Return the object around a list that is all of a reply, where nothing else is demanded."""
    demanded = [name for name, field in schema.model_fields.items() if field.is_required()]
    if len(demanded) == 1 and (whole := _LIST.fullmatch(text)):
        with contextlib.suppress(ValueError):
            return Found({demanded[0]: restored(json.loads(whole[1]))}, repaired=True)
    return None


def _readings(
    found: Found, schema: type[Schema], reasons: list[str], depth: int = 0
) -> list[Reading[Schema]]:
    """Return the objects of a schema in one that was found: itself, or else those within.

    Args:
        reasons: takes why objects do not fit; the first is that of one that names a field.
    """
    outer = found.value
    named = not schema.model_fields.keys().isdisjoint(outer)
    is_call = outer.keys() <= _CALL and any(
        isinstance(outer.get(k), dict | str) for k in _ARGUMENTS
    )
    own: list[Reading[Schema]] = []
    if named and not is_call:
        own = _own(found, schema, reasons)
        if own or len(outer) > 1:
            return own
    within = [
        reading
        for inner in (_within(found) if depth < DEEPEST else ())
        for reading in _readings(inner, schema, reasons, depth + 1)
    ]
    return within or own or (_own(found, schema, reasons) if is_call or not named else [])


def _own(found: Found, schema: type[Schema], reasons: list[str]) -> list[Reading[Schema]]:
    """Return an object as one of the schema; nothing where it does not fit."""
    named = not schema.model_fields.keys().isdisjoint(found.value)
    try:
        value, mended = validated(found.value, schema, strict=found.repaired)
    except ValidationError as error:
        reasons.insert(0 if named else len(reasons), _reason(error))
        return []
    if (
        found.value and not value.model_fields_set
    ):  # all fields have values of their own: it is something else
        reasons.append("it names no field of what is expected")
        return []
    return [Reading(value, found.repaired or found.restored or mended)]


def _within(found: Found) -> Iterator[Found]:
    """Yield the objects that an object is wrapped around, which may be spelt in strings."""
    for value in found.value.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield replace(found, value=inner)
            elif isinstance(inner, str) and inner.strip()[:1] == "{" and inner.strip()[-1:] == "}":
                with contextlib.suppress(NoObject):
                    for spelt in objects(inner):
                        yield replace(
                            spelt,
                            repaired=found.repaired or spelt.repaired,
                            restored=found.restored or spelt.restored,
                        )


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    # Names are the model's own, which is asked again with this reason.
    place = in_line(".".join(str(part) for part in first["loc"]), SHOWN)
    return f"{place}: {first['msg']}" if place else first["msg"]
