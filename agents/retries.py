"""Which errors of a model call pass by themselves, which end the run, and how long to wait."""

import json
import random
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

# What LangChain's integrations raise, and what comes through where one does not translate it.
FAILED = (ModelError, httpx.HTTPError, ConnectionError, TimeoutError, json.JSONDecodeError)
REFUSED = (ModelAuthenticationError, ModelPermissionDeniedError, ModelNotFoundError)
PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
QUOTA = frozenset(("insufficient_quota", "billing_hard_limit_reached"))  # a 429 that stays
FIRST, LONGEST = 0.1, 30.0  # seconds


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed in a moment."""
    if getattr(error, "code", None) in QUOTA:
        return False
    if isinstance(error, ModelError):
        return error.is_retryable or status(error) in PASSING
    if isinstance(error, httpx.HTTPStatusError):
        return status(error) in PASSING
    # A connection that failed or was cut: half a body is no JSON.
    return True


def is_busy(error: Exception) -> bool:
    """Whether the server asks for fewer calls."""
    return isinstance(error, ModelRateLimitError) or status(error) == 429


def status(error: Exception) -> int | None:
    """The HTTP status of an error, where it has one."""
    found = getattr(error, "status_code", None)
    return found if found is not None else getattr(_response(error), "status_code", None)


def delay(error: Exception, tried: int) -> float:
    """Seconds to wait after so many tries: what the server asks for, or twice as long each time.

    The latter is drawn from the whole interval, so that calls which failed together do not come
    back together.
    """
    asked = _retry_after(error)
    most = min(FIRST * 2 ** min(tried, 16), LONGEST)
    return random.uniform(0, most) if asked is None else asked


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
