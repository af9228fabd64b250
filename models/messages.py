"""Messages by role, and replies with their tokens, as every chat model here needs them."""

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from elenchus.records import Message


class PromptTooLong(ValueError):
    """A prompt and its answer do not fit into a model's context."""


Chat = dict[str, str]  # a message as servers take it: its `role` and its `content`
Messages = Sequence[Chat | BaseMessage]
LIKELIHOOD = "likelihood"  # in a reply's metadata
KINDS = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def plain(messages: Iterable[Message]) -> list[Chat]:
    """Return messages of a prompt as roles and contents."""
    return [{"role": message.role, "content": message.content} for message in messages]


def as_langchain(messages: Iterable[Message]) -> list[BaseMessage]:
    """Return messages of a prompt as every chat model of LangChain takes them."""
    return [KINDS[message.role](content=message.content) for message in messages]


def as_chat(messages: Messages) -> list[Chat]:
    """Return messages as roles and contents; ValueError for one of another type."""
    return [message if isinstance(message, dict) else _chat(message) for message in messages]


def _chat(message: BaseMessage) -> Chat:
    if message.type not in ROLES:
        raise ValueError(f"models here read human, ai and system messages, not {message.type!r}")
    return {"role": ROLES[message.type], "content": str(message.text)}


def as_reply(
    text: str, read: int, written: int, likelihood: float | None = None, cut: bool = False
) -> AIMessage:
    """Return a reply with the numbers of tokens that were read and written.

    Args:
        likelihood: mean log-likelihood of a token that was written, where it is known.
        cut: whether it was cut off at a limit of tokens.
    """
    usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    told: dict[str, Any] = {} if likelihood is None else {LIKELIHOOD: likelihood}
    if cut:
        told["finish_reason"] = "length"  # as servers call it
    return AIMessage(content=text, usage_metadata=usage, response_metadata=told)


def as_result(
    text: str, read: int, written: int, likelihood: float | None = None, cut: bool = False
) -> ChatResult:
    """Return a reply, as `as_reply` does, in the form that LangChain's chat models give it."""
    message = as_reply(text, read, written, likelihood, cut)
    return ChatResult(generations=[ChatGeneration(message=message)])
