"""Reads the JSON object in what a model said, however it is wrapped or misspelt.

JSON is read as it stands, then with the freedoms of JSON5, which leave no doubt either. An object
that is neither is handed to json-repair, which mends what it can, and makes up or cuts off the
rest; so what it returns counts only where the reply spells all of it, from the first brace to the
last. A reply that was cut off is never read.

The ledger keeps each reply as it came: `is_clean` tells which of them needed more than a parser.
"""

import itertools
import json
import re
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from json_repair import repair_json
from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound=BaseModel)
TRIES = 20  # places at which a misspelt object may end

_DECODER = json.JSONDecoder(strict=False)  # line breaks and tabs may stand in strings
_GAP = re.compile(r"(?:[\s,]|//[^\n]*+|/\*.*?\*/)*+", re.DOTALL)  # possessive: linear
# An object begins so; other braces are prose, or code.
_START = re.compile(rf"\{{(?={_GAP.pattern}(?:[\"'“}}]|[\w-]+\s*:))", re.DOTALL)
# It ends after a value, or another end, and nothing follows that could be more of it.
_END = re.compile(
    r"(?:[\"'”\d\[\]{}]|\b(?:[Tt]rue|[Ff]alse|null|None))"
    rf"{_GAP.pattern}\}}(?!\s*[,\]}}:\"'”])",
    re.DOTALL,
)
# Of an object in JSON5.
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')|(?P<mark>[{}\[\]:,])"""
    r"""|(?P<key>[^\W\d][\w-]*+)(?=\s*:)|(?P<word>[\w.+-]++)|\s++|//[^\n]*+|/\*.*?\*/""",
    re.DOTALL,
)
_CLOSING = {'"': '"', "'": "'", "“": "”"}
_ENDS_HERE = re.compile(r"\s*(?:[,:}\]\"'“”]|\Z)")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|u\w{4}|.)", re.DOTALL)
_WORD = re.compile(r"[\w.+-]+")
_QUOTE = re.compile(r"\\.|\"", re.DOTALL)
_REQUOTED = {"\\'": "'", '"': '\\"'}
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_ARGUMENTS = {"arguments", "parameters"}
_CALL = {"id", "type", "name", *_ARGUMENTS}
_CHANNEL, _MESSAGE = "<|channel|>", "<|message|>"


class Unusable(Exception):
    """A reply holds no object that fits; the message is the reason that a model is shown."""


class _Misspelt(Exception):
    """A text does not spell a value."""


@dataclass(frozen=True)
class _Found:
    """An object in a reply."""

    value: dict[str, Any]
    repaired: bool = False


def parse(text: str, schema: type[Schema]) -> Schema:
    """Return the object of `schema` in a reply; a repaired one must be of the very types.

    Raises:
        Unusable: there is none, it was cut off, it does not fit, or several differ that do.
    """
    fitting: list[Schema] = []
    reason = ""
    for found in _candidates(text, schema):
        try:
            shown = json.dumps(found.value)
            fits = schema.model_validate_json(shown, strict=found.repaired or None)
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
    return _candidates(text, schema)[0].value


def is_clean(text: str) -> bool:
    """Tell whether a reply is a JSON object and nothing else."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _candidates(text: str, schema: type[BaseModel] | None) -> list[_Found]:
    """Return the objects of a reply out of their wrapping.

    Where some name a field of the schema, these alone are returned.
    """
    fields, name = (set(schema.model_fields), schema.__name__) if schema else (set(), "")
    try:
        found = [_unwrapped(each, name, fields) for each in _objects(_final(text))]
    except RecursionError:
        raise Unusable("its JSON is nested too deeply") from None
    return [each for each in found if fields & set(each.value)] or found


def _final(text: str) -> str:
    """Return the last message of a reply in Harmony's channels that is no analysis."""
    if not is_clean(text) and _CHANNEL in text:
        channels = text.split(_CHANNEL)[1:]
        said = [channel for channel in channels if not channel.lstrip().startswith("analysis")]
        return said[-1].partition(_MESSAGE)[2] if said else ""
    return text


def _objects(text: str) -> list[_Found]:
    """Return the outermost objects in a text, up to the first that cannot be read.

    There is no telling which braces are inside of that one.

    Raises:
        Unusable: there is none.
    """
    found: list[_Found] = []
    reason, at = "it holds no JSON object", 0
    while start := _START.search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, start.start())
            found.append(_Found(value))
        except ValueError:
            mended = _relaxed(text, start.start()) or _repaired(text, start.start())
            if mended is None:
                reason = "its JSON object is broken, or was cut off"
                break
            value, at = mended
            found.append(_Found(value, repaired=True))
    if not found:
        raise Unusable(reason)
    return found


def _relaxed(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the object in JSON5, or as Python shows it, at a brace, and where it ends."""
    written: list[str] = []
    at, depth = start, 0
    while token := _TOKEN.match(text, at):
        at = token.end()
        if token.lastgroup:
            written.append(_as_json(token))
        if token["mark"]:
            if token[0] in "]}" and written[-2] == ",":
                del written[-2]
            depth += (token[0] in "[{") - (token[0] in "]}")
            if depth == 0:
                break
    try:
        return _DECODER.decode("".join(written)), at
    except ValueError:
        return None


def _as_json(token: re.Match[str]) -> str:
    """Return a token of JSON5, or of Python, in JSON."""
    if token["key"]:
        return f'"{token[0]}"'
    if token["word"]:
        return f" {_PYTHON.get(token[0], token[0])} "
    if token["string"]:
        inside = _QUOTE.sub(lambda m: _REQUOTED.get(m[0], m[0]), token[0][1:-1])
        return f'"{inside}"'
    return token[0]


def _repaired(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the misspelt object that begins at a brace, and where it ends."""
    for end in itertools.islice(_END.finditer(text, start), TRIES):
        broken = text[start : end.end()]
        try:
            value = repair_json(broken, return_objects=True, skip_json_loads=True)
            if isinstance(value, dict) and _past(value, broken, 0) == len(broken):
                return value, end.end()
        except (_Misspelt, ValueError):  # the latter where it is nested too deeply
            continue
    return None


def _unwrapped(found: _Found, name: str, fields: set[str]) -> _Found:
    """Return the object that is wrapped as the arguments of a call, or in its schema's name."""
    outer = found.value
    inner: Any = None
    if len(outer) == 1 and name and next(iter(outer)).casefold() == name.casefold():
        (inner,) = outer.values()
    elif set(outer) <= _CALL and len(outer.keys() & _ARGUMENTS) == 1:
        inner = outer.get("arguments", outer.get("parameters"))
    if isinstance(inner, str):
        try:
            within = _objects(inner)[0]
        except Unusable:
            return found
    elif isinstance(inner, dict):
        within = _Found(inner)
    else:
        return found
    within = _unwrapped(within, name, fields)
    if fields and not fields & set(within.value):
        return found
    return replace(within, repaired=within.repaired or found.repaired)


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
    return _past_word(value, text, _past_gap(text, at))


def _past_word(value: Any, text: str, at: int) -> int:
    """Return the place after a number, a truth value, or null."""
    if word := _WORD.match(text, at):
        try:
            meant = json.loads(_PYTHON.get(word[0], word[0]))
        except ValueError:
            raise _Misspelt from None
        if meant == value and type(meant) is type(value):
            return word.end()
    raise _Misspelt


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
