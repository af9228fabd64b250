"""Chats in the form that a model's own template gives them."""

import re
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

Chat = Sequence[dict[str, str]]
# What a tokenizer knows as a mark and does not call special; HTML, which some know, is left alone.
_CONTROL = re.compile(r"(?:<\S*[|｜_]\S*>|</?think>|\[/?[A-Z_]+\])\Z")
_found: WeakKeyDictionary[Any, re.Pattern[str]] = WeakKeyDictionary()  # by tokenizer


def rendered(tokenizer: Any, chat: Chat, **settings: Any) -> Any:
    """What the tokenizer's `apply_chat_template` gives for a chat, marks in what is said broken.

    Some templates take no system message: there, it stands before the first user's words. Where a
    template can switch thinking off, it is off unless the settings say otherwise: answers are
    trained without it.
    """
    from jinja2 import TemplateError

    chat = [{**message, "content": as_letters(tokenizer, message["content"])} for message in chat]
    settings.setdefault("enable_thinking", False)
    try:
        return tokenizer.apply_chat_template(chat, **settings)
    except TemplateError:
        if len(chat) < 2 or chat[0]["role"] != "system":
            raise
        system, first, *rest = chat
        joined = {**first, "content": f"{system['content']}\n\n{first['content']}"}
        return tokenizer.apply_chat_template([joined, *rest], **settings)


def as_letters(tokenizer: Any, text: str) -> str:
    """The text with a space within whatever the tokenizer would take for a mark of its own.

    What documents and models say can so end no turn and begin none.
    """
    return _beginnings(tokenizer).sub(r"\g<0> ", text)


def _beginnings(tokenizer: Any) -> re.Pattern[str]:
    """Finds the first characters of a tokenizer's marks."""
    if tokenizer not in _found:
        added = tokenizer.added_tokens_decoder.values()
        marks = {token.content for token in added if token.special or _CONTROL.match(token.content)}
        marks.update(tokenizer.all_special_tokens)
        listed = "|".join(re.escape(mark) for mark in marks if len(mark) > 1)
        _found[tokenizer] = re.compile(f"(?={listed or '(?!)'}).", re.DOTALL)
    return _found[tokenizer]
