"""Chats in the form that a model's own template gives them."""

from collections.abc import Sequence
from typing import Any

Chat = Sequence[dict[str, str]]


def rendered(tokenizer: Any, chat: Chat, **settings: Any) -> Any:
    """What the tokenizer's `apply_chat_template` gives for a chat.

    Some templates take no system message: there, it stands before the first user's words.
    """
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template(chat, **settings)
    except TemplateError:
        if len(chat) < 2 or chat[0]["role"] != "system":
            raise
        system, first, *rest = chat
        joined = {**first, "content": f"{system['content']}\n\n{first['content']}"}
        return tokenizer.apply_chat_template([joined, *rest], **settings)
