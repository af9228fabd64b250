"""Reads the JSON object in what a model said, however it is wrapped or misspelt.

JSON is read as it stands. Only an object that is none is handed to json-repair, which mends what it
can and makes up or cuts off the rest; so what it returns counts only where the reply spells all of
it, from the first brace to the last. A reply that was cut off is never read.

The ledger keeps each reply as it came: `is_clean` tells which of them needed more than a parser.
"""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from json_repair import repair_json
from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound=BaseModel)
TRIES = 20  # places at which a misspelt object may end

_DECODER = json.JSONDecoder(strict=False)  # line breaks and tabs may stand in strings
_GAP = re.compile(r"(?:[\s,]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
# An object begins so; other braces are prose, or code.
_START = re.compile(
    rf"\{{(?={_GAP.pattern}(?:[\"'“}}]|[^\W\d][\w-]*\s*:))",
    re.DOTALL,
)
# It ends after a value, or another end, and nothing follows that could be more of it.
_END = re.compile(
    r"(?:[\"'”\d\[\]{}]|\b(?:[Tt]rue|[Ff]alse|null|None))[\s,]*\}(?!\s*[,\]}:\"'”])"
)
_CLOSING = {'"': '"', "'": "'", "“": "”"}
_ENDS_HERE = re.compile(r"\s*(?:[,:}\]\"'“”]|\Z)")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|u\w{4}|.)", re.DOTALL)
_WORD = re.compile(r"[\w.+-]+")
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_CALL = {"id", "type", "name", "arguments", "parameters"}
_CHANNEL, _MESSAGE = "<|channel|>", "<|message|>"


class Unusable(Exception):
    """A reply holds no object that fits; the message is the reason that a model is shown."""


class _Misspelt(Exception):
    """A text does not spell a value."""


def parse(text: str, schema: type[Schema]) -> Schema:
    """Return the object of `schema` in a reply; a repaired one must be of the very types.

    Raises:
        Unusable: there is none, it was cut off, it does not fit, or several differ that do.
    """
    fitting: list[Schema] = []
    reason = ""
    for found, repaired in _candidates(text, schema):
        try:
            fits = schema.model_validate_json(json.dumps(found), strict=repaired or None)
        except ValidationError as error:
            reason = reason or _reason(error)
        else:
            fitting += [fits] if fits not in fitting else []
    if not fitting:
        raise Unusable(reason)
    if len(fitting) > 1:
        raise Unusable("it holds several JSON objects, where one is expected")
    return fitting[0]


def read(text: str, schema: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the first JSON object in a reply, out of its wrapping, without checking its fields.

    Args:
        schema: what was asked for: objects that name a field of it come first.

    Raises:
        Unusable: there is none, or it was cut off.
    """
    return _candidates(text, schema)[0][0]


def is_clean(text: str) -> bool:
    """Tell whether a reply is a JSON object and nothing else."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _candidates(text: str, schema: type[BaseModel] | None) -> list[tuple[dict[str, Any], bool]]:
    """Return the objects of a reply, and which of them were repaired.

    Where some name a field of the schema, these alone are returned.
    """
    fields, name = (set(schema.model_fields), schema.__name__) if schema else (set(), "")
    try:
        found = list(_objects(_final(text)))
        everything = [(_unwrapped(value, name, fields), mended) for value, mended in found]
    except RecursionError:
        raise Unusable("its JSON is nested too deeply") from None
    return [pair for pair in everything if fields & set(pair[0])] or everything


def _final(text: str) -> str:
    """Return the last message of a reply in Harmony's channels that is no analysis."""
    if not is_clean(text) and _CHANNEL in text:
        channels = text.split(_CHANNEL)[1:]
        said = [channel for channel in channels if not channel.lstrip().startswith("analysis")]
        return said[-1].partition(_MESSAGE)[2] if said else ""
    return text


def _objects(text: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the outermost objects in a text, and whether each was repaired.

    After one that cannot be read there is no telling what is inside it, and what is not.
    """
    at, some = 0, False
    while start := _START.search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, start.start())
            yield value, False
        except ValueError:
            mended = _repaired(text, start.start())
            if mended is None:
                if some:
                    return
                raise Unusable("its JSON object is broken, or was cut off") from None
            value, at = mended
            yield value, True
        some = True
    if not some:
        raise Unusable("it holds no JSON object")


def _repaired(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the misspelt object that begins at a brace, and where it ends."""
    for end in itertools.islice(_END.finditer(text, start), TRIES):
        value = repair_json(text[start : end.end()], return_objects=True, skip_json_loads=True)
        if isinstance(value, dict):
            try:
                if _past(value, text, start) == end.end():
                    return value, end.end()
            except _Misspelt:
                continue
    return None


def _unwrapped(found: dict[str, Any], name: str, fields: set[str]) -> dict[str, Any]:
    """Return the object that is wrapped as the arguments of a call, or in its schema's name."""
    inner: Any = None
    if len(found) == 1 and name and next(iter(found)).casefold() == name.casefold():
        (inner,) = found.values()
    elif set(found) <= _CALL and len(found.keys() & {"arguments", "parameters"}) == 1:
        inner = found.get("arguments", found.get("parameters"))
    if isinstance(inner, str):
        try:
            inner, _ = next(_objects(inner))
        except Unusable:
            return found
    if not isinstance(inner, dict):
        return found
    inner = _unwrapped(inner, name, fields)
    return inner if not fields or fields & set(inner) else found


def _past(value: Any, text: str, at: int) -> int:
    """Return the place in a text after the spelling of a value.

    Raises:
        _Misspelt: the text spells something else there.
    """
    match value:
        case dict():
            at = _past_mark("{", text, at)
            for key, inner in value.items():
                at = _past_mark(":", text, _past_string(key, text, at, bare=True))
                at = _past(inner, text, at)
            return _past_mark("}", text, at)
        case list():
            at = _past_mark("[", text, at)
            for inner in value:
                at = _past(inner, text, at)
            return _past_mark("]", text, at)
        case str():
            return _past_string(value, text, at)
    word = _WORD.match(text, _past_gap(text, at))
    if word is None or _PYTHON.get(word[0], word[0]) != json.dumps(value):
        raise _Misspelt
    return word.end()


def _past_gap(text: str, at: int) -> int:
    """Return the place after white space, commas and comments."""
    gap = _GAP.match(text, at)
    assert gap is not None  # it may be empty
    return gap.end()


def _past_mark(mark: str, text: str, at: int) -> int:
    at = _past_gap(text, at)
    if not text.startswith(mark, at):
        raise _Misspelt
    return at + 1


def _past_string(value: str, text: str, at: int, bare: bool = False) -> int:
    """Return the place after a string's closing quotation mark, or after a bare word."""
    at = _past_gap(text, at)
    if not (closing := _CLOSING.get(text[at : at + 1])):
        word = _WORD.match(text, at)
        if bare and word and word[0] == value:
            return word.end()
        raise _Misspelt
    at, done = at + 1, 0
    while done < len(value):
        spelt, length = _character(value, done, text, at)
        # A mark that looks like the string's end is its end, whatever was made of it.
        if text.startswith(closing, at) and _ENDS_HERE.match(text, at + 1):
            raise _Misspelt
        at, done = at + spelt, done + length
    if not text.startswith(closing, at):
        raise _Misspelt
    return at + 1


def _character(value: str, done: int, text: str, at: int) -> tuple[int, int]:
    """Return the length of the next character in a text, and that of what it spells of a value."""
    if (escape := _ESCAPE.match(text, at)) is not None:
        try:
            meant = json.loads(f'"{escape[0]}"')
        except ValueError:  # no escape of JSON: for itself, or for what follows
            meant = escape[0] if value.startswith("\\", done) else escape[0][1:]
        if value.startswith(meant, done):
            return len(escape[0]), len(meant)
    elif text.startswith(value[done], at):
        return 1, 1
    raise _Misspelt


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
