"""Prompts as the reader is sent them, for all of its tests."""

import json
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from offline.reader.chat import ReaderChatModel

RULES = (
    "A library card must be returned within 14 days of moving away, unless the holder is a minor. "
    "Failure to do so is a petty breach (section 9.1).\n\n"
    "Old cards are pretty. Ball games are forbidden in the reading room. For the grade of a breach "
    "see section 9.2.\n\n"
    "Readers may use the north door.\n\n"
    '"Reading room" means the hall on the first floor.'
)
FINES = "A petty breach costs 30 crowns. A breach of section 2.1 is a gross breach. "
FINES += "A gross breach costs 200 crowns."
PASSAGE = f'<passage id="p-a" heading="Part 2 > 2.1 Cards">\n{RULES}\n</passage>'
PENALTIES = f'<passage id="p-b" heading="Part 9 > 9.2 Fines">\n{FINES}\n</passage>'

BREACH = (
    "Library card. Grade: petty. Exception: when the holder is a minor. Not met. "
    "Limit: within 14 days. 17 is over 14. So: breach."
)


def messages(task: str, user: str) -> list[BaseMessage]:
    """Return the messages of a prompt; the task is "Role: task"."""
    return [SystemMessage(f"# {task}\n\nSome prose with <tags>."), HumanMessage(user)]


def call(task: str, user: str) -> Any:
    """Return what the reader replies."""
    return json.loads(ReaderChatModel().invoke(messages(task, user)).text)


def block(tag: str, text: str) -> str:
    """Return a block of a user message."""
    return f"<{tag}>\n{text}\n</{tag}>"
