"""Reads answers that servers of OpenAI's protocol send piece by piece, as server-sent events."""

import json
from collections.abc import Callable
from typing import Any

from langchain_core.exceptions import ModelConnectionError

from models.reasoning import REASONING, without_reasoning

ASKED = {"stream": True}  # the field of a request that asks for events
_DATA, _DONE = b"data:", b"[DONE]"


class Events:
    """The events of one answer.

    Args:
        heard: is told the answer as far as it is written, without what the model thinks aloud.
    """

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._place = 0  # in the content, of the first line that is not read
        self._text = self._reasoning = self._reason = ""
        self._last: dict[str, Any] = {}
        self._usage: Any = None
        self._ended = self._begun = False
        self._odd = ""  # an event that is none of the protocol, an error for instance

    def read(self, content: bytes | bytearray) -> None:
        """Read what has come since the last time of a content that grows."""
        end = content.rfind(b"\n") + 1
        lines = bytes(content[self._place : end]).splitlines()
        self._place = max(self._place, end)
        for line in lines:
            if line.startswith(_DATA) and not self._odd:
                self._add(line[len(_DATA) :].strip())

    def body(self, content: str) -> str:
        """Return the body of the same answer at once; the content itself where it has no events.

        Raises:
            ModelConnectionError: the answer was cut off.
        """
        if not self._begun:
            return content
        if self._odd:
            return self._odd
        if not self._ended:
            raise ModelConnectionError(f"no whole answer: {self._text[-200:]!r}")
        message = {"content": self._text, REASONING: self._reasoning or None}
        choice = {"message": message, "finish_reason": self._reason}
        about = {name: self._last.get(name) for name in ("id", "model")}
        return json.dumps(about | {"choices": [choice], "usage": self._usage})

    def _add(self, data: bytes) -> None:
        self._begun = True
        if data == _DONE:
            self._ended = True
            return
        try:
            event = json.loads(data)
            if "choices" not in event:
                raise ValueError("no choices")
            self._last, self._usage = event, event.get("usage") or self._usage
            for choice in event["choices"][:1]:
                self._take(choice.get("delta") or {}, choice.get("finish_reason") or "")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._odd = data.decode("utf-8", errors="replace")

    def _take(self, delta: dict[str, Any], reason: str) -> None:
        self._reasoning += delta.get(REASONING) or delta.get("reasoning") or ""
        self._reason = reason or self._reason
        self._ended = self._ended or bool(reason)
        if more := delta.get("content"):
            self._text += more
            self._heard(without_reasoning(self._text))
