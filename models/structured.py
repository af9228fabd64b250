"""How a model is asked for JSON of a schema: the strictest way that its server takes."""

import json
from typing import Any

from langchain_core.messages import AIMessage

from elenchus.sections import ModelConfig

# Strictest first; "prompt" relies on the prompt, which always describes the JSON that is wanted.
WAYS: dict[str, tuple[str, ...]] = {
    "openai": ("json_schema", "tool", "json", "prompt"),
    "anthropic": ("tool", "prompt"),
    "ollama": ("json_schema", "json", "prompt"),
}


class Structure:
    """The way of one model; it steps down where a server does not take the stricter one."""

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
        """Step below a way that was refused; False where there is nothing below it."""
        place = self._ways.index(than) + 1
        if place >= len(self._ways):
            return False
        self._at = max(self._at, place)
        return True

    def strictest(self) -> None:
        """Back to the start: what was refused was not the way of asking."""
        self._at = 0

    def arguments(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """What to pass with a call, so that it is answered with JSON of the schema."""
        match self.way, self._provider:
            case "json_schema", "ollama":
                return {"format": schema}
            case "json", "ollama":
                return {"format": "json"}
            case "json_schema", _:
                wanted = {"name": name, "schema": schema}
                return self._format({"type": "json_schema", "json_schema": wanted})
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

    def _format(self, wanted: dict[str, Any]) -> dict[str, Any]:
        # Not as `response_format`, for which the openai package parses the answer itself, and
        # throws one away that was cut off.
        return {"extra_body": {**self._extra, "response_format": wanted}}


def text_of(reply: AIMessage) -> str:
    """What the model said; where it called the tool that was asked for, with which arguments."""
    for call in reply.tool_calls:
        return json.dumps(call["args"], ensure_ascii=False)
    for broken in reply.invalid_tool_calls:
        return broken["args"] or ""
    return reply.text
