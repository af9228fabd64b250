"""Manners of asking a model: the strictest that its server accepts is taken."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from elenchus.records import Message
from elenchus.sections import ModelConfig

# The strictest first. "prompt" relies on the prompt, which always describes the JSON.
WAYS: dict[str, tuple[str, ...]] = {
    "openai": ("json_schema", "tool", "json", "prompt"),
    "anthropic": ("tool", "prompt"),
    "ollama": ("json_schema", "json", "prompt"),
}
# What servers and chat templates say that know no system message.
_SYSTEM = re.compile(
    r"\b(?:system|developer)\b\W*(?:role|message|prompt|instruction)"
    r"|\b(?:role|message|instruction)s?\b.{0,60}\b(?:system|developer)\b"
    r"|\broles? must alternate|\bonly user\b",
    re.IGNORECASE | re.DOTALL,
)
# Why an answer ended at its limit of tokens, and why a filter kept it back, by server.
CUT_OFF = frozenset(("length", "max_tokens", "model_context_window_exceeded"))
WITHHELD = frozenset(("content_filter", "refusal", "safety", "prohibited_content", "blocklist"))


@dataclass(frozen=True)
class Manner:
    """A manner of asking, which a server may refuse.

    Attributes:
        way: how JSON is asked for.
        folds: the system's message stands at the head of the user's, in place of a role of its own.
    """

    way: str
    folds: bool = False


class Structure:
    """The manner in which one model is asked; a weaker one is taken where the server refuses it."""

    def __init__(self, config: ModelConfig) -> None:
        self._provider = config.model.partition(":")[0]
        ways = WAYS.get(self._provider, ("prompt",))
        self._extra: dict[str, Any] = config.options.get("extra_body") or {}
        ways = ways if config.structured == "auto" else (config.structured,)
        self._manners = [Manner(way, folds) for folds in (False, True) for way in ways]
        self._at = 0
        self._accepted: set[tuple[Manner, str]] = set()  # with the name of what was asked for
        self._takes_system = False

    @property
    def manner(self) -> Manner:
        return self._manners[self._at]

    @property
    def untried(self) -> bool:
        """Whether the server has answered nothing yet."""
        return not self._accepted

    def accept(self, manner: Manner, schema: str, system: bool) -> None:
        """Note that a call was answered which had a system message, or had none."""
        self._accepted.add((manner, schema))
        self._takes_system = self._takes_system or (system and not manner.folds)

    def weaker(self, than: Manner, schema: str, system: bool, error: str) -> bool:
        """Take a weaker manner than one that was refused.

        Return False where none is left, or where it was accepted before: so it is not to blame.

        Args:
            schema: the name of the JSON that was asked for; "" for a text.
            system: whether there is a system message.
            error: what the server says; it may name the system's role.
        """
        if (than, schema) in self._accepted:
            return False
        later = self._manners[self._manners.index(than) + 1 :]
        weaker = [manner for manner in later if manner.folds == than.folds] if schema else []
        if system and not than.folds and not self._takes_system:
            folding = [manner for manner in self._manners if manner.folds]
            weaker = folding if _SYSTEM.search(error) else weaker + folding
        if weaker:
            self._at = max(self._at, self._manners.index(weaker[0]))
        return bool(weaker)

    def restart(self) -> None:
        """Take the strictest manner that was accepted, or the first: no weaker one has helped."""
        accepted = {manner for manner, _ in self._accepted}
        self._at = next((n for n, each in enumerate(self._manners) if each in accepted), 0)

    def arguments(self, way: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what is passed with a call so that it is answered with JSON of the schema."""
        match way, self._provider:
            case "json_schema", "ollama":
                return {"format": schema}
            case "json", "ollama":
                return {"format": "json"}
            case "json_schema", _:
                named = {"name": name, "schema": schema}
                return self._format({"type": "json_schema", "json_schema": named})
            case "json", _:
                return self._format({"type": "json_object"})
            case "tool", "anthropic":
                return {
                    "tools": [{"name": name, "description": "The reply.", "input_schema": schema}],
                    "tool_choice": {"type": "tool", "name": name},
                }
            case "tool", _:
                tool = {"name": name, "description": "The reply.", "parameters": schema}
                choice = {"type": "function", "function": {"name": name}}
                return {"tools": [{"type": "function", "function": tool}], "tool_choice": choice}
        return {}

    def _format(self, response_format: dict[str, Any]) -> dict[str, Any]:
        # As an argument of its own, it makes the openai package parse the answer, and throw one
        # away that was cut off.
        return {"extra_body": {**self._extra, "response_format": response_format}}


def folded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages with that of the system put before the user's."""
    texts = [message.content for message in messages if message.role == "system"]
    first, *others = (message for message in messages if message.role != "system")
    texts.append(first.content)
    return (Message(role="user", content="\n\n".join(texts)), *others)


def text_of(reply: AIMessage) -> str:
    """Return what a model said, or the arguments of the tool that it was made to call."""
    for call in reply.tool_calls:
        arguments = json.dumps(call["args"], ensure_ascii=False)
        # Some packages close arguments that were cut off; so they are opened again.
        return arguments[:-1] if finish_reason(reply) in CUT_OFF else arguments
    for broken in reply.invalid_tool_calls:
        return broken["args"] or ""
    return reply.text


def finish_reason(reply: AIMessage) -> str:
    """Return the server's word for why an answer ended; "" where it has none."""
    told = reply.response_metadata
    reasons = (told.get(key) for key in ("finish_reason", "stop_reason", "done_reason"))
    return next((reason for reason in reasons if isinstance(reason, str)), "")[:40].lower()
