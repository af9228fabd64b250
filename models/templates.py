"""Renders chats by a model's own template."""

import re
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

# What templates are told the time is: the date that Llama's take where they have no clock.
CLOCK = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}\n"
Chat = Sequence[dict[str, str]]
# Marks of turns and of thinking that a tokenizer need not call special; HTML is left alone.
_CONTROL = re.compile(r"(?:<\S*[|｜_]\S*>|</?think>|\[/?[A-Z_]+\])\Z")
# By tokenizer: what breaks its marks, and the token that ends a turn.
_patterns: WeakKeyDictionary[Any, re.Pattern[str]] = WeakKeyDictionary()
_ends: WeakKeyDictionary[Any, int | None] = WeakKeyDictionary()


def rendered(tokenizer: Any, chat: Chat, **settings: Any) -> Any:
    """Render a chat by the tokenizer's `apply_chat_template`, with marks in its messages broken.

    Some templates take no system message: there, it stands before the first user's words. Where a
    template can switch thinking off, it is off unless the settings say otherwise: answers are
    trained without it. Those that tell the date tell the same one every day, so that a student is
    asked tomorrow as it was trained today.
    """
    from jinja2 import TemplateError

    chat = [{**message, "content": as_letters(tokenizer, message["content"])} for message in chat]
    template = tokenizer.get_chat_template()
    settings = {"enable_thinking": False, "chat_template": CLOCK + template} | settings
    try:
        return tokenizer.apply_chat_template(chat, **settings)
    except TemplateError:
        if len(chat) < 2 or chat[0]["role"] != "system":
            raise
        system, first, *rest = chat
        joined = {**first, "content": f"{system['content']}\n\n{first['content']}"}
        return tokenizer.apply_chat_template([joined, *rest], **settings)


def end_of_turn(tokenizer: Any) -> int | None:
    """Return the token by which a tokenizer's template ends an answer; None where none does."""
    if tokenizer.chat_template is None:
        return None
    if tokenizer not in _ends:
        said = "I."
        chat = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": said}]
        after = rendered(tokenizer, chat, tokenize=False).rpartition(said)[2]
        ids = tokenizer(after, add_special_tokens=False).input_ids
        marks = {tokenizer.convert_tokens_to_ids(mark) for mark in _marks(tokenizer)}
        _ends[tokenizer] = next((one for one in ids if one in marks), None)
    return _ends[tokenizer]


def as_letters(tokenizer: Any, text: str) -> str:
    """Return the text with a space within all that the tokenizer would take for one of its marks.

    So no text of a document or a model can end a turn or begin one.
    """
    return _mark_starts(tokenizer).sub(r"\g<0> ", text)


def _mark_starts(tokenizer: Any) -> re.Pattern[str]:
    """Return a pattern that matches the first character of each of a tokenizer's marks."""
    if tokenizer not in _patterns:
        any_mark = "|".join(re.escape(mark) for mark in _marks(tokenizer) if len(mark) > 1)
        _patterns[tokenizer] = re.compile(f"(?={any_mark or '(?!)'}).", re.DOTALL)
    return _patterns[tokenizer]


def _marks(tokenizer: Any) -> set[str]:
    """Return what a tokenizer takes for one token that is no text."""
    added = tokenizer.added_tokens_decoder.values()
    marks = {token.content for token in added if token.special or _CONTROL.match(token.content)}
    return marks.union(tokenizer.all_special_tokens)
