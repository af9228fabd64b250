"""`builtin:nano`: the student that comes with the program.

It answers short questions about rules, from memory, and knows lower case only.
"""

import re
from pathlib import Path

from models.local import LocalChatModel

WEIGHTS = Path(__file__).parent / "weights"


class NanoChatModel(LocalChatModel):
    """The nano, with an adapter where one is given; see `LocalChatModel`."""

    model: str = str(WEIGHTS)
    max_new_tokens: int = 128
    device: str = "cpu"  # a GPU is no faster for two million parameters

    @property
    def _llm_type(self) -> str:
        return "builtin-nano"

    def shown(self, text: str) -> str:
        """Return an answer with capitals."""
        return sentence_case(text)


def sentence_case(text: str) -> str:
    """Put a capital at the start of every sentence."""
    return re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text.strip())
