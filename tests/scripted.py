"""A chat model that says what a test wants it to say."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Scripted(BaseChatModel):
    """Says the given lines one after the other, and keeps what it was asked."""

    lines: list[str]
    asked: list[list[BaseMessage]]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        text = self.lines[len(self.asked) - 1]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])
