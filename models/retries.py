"""Errors of model calls: which pass by themselves, which end the run, and how long to wait."""

import contextlib
import json
import random
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from langchain_core.exceptions import (
    ModelAuthenticationError,
    ModelError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
)

# Errors that LangChain's integrations raise.
FAILED: tuple[type[Exception], ...] = (
    ModelError,
    httpx.HTTPError,
    ConnectionError,
    TimeoutError,
    json.JSONDecodeError,
)
# Errors of the providers' packages that LangChain passes through. The packages may be absent.
UNTRANSLATED = {
    "ollama": "ResponseError",
    "openai": "APIStatusError",
    "anthropic": "APIStatusError",
}
REFUSED = frozenset((401, 402, 403, 404))  # key, payment, permission, model
PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
LATER = frozenset((503, 504, 529))  # the server has no time, now
QUOTA = frozenset(("insufficient_quota", "billing_hard_limit_reached"))  # a 429 that stays
# Anthropic's message for an account that is used up: a 400 without a code.
USED_UP = "credit balance is too low"
FIRST, LONGEST = 0.1, 30.0  # seconds
BELIEVED = 24 * 3600  # seconds; a longer pause that a server asks for is a mistake
# What an error says of a prompt that is too long, which may name `max_tokens`, too.
_TOO_LONG = re.compile(r"context|too long|input tokens|prompt", re.IGNORECASE)
# The name of a setting in quotation marks, or near a word for what is wrong with it.
_SETTING = (
    r"['\"`‘“]{0}['\"`’”]|\b{0}\b.{{0,60}}\b(?:support|allow|permit|must|invalid|unknown|deprecat|too)"
    r"|\b(?:unsupported|unknown|invalid|unrecogni[sz]ed|unexpected|extra)\b.{{0,60}}\b{0}\b"
)


def failed() -> tuple[type[Exception], ...]:
    """Return the errors of a call that was not answered.

    Packages that nobody has loaded raise none; loading all of them would take seconds.
    """
    loaded = ((sys.modules.get(package), name) for package, name in UNTRANSLATED.items())
    return (*FAILED, *(getattr(module, name) for module, name in loaded if module is not None))


def is_final(error: Exception) -> bool:
    """Tell whether no call to the model can succeed before somebody has seen to it."""
    classes = (ModelAuthenticationError, ModelPermissionDeniedError, ModelNotFoundError)
    code = getattr(error, "code", None)  # of any type
    spent = isinstance(code, str) and code in QUOTA
    spent = spent or (status(error) == 400 and USED_UP in str(error).lower())
    return spent or isinstance(error, classes) or status(error) in REFUSED


def is_transient(error: Exception) -> bool:
    """Tell whether the same call may succeed in a moment."""
    if is_final(error):
        return False
    if isinstance(error, ModelError) and error.is_retryable:
        return True
    code = status(error)
    # An error without a status is a connection that failed, or was cut: half a body is no JSON.
    return code in PASSING if code is not None else not isinstance(error, ModelError)


def is_broken(error: Exception) -> bool:
    """Tell whether a server failed at a call, which may be one that it cannot cope with."""
    code = status(error)
    return code is not None and code >= 500 and code not in LATER


def is_forbidden(error: Exception) -> bool:
    """Tell whether a call is forbidden: for the key, or for what the prompt says."""
    return isinstance(error, ModelPermissionDeniedError) or status(error) == 403


def refused_setting(error: Exception, names: Iterable[str]) -> str:
    """Return which of the settings a server refuses; "" where it is none of them."""
    text = str(error)
    if status(error) not in (400, 422) or _TOO_LONG.search(text):
        return ""
    param = getattr(error, "param", None)
    named = (n for n in names if n == param or re.search(_SETTING.format(re.escape(n)), text, re.I))
    return next(named, "")


def is_busy(error: Exception) -> bool:
    """Tell whether the server asks for fewer calls."""
    return isinstance(error, ModelRateLimitError) or status(error) == 429


def status(error: Exception) -> int | None:
    """Return the HTTP status of an error; None where it has none."""
    code = getattr(error, "status_code", None)
    return code if code is not None else getattr(_response(error), "status_code", None)


def delay(error: Exception, tried: int) -> float:
    """Return the seconds to wait after so many tries, no fewer than the server asks for.

    They are drawn at random from an interval that doubles with each try, so that calls which failed
    together do not come back together.
    """
    most = min(FIRST * 2 ** min(tried, 16), LONGEST)
    return max(random.uniform(0, most), _retry_after(error))


def _retry_after(error: Exception) -> float:
    """Return the seconds in a `Retry-After` header, a number or a date; 0 without a sound one."""
    response = _response(error)
    text = response.headers.get("retry-after", "") if response is not None else ""
    seconds = 0.0
    try:
        seconds = float(text)
    except ValueError:
        with contextlib.suppress(ValueError, OverflowError):
            later = parsedate_to_datetime(text).astimezone(UTC)
            seconds = (later - datetime.now(UTC)).total_seconds()
    return seconds if 0 < seconds <= BELIEVED else 0.0


def _response(error: Exception) -> Any:
    return getattr(error, "response", None)
