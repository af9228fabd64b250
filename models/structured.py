"""Ways of asking a model for JSON of a schema: the strictest that its server accepts is taken."""

import json
from typing import Any

from langchain_core.messages import AIMessage

from elenchus.sections import ModelConfig

# The strictest first. "prompt" relies on the prompt, which always describes the JSON.
WAYS: dict[str, tuple[str, ...]] = {
    "openai": ("json_schema", "tool", "json", "prompt"),
    "anthropic": ("tool", "prompt"),
    "ollama": ("json_schema", "json", "prompt"),
}


class Structure:
    """The way in which one model is asked; a weaker one is taken where the server refuses it."""

    def __init__(self, config: ModelConfig) -> None:
        self._provider = config.model.partition(":")[0]
        ways = WAYS.get(self._provider, ("prompt",))
        self._extra: dict[str, Any] = config.options.get("extra_body") or {}
        self._ways = ways if config.structured == "auto" else (config.structured,)
        self._at = 0

    @property
    def way(self) -> str:
        return self._ways[self._at]

    def weaker(self, than: str) -> bool:
        """Take a weaker way than one that was refused; return False where there is none."""
        place = self._ways.index(than) + 1
        if place >= len(self._ways):
            return False
        self._at = max(self._at, place)
        return True

    def strictest(self) -> None:
        """Take the strictest way again: something else was refused than the way of asking."""
        self._at = 0

    def arguments(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what is passed with a call so that it is answered with JSON of the schema."""
        match self.way, self._provider:
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


def text_of(reply: AIMessage) -> str:
    """Return what a model said, or the arguments of the tool that it was made to call."""
    for call in reply.tool_calls:
        arguments = json.dumps(call["args"], ensure_ascii=False)
        # Some packages close arguments that were cut off; so they are opened again.
        return arguments[:-1] if _was_cut_off(reply) else arguments
    for broken in reply.invalid_tool_calls:
        return broken["args"] or ""
    return reply.text


def _was_cut_off(reply: AIMessage) -> bool:
    """Tell whether a model had to stop before it was done."""
    told = reply.response_metadata
    return told.get("finish_reason") == "length" or told.get("stop_reason") == "max_tokens"
