"""Fits an object that a model wrote into a schema, where only its form differs.

Names may be spelt in another case, and lists and objects may stand in strings, as models and the
packages around them write arguments of calls.
"""

import contextlib
import functools
import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from models.escapes import restored

Schema = TypeVar("Schema", bound=BaseModel)
# Of pydantic's errors: a string stands where something else is expected.
_NOT_A_STRING = frozenset(("list_type", "tuple_type", "dict_type", "model_type"))
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[\s_-]+")


def validated(value: dict[str, Any], schema: type[Schema], strict: bool) -> tuple[Schema, bool]:
    """Return a value as an object of the schema, and whether its form had to be mended.

    Args:
        strict: demand the very types, so that no number is taken out of a string.

    Raises:
        ValidationError: it does not fit, or would not if it were mended.
    """
    try:
        return _as(schema, value, strict), False
    except ValidationError as error:
        mended = _opened(_respelt(value, _names(schema)), error)
        if mended == value:
            raise
        try:
            return _as(schema, mended, strict), True
        except ValidationError:
            raise error from None


def _as(schema: type[Schema], value: Any, strict: bool) -> Schema:
    return schema.model_validate_json(json.dumps(value), strict=strict or None)


@functools.cache
def _names(schema: type[BaseModel]) -> dict[str, str]:
    """Return the names of all fields of a schema and of those within, by their plain spelling."""
    shape = schema.model_json_schema()
    parts = [shape, *shape.get("$defs", {}).values()]
    return {_plain(name): name for part in parts for name in part.get("properties", {})}


def _plain(name: str) -> str:
    """Return a name in lower case, with underscores between its words."""
    return _BETWEEN.sub("_", _WORD_BEGINS.sub("_", name.strip())).casefold()


def _respelt(value: Any, names: dict[str, str]) -> Any:
    """Return a copy of a value in which the names of fields are spelt as in the schema."""
    if isinstance(value, list):
        return [_respelt(inner, names) for inner in value]
    if not isinstance(value, dict):
        return value
    known = frozenset(names.values())
    respelt: dict[str, Any] = {}
    for key, inner in value.items():
        name: str = key
        if key not in known:
            name = names.get(_plain(key)) or key
        respelt[key if name in value else name] = _respelt(inner, names)
    return respelt


def _opened(value: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """Return a value in which lists and objects that stand in strings are none any more.

    It is changed in place.
    """
    for fault in error.errors():
        steps: list[Any] = list(fault["loc"])
        if fault["type"] not in _NOT_A_STRING or not isinstance(fault["input"], str):
            continue
        with contextlib.suppress(LookupError, TypeError, ValueError, RecursionError):
            place: Any = value
            for step in steps[:-1]:
                place = place[step]
            place[steps[-1]] = restored(json.loads(fault["input"]))
    return value
