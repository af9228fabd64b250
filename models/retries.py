"""Which errors of a model call pass by themselves, which end the run, and how long to wait."""

import json
import random
import sys
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

# What LangChain's integrations raise.
FAILED: tuple[type[Exception], ...] = (
    ModelError,
    httpx.HTTPError,
    ConnectionError,
    TimeoutError,
    json.JSONDecodeError,
)
# What comes through where one does not translate it: of packages, which may be absent.
THROUGH = {"ollama": "ResponseError", "openai": "APIStatusError", "anthropic": "APIStatusError"}
REFUSED = frozenset((401, 402, 403, 404))  # key, payment, permission, model
PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
QUOTA = frozenset(("insufficient_quota", "billing_hard_limit_reached"))  # a 429 that stays
# Anthropic's 400 for an account that is used up, which has no code of its own.
USED_UP = "credit balance is too low"
FIRST, LONGEST = 0.1, 30.0  # seconds


def failed() -> tuple[type[Exception], ...]:
    """The errors of a call that was not answered.

    A package that nobody has loaded raises none, and to load all of them takes seconds.
    """
    loaded = ((sys.modules.get(package), name) for package, name in THROUGH.items())
    return (*FAILED, *(getattr(module, name) for module, name in loaded if module is not None))


def is_final(error: Exception) -> bool:
    """Whether no call to the model can succeed until someone has done something about it."""
    classes = (ModelAuthenticationError, ModelPermissionDeniedError, ModelNotFoundError)
    spent = getattr(error, "code", None) in QUOTA
    spent = spent or (status(error) == 400 and USED_UP in str(error).lower())
    return spent or isinstance(error, classes) or status(error) in REFUSED


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed in a moment."""
    if is_final(error):
        return False
    if isinstance(error, ModelError) and error.is_retryable:
        return True
    code = status(error)
    # Without a status it is a connection that failed or was cut: half a body is no JSON.
    return code in PASSING if code is not None else not isinstance(error, ModelError)


def is_busy(error: Exception) -> bool:
    """Whether the server asks for fewer calls."""
    return isinstance(error, ModelRateLimitError) or status(error) == 429


def status(error: Exception) -> int | None:
    """The HTTP status of an error, where it has one."""
    found = getattr(error, "status_code", None)
    return found if found is not None else getattr(_response(error), "status_code", None)


def delay(error: Exception, tried: int) -> float:
    """Seconds to wait after so many tries: twice as long each time, and what the server asks for.

    The former is drawn from the whole interval, so that calls which failed together do not come
    back together.
    """
    asked = _retry_after(error)
    most = min(FIRST * 2 ** min(tried, 16), LONGEST)
    return max(random.uniform(0, most), asked or 0.0)


def _retry_after(error: Exception) -> float | None:
    """Seconds from now, as the header says them: a number or a date."""
    response = _response(error)
    text = response.headers.get("retry-after") if response is not None else None
    if text is None:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((until.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _response(error: Exception) -> Any:
    return getattr(error, "response", None)
