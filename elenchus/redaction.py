"""Secrets in texts: one place that knows them, for settings that may hold none, and for messages.

A server may echo a key in its error, and an address may hold a password. Messages and records of
failures pass `redacted`; settings, which are written into each run folder, pass `secret_in`.
"""

import functools
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

REDACTED = "[redacted]"
LEAST = 8  # characters from which the value of a variable is taken out of messages
LONG = 16  # likewise of settings, where "postgres" may be the name of a folder
PLACEHOLDERS = frozenset(("lm-studio", "not-needed", "no-key-required", "sk-no-key-required"))
# Endings of options that are given a secret, such as `api_key` or `extra_headers`.
OPTIONS = (
    "key", "secret", "password", "passwd", "token", "credential", "credentials", "headers",
    "authorization", "auth", "cookie",
)  # fmt: skip
ADDRESSES = ("ELENCHUS_DATABASE",)  # variables that hold one, with a password in it
_VARIABLE = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
# Of parameters and assignments; `max_tokens` and `sort_key` are none.
_NAME = (
    r"(?:[\w.]{1,40}[-_.])?(?:(?:api|access|account|auth|client|private|secret|subscription)[-_]?key|"
    r"secret|password|passwd|pwd|token|credentials?|signature|authorization)"
)
_SHAPES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A user, a password or both in an address; a password may hold any character.
        r"(?<=://)(?P<secret>[^\s/?#@:'\"]{0,200}:\S{0,500}|[^\s/?#@'\"]{1,200})@",
        rf"[?&;#](?:{_NAME}|key|sig|auth)=(?P<secret>[^\s&#'\"]+)",
        rf"['\"]{_NAME}['\"]\s*[:=,]\s*['\"](?P<secret>[^'\"]+)",
        rf"\b{_NAME}=(?P<secret>[^\s&#'\",;]+)",
        r"\b(?:x-)?api[-_]?key\s*:\s*['\"]?(?P<secret>[^\s'\",;}]+)",
        r"\bauthorization\s*:\s*['\"]?(?:bearer|basic|token)\s+(?P<secret>[^\s'\",;}]+)",
        r"\b(?:bearer|basic)\s+(?P<secret>(?=\S*\d)[\w.~+/=-]{8,})",
    )
) + tuple(
    re.compile(rf"(?<![\w-])(?P<secret>{pattern})")
    for pattern in (
        # What the keys of providers begin with; of a word with hyphens, no part is so long.
        r"(?:sk|pk|rk|gsk|xai|pplx|nvapi|tvly|glpat|gh[opsu]|github_pat|hf|r8|lsv2)[-_]"
        r"(?:\w{1,12}-){0,3}(?=\w*\d)\w{16,}[\w-]*",
        r"AIza[\w-]{30,}",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}",
        r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+",  # a JSON web token
    )
)


def redacted(text: str) -> str:
    """Return a text without the secrets in it: known ones, and what looks like one."""
    return redactor()(text)


def redactor() -> Callable[[str], str]:
    """Return `redacted` for many texts: it knows the secrets that the environment has now."""
    hide = hider()

    def redact(text: str) -> str:
        text = hide(text)
        for shape in _SHAPES:
            text = shape.sub(_hidden, text)
        return text

    return redact


def without_known(text: str, least: int = LEAST) -> str:
    """Return a text without the secrets of the environment that have `least` characters."""
    return _without(text, _known(least))


def hider() -> Callable[[str], str]:
    """Return `without_known` for many texts: it knows the secrets that the environment has now."""
    known = _known(LEAST)
    return lambda text: _without(text, known)


def secret_in(value: Any, options: bool = False) -> str | None:
    """Return where in a setting a secret stands, as dotted keys; None where none does.

    Args:
        options: names of keys tell secrets, too: they are arguments, and no words of the domain.
    """
    if isinstance(value, str):
        kept = without_known(value, LONG)
        return "" if any(shape.sub(_hidden, kept) != value for shape in _SHAPES) else None
    for name, item in _items(value, options):
        named = options and name.lower().endswith(OPTIONS)
        place = "" if named and item is not None else secret_in(item, options)
        if place is not None:
            return f"{name}.{place}".strip(".")
    return None


class RedactingFormatter(logging.Formatter):
    """Formats what a library logs, without the secrets that it may echo."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a log, with the traceback where there is one."""
        return redacted(super().format(record))


def _items(value: Any, options: bool) -> Iterator[tuple[str, Any]]:
    """Yield what a mapping or a list holds; pairs such as [name, value] as if they were mapped."""
    if isinstance(value, Mapping):
        if options and isinstance(name := value.get("name"), str):
            yield name, value.get("value")
        yield from ((str(name), item) for name, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if options and len(value) == 2 and isinstance(value[0], str):
            yield value[0], value[1]
        yield from ((str(place), item) for place, item in enumerate(value))


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def _hidden(match: re.Match[str]) -> str:
    start, end = (place - match.start() for place in match.span("secret"))
    return match[0][:start] + REDACTED + match[0][end:]


def _known(least: int) -> list[str]:
    """Return the secrets in the environment, the longest first: one may be part of another."""
    values = {os.environ[name].strip() for name in os.environ if _holds_secret(name)}
    values |= {password for name in ADDRESSES if (password := _password(os.environ.get(name, "")))}
    return sorted((v for v in values - PLACEHOLDERS if len(v) >= least), key=len, reverse=True)


@functools.lru_cache
def _password(address: str) -> str:
    """Return the password in an address; "" where there is none."""
    try:
        return unquote(urlsplit(address).password or "")
    except ValueError:  # it is no address
        return ""


@functools.lru_cache(maxsize=1000)
def _holds_secret(variable: str) -> bool:
    return _VARIABLE.search(variable) is not None
