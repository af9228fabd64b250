"""Reads JSON objects that are nearly spelt as such.

Freedoms of JSON5, of Python and of word processors leave no doubt about what is meant. An object
with other faults is handed to json-repair, which mends what it can, and makes up or cuts off the
rest; so what it returns counts only where the text spells all of it, from the first brace to the
last. An object that was cut off is never read.
"""

import contextlib
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any

from json_repair import repair_json

from models.escapes import escaped, restored

TRIES = 20  # places at which a misspelt object may end
# Characters times marks that json-repair is given of one object: it may look through the rest of a
# text at each mark, a second for five millions. Usual replies of 10,000 characters stay below.
EFFORT = 30_000_000
# What json-repair raises at texts that it is not made for: of deep nesting, or a key at its end.
BREAKS = (ValueError, AssertionError, LookupError, AttributeError, TypeError)
MARKS = "\"'“”:,{}[]"

_STRICT = json.JSONDecoder()
_LENIENT = json.JSONDecoder(strict=False)  # line breaks and tabs may stand in strings
_COMMENT = r"//[^\n]*+|/\*.*?\*/|#[^\n]*+"
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"  # of no width
_GAP = re.compile(rf"(?:[\s,，{_UNSEEN}]|{_COMMENT})*+", re.DOTALL)  # possessive: linear
# One that is short, so that a text full of beginnings is read through in linear time.
_NEAR = rf"(?:[\s,，{_UNSEEN}]++|//[^\n]{{0,200}}|/\*.{{0,200}}?\*/|#[^\n]{{0,200}}){{0,8}}+"
# An object begins so; other braces are prose, or code.
_START = re.compile(rf"[{{｛](?={_NEAR}(?:[\"'“„«`}}]|[\w-]+\s*[:：]))", re.DOTALL)
# It ends after a value, or another end, and nothing follows that could be more of it.
_END = re.compile(
    r"(?:[\"'”\d\[\]{}]|\b(?:[Tt]rue|[Ff]alse|null|None))"
    rf"{_NEAR}\}}(?!\s*[,\]}}:\"'”])",
    re.DOTALL,
)
# Quotation marks other than JSON's. One within a text is told from its end by what follows.
_QUOTED = "|".join(
    rf"{opening}(?:[^\\{closing}]|\\.|[{closing}](?!\s*[:：,，\]}}｝]))*+[{closing}]"
    for opening, closing in (("“", "”"), ("„", "“”"), ("«", "»"), ("`", "`"))
)
_TOKEN = re.compile(
    r'(?P<long>"""(?:[^"\\]|\\.|"(?!""))*+""")'
    r"""|(?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
    rf"|(?P<other>{_QUOTED})|(?P<mark>[{{}}\[\]:,｛｝［］：，])"
    r"|(?P<key>[^\W\d][\w-]*+)(?=\s*[:：])|(?P<join>\+(?=\s*[\"']))|(?P<word>[\w.+-]++)"
    rf"|[\s{_UNSEEN}]++|{_COMMENT}",
    re.DOTALL,
)
_MARKS = str.maketrans("｛｝［］：，", "{}[]:,")
_NUMBER = re.compile(r"\+?(-?)(\d*)(?:\.(\d*))?((?:[eE][+-]?\d+)?)")  # of JSON5
_CLOSING = {'"': '"', "'": "'", "“": "”"}
_ENDS_HERE = re.compile(r"\s*(?:[,:}\]\"'“”]|\Z)")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|u\w{4}|.)", re.DOTALL)
_WORD = re.compile(r"[\w.+-]+")
_QUOTE = re.compile(r"\\.|\"", re.DOTALL)
_REQUOTED = {"\\'": "'", '"': '\\"'}
_PYTHON = {"True": "true", "False": "false", "None": "null"}


class NoObject(Exception):
    """A text holds no JSON object that can be read; the message says why."""


class _Misspelt(Exception):
    """A text does not spell a value."""


@dataclass(frozen=True)
class Found:
    """An object in a text.

    A `repaired` one is no JSON as it stands; in texts of a `restored` one, backslashes were lost.
    """

    value: dict[str, Any]
    repaired: bool = False
    restored: bool = False


def objects(text: str) -> list[Found]:
    """Return the outermost objects in a text, up to the first that cannot be read.

    There is no telling which braces are inside of that one.

    Raises:
        NoObject: there is none.
        RecursionError: it is nested too deeply.
    """
    found: list[Found] = []
    reason, at = "it holds no JSON object", 0
    while start := _START.search(text, at):
        try:
            value, at = _STRICT.raw_decode(text, start.start())
            found.append(_sound(value, repaired=False))
        except ValueError:
            mended = _mended(text, start.start())
            if mended is None:
                reason = "its JSON object is broken, or was cut off"
                break
            value, at = mended
            found.append(_sound(value, repaired=True))
    if not found:
        raise NoObject(reason)
    return found


def _sound(value: dict[str, Any], repaired: bool) -> Found:
    sound = restored(value)
    return Found(sound, repaired, restored=sound != value)


def _mended(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the object that is no JSON at a brace, and where it ends; None where it has none."""
    try:
        value, end = _LENIENT.raw_decode(text, start)
    except ValueError:
        return _relaxed(text, start) or _repaired(text, start)
    return value, end


def _relaxed(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the object that is spelt freely, but without doubt, at a brace, and where it ends."""
    written: list[str] = []
    at, depth, joins = start, 0, False
    while token := _TOKEN.match(text, at):
        at = token.end()
        if token["join"]:
            joins = bool(written) and written[-1].endswith('"')
        elif joins and token["string"]:  # "one" + "two"
            written[-1], joins = written[-1][:-1] + _as_json(token)[1:], False
        elif token.lastgroup:
            written.append(_as_json(token))
        if token["mark"]:
            mark = written[-1]
            if mark in "]}" and written[-2] == ",":
                del written[-2]
            depth += (mark in "[{") - (mark in "]}")
            if depth == 0:
                break
    try:
        value = _LENIENT.decode("".join(written))
    except ValueError:
        return None
    return (value, at) if isinstance(value, dict) else None


def _as_json(token: re.Match[str]) -> str:
    """Return a token of JSON5, of Python, or in other quotation marks, in JSON."""
    spelt = token[0]
    if token["key"]:
        return f'"{spelt}"'
    if token["mark"]:
        return spelt.translate(_MARKS)
    if token["word"]:
        return f" {_PYTHON.get(spelt) or _number(spelt)} "
    inside = spelt[3:-3] if token["long"] else spelt[1:-1]
    return '"' + _QUOTE.sub(lambda m: _REQUOTED.get(m[0], m[0]), escaped(inside)) + '"'


def _number(word: str) -> str:
    """Return a number of JSON5 (`+1`, `.5`, `5.`) in JSON, and any other word as it is."""
    number = _NUMBER.fullmatch(word)
    if number is None or not (number[2] or number[3]):
        return word
    fraction = "" if number[3] is None else f".{number[3] or '0'}"
    return f"{number[1]}{number[2] or '0'}{fraction}{number[4]}"


def _repaired(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Return the misspelt object that begins at a brace, and where it ends."""
    effort = 0
    for end in itertools.islice(_END.finditer(text, start), TRIES):
        broken = text[start : end.end()]
        effort += len(broken) * sum(map(broken.count, MARKS))
        if effort > EFFORT:
            break
        value = _guessed(broken)
        with contextlib.suppress(_Misspelt):
            if isinstance(value, dict) and _past(value, broken, 0) == len(broken):
                return value, end.end()
    return None


def _guessed(broken: str) -> Any:
    """Return what json-repair makes of a text; None where it breaks."""
    try:
        return repair_json(broken, return_objects=True, skip_json_loads=True)
    except BREAKS:
        return None


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
