"""Reads the bodies of OpenAI's protocol, as servers write them that take it more or less exactly.

A body that was cut off may come whole the next time. One that is no such body will not: it is the
failure of its call at once, as is an error that is sent with a status of success.
"""

import contextlib
import json
import re
from types import SimpleNamespace
from typing import Any

from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
)
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from elenchus.printing import in_line
from models.reasoning import REASONING

ERRORS: dict[int, type[ModelError]] = {
    401: ModelAuthenticationError,
    403: ModelPermissionDeniedError,
    404: ModelNotFoundError,
    429: ModelRateLimitError,
}
# What servers write in place of a status.
STATUSES = {
    "invalid_api_key": 401, "authentication_error": 401, "insufficient_quota": 429,
    "permission_error": 403, "model_not_found": 404, "not_found_error": 404,
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "overloaded_error": 503,
    "server_error": 500, "internal_server_error": 500, "api_error": 500,
}  # fmt: skip
SHOWN = 500  # characters of an error
WORD = 6  # characters; a literal of JSON, at which a body may have been cut off, has fewer
_BODY = json.JSONDecoder(strict=False)
_STATUS = re.compile(r"[45]\d\d")
_TEXTS = (None, "text", "output_text")  # types of the parts of a content that are said


def reply_of(text: str) -> AIMessage:
    """Return what the body of an answer says, or the arguments of the tool that was called.

    Raises:
        ModelError: it is no whole answer, or an error.
    """
    try:
        body = _BODY.decode(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ModelInvalidRequestError("the server's answer is nested too deeply") from None
    except ValueError as error:
        if _is_cut_off(error):
            raise ModelConnectionError(f"no whole answer: {text[:200]!r}") from error
        raise _no_answer(text) from error
    try:
        choices = body.get("choices") or _outputs(body)
        if not choices:
            raise _told(body, text)
        choice = choices[0]
        if choice.get("error") and not choice.get("message"):
            raise _told(choice, text)
        return _message(choice, body)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _no_answer(text) from error


def refusal(status: int, text: str, headers: Any = None) -> ModelError:
    """Return an error with `status_code`, `code`, `param` and `response`, as openai has them."""
    usual = ModelAPIError if status >= 500 else ModelInvalidRequestError
    code = param = None
    # A text that has not the protocol's form is taken as it is.
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        body = json.loads(text)
        told = body.get("error") or body
        text = told if isinstance(told, str) else str(told.get("message") or told["detail"])
        if isinstance(told, dict):
            code, param = told.get("code"), told.get("param")
    error = ERRORS.get(status, usual)(f"{status}: {in_line(text, SHOWN)}")
    response = SimpleNamespace(headers=headers or {})
    vars(error).update(status_code=status, code=code, param=param, response=response)
    return error


def _outputs(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a body of OpenAI's Responses, as choices."""
    outputs = body.get("output") or []
    return [{"message": each} for each in outputs if each.get("type") == "message"]


def _is_cut_off(error: ValueError) -> bool:
    """Tell whether a text stops being JSON at its end only."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated") or len(error.doc.rstrip()) - error.pos < WORD


def _told(body: dict[str, Any], text: str) -> ModelError:
    """Return the error that a body without an answer tells of."""
    error = body.get("error")
    if not error and not (body.keys() & {"message", "detail"}):
        return _no_answer(text)
    told = error if isinstance(error, dict) else body
    codes = [str(told.get(key)).lower() for key in ("code", "status", "type")]
    statuses = [int(code) if _STATUS.fullmatch(code) else STATUSES.get(code, 0) for code in codes]
    return refusal(next(filter(None, statuses), 400), json.dumps(body))


def _no_answer(text: str) -> ModelError:
    return ModelInvalidRequestError(
        f"the server's answer is none of OpenAI's protocol (is base_url right?): {text[:200]!r}"
    )


def _message(choice: dict[str, Any], body: dict[str, Any]) -> AIMessage:
    """Return the message of a choice, with the model and the id that the body names."""
    message = choice.get("message") or {"content": choice["text"]}
    text = _arguments(message) or _content(message.get("content"))
    refused = message.get("refusal")
    if not text and isinstance(refused, str):
        text = refused
    reason = choice.get("finish_reason")
    reasoning = message.get(REASONING) or message.get("reasoning")
    return AIMessage(
        content=text,
        usage_metadata=_usage(body.get("usage")),
        response_metadata={
            "finish_reason": reason if isinstance(reason, str) else "",
            "model_name": body.get("model"),
            "id": body.get("id"),
        },
        additional_kwargs={REASONING: reasoning} if isinstance(reasoning, str) else {},
    )


def _arguments(message: dict[str, Any]) -> str:
    """Return the arguments of the calls in a message, as JSON; "" where there are none."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    if old := message.get("function_call"):
        calls.append(old)
    spelt = (call.get("arguments") or "" for call in calls)
    return "\n".join(
        dict.fromkeys(one if isinstance(one, str) else json.dumps(one) for one in spelt)
    )


def _content(content: Any) -> str:
    """Return the text of a content: a text, an object that was asked for, or a list of parts.

    Raises:
        TypeError: it is none of these.
    """
    match content:
        case None:
            return ""
        case str():
            return content
        case {"type": str(), **rest} if not isinstance(rest.get("text"), str):
            return ""  # thoughts, and what is no text
        case {"text": str(text), **rest}:
            return text if rest.get("type") in _TEXTS else ""
        case dict():
            return json.dumps(content)
        case list():
            return "".join(map(_content, content))
    raise TypeError(f"no content: {content!r}")


def _usage(usage: Any) -> UsageMetadata | None:
    """Return the tokens that a body tells of; None where these are no numbers of tokens."""
    if not isinstance(usage, dict):
        return None
    kinds = ("prompt", "completion") if "prompt_tokens" in usage else ("input", "output")
    counts = [usage.get(f"{kind}_tokens") for kind in kinds]
    read, written = (c if isinstance(c, int) and not isinstance(c, bool) else -1 for c in counts)
    if read < 0 or written < 0:
        return None
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
