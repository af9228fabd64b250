"""Counts the tokens of a call: as its server says where that can be believed, else by an estimate.

Caps and prices rest on these counts, so no count of a server is taken that cannot be right: none,
one below zero, or one that the texts are far too long or too short for.
"""

import math
import re
from typing import NamedTuple

from langchain_core.messages import AIMessage

# A server may put a prompt of its own before ours, and think without showing it.
UNSEEN = 100_000
CHARS_A_TOKEN = 100  # more than any token has on average
SAMPLE = 100_000  # characters of a text that are looked at; the rest is taken to be like them

# The pieces that byte-pair encoders of language models cut a text into first.
_PIECE = re.compile(
    r"(?P<sign>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff])|(?P<word>[^\W\d_]+)"
    r"|(?P<number>\d{1,3})|(?P<marks>[^\w\s]+|_+)|(?P<lines>\n+)|(?P<space>[^\S\n]{2,})"
)


class Usage(NamedTuple):
    """The tokens that a call read and wrote, and whether that is an estimate."""

    read: int
    written: int
    estimated: bool


def counted(reply: AIMessage, sent: str, said: str) -> Usage:
    """Return the usage of a call.

    Args:
        sent: the text of its request.
        said: the text of its answer, with the reasoning as far as that is shown.
    """
    if told := reply.usage_metadata:
        read, written = told["input_tokens"], told["output_tokens"]
        if _believable(read, sent, least=1) and _believable(written, said):
            return Usage(read, written, estimated=False)
    return Usage(estimate(sent), estimate(said), estimated=True)


def _believable(tokens: int, text: str, least: int = 0) -> bool:
    shortest = max(least, len(text) // CHARS_A_TOKEN)
    return shortest <= tokens <= len(text.encode("utf-8", "replace")) + UNSEEN


def estimate(text: str) -> int:
    """Estimate the tokens of a text in a vocabulary of about two hundred thousand entries."""
    sample = text[:SAMPLE]
    tokens = sum(map(_weight, _PIECE.finditer(sample)))
    return math.ceil(tokens * len(text) / len(sample)) if sample else 0


def _weight(piece: re.Match[str]) -> float:
    """Return about how many tokens a piece of a text is."""
    length = piece.end() - piece.start()
    match piece.lastgroup:
        case "word" if piece[0].isascii():
            return 1 + max(0, length - 6) / 4.5
        case "word":
            return 1 + max(0, length - 3) / 3
        case "marks":
            return max(1.0, length / 2.5)
        case "space":
            return 1 + length / 80
    return 1.0
