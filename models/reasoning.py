"""Takes what a model thought aloud out of what it said.

Servers that know a model's format keep its reasoning apart. Others pass it on: between tags, in
the channels of OpenAI's Harmony format, or in these channels without their marks.
"""

import json
import re

from langchain_core.messages import AIMessage

REASONING = "reasoning_content"  # in what a reply has beside its content

_TAGS = r"think|thinking|thoughts?|reasoning|reflection|seed:think"
_OPENING = re.compile(rf"\s*(?:<(?:{_TAGS})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>)")
_CLOSING = re.compile(rf"</(?:{_TAGS})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>")
_OPENS, _CLOSES = "<think>", "</think>"  # no answer is written between these
_THINK = re.compile(rf"{_OPENS}.*?(?:{_CLOSES}|\Z)", re.DOTALL)
_CHANNEL, _MESSAGE = "<|channel|>", "<|message|>"
_MESSAGE_ENDS = re.compile(r"<\|(?:end|return|call|start)\|>")
# Channels as a server leaves them that has taken their marks out.
_BARE_ANSWER = re.compile(r"assistant(?:final|commentary(?: to=[\w.]+)?(?:\s*json)?)(?=\W|[A-Z])")


def without_reasoning(text: str) -> str:
    """Return what a model said, without what it thought aloud; "" where it never came to answer."""
    text = text if is_clean(text) else _last_message(text)
    if is_clean(text):  # its strings may tell of these marks
        return text.strip()
    opening = _OPENING.match(text)
    closing = _CLOSING.search(text, opening.end()) if opening else None
    if closing:
        text = text[closing.end() :]
    elif _OPENS not in text.partition(_CLOSES)[0]:
        # The opening may be missing, where the model's chat template has written it.
        text = text.partition(_CLOSES)[2] if _CLOSES in text else text
    return _THINK.sub("", text).strip()


def shown_reasoning(reply: AIMessage) -> str:
    """Return the reasoning that a server keeps apart from an answer, and shows."""
    reasoning = reply.additional_kwargs.get(REASONING)
    return reasoning if isinstance(reasoning, str) else ""


def is_clean(text: str) -> bool:
    """Tell whether a reply is a JSON object and nothing else."""
    try:
        return text.lstrip().startswith("{") and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _last_message(text: str) -> str:
    """Return the last message of a reply in Harmony's channels that is no analysis."""
    if _CHANNEL in text:
        channels = text.split(_CHANNEL)[1:]
        said = [channel for channel in channels if not channel.lstrip().startswith("analysis")]
        return _MESSAGE_ENDS.split(said[-1].partition(_MESSAGE)[2])[0] if said else ""
    if text.lstrip().startswith("analysis"):
        *_, last = (0, *(answer.end() for answer in _BARE_ANSWER.finditer(text)))
        return text[last:]
    return text
