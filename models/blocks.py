"""The fenced blocks of a prompt, `<passage id="…" heading="…">…</passage>` and the like, read back.

Programs that answer our prompts (`models/mock.py`, offline/reader/) read nothing of their prose but
the task, on the system message's first line, and the blocks of the user message. Senders
neutralise the `<` of our own tags in a block's text, so it ends at the first closing tag.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.messages import BaseMessage

TAGS = (
    "passage", "point", "partner", "kind", "purpose", "persona", "format", "wanted", "variation",
    "asked", "failed", "passed", "question", "expert", "student", "standing", "feedback",
    "guidance", "check", "first", "second", "answer", "entity",
    "class", "message", "indicators", "idea", "event", "count", "paragraph", "strategy",
)  # fmt: skip
_OPEN = re.compile(rf"<({'|'.join(TAGS)})((?:\s+\w+=\"[^\"]*\")*)\s*>")
_ATTRIBUTE = re.compile(r"(\w+)=\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its tag, its attributes and the text between its tags."""

    tag: str
    text: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extract:
    """One passage as a prompt shows it. `heading` is its path, parts joined by " > "."""

    id: str
    heading: str
    text: str


def read_blocks(text: str) -> list[Block]:
    """Return all blocks of a message, in order; what stands outside of them is ignored.

    Raises:
        ValueError: a block is not closed.
    """
    blocks: list[Block] = []
    opened = _OPEN.search(text)
    while opened is not None:
        tag = opened.group(1)
        closing = f"</{tag}>"
        end = text.find(closing, opened.end())
        if end < 0:
            raise ValueError(f"malformed prompt: <{tag}> is never closed")
        inner = text[opened.end() : end].removeprefix("\n").removesuffix("\n")
        blocks.append(Block(tag, inner, dict(_ATTRIBUTE.findall(opened.group(2)))))
        opened = _OPEN.search(text, end + len(closing))
    return blocks


@dataclass(frozen=True, slots=True)
class Request:
    """What a prompt asks for: the task as "role: task", in small letters, and the blocks."""

    task: str
    blocks: tuple[Block, ...]

    def texts(self, tag: str) -> list[str]:
        """Return the texts of all blocks of a tag."""
        return [block.text for block in self.blocks if block.tag == tag]

    def text(self, tag: str) -> str:
        """Return the text of the one block of a tag.

        Raises:
            ValueError: there is none.
        """
        texts = self.texts(tag)
        if not texts:
            raise ValueError(f"malformed prompt for {self.task!r}: no <{tag}> block")
        return texts[0]

    def attribute(self, tag: str, name: str) -> str:
        """Return an attribute of the first block of a tag; "" where it is not given.

        Raises:
            ValueError: there is no such block.
        """
        self.text(tag)
        return next(b.attributes.get(name, "") for b in self.blocks if b.tag == tag)

    def passages(self) -> list[Extract]:
        """Return the passages, at least one.

        Raises:
            ValueError: there is none.
        """
        self.text("passage")
        return [
            Extract(b.attributes.get("id", ""), b.attributes.get("heading", ""), b.text)
            for b in self.blocks
            if b.tag == "passage"
        ]


def read_request(messages: Sequence[BaseMessage]) -> Request:
    """Read the task and the blocks of a prompt's first system and first user message.

    A system message whose first line names no task is a student's: see `elenchus/templates.py`.

    Raises:
        ValueError: there is no system message, or no user message.
    """
    system = next((m for m in messages if m.type == "system"), None)
    user = next((m for m in messages if m.type == "human"), None)
    if system is None or user is None:
        raise ValueError("malformed prompt: it needs a system message and a user message")
    first = system.text.strip().partition("\n")[0]
    task = re.match(r"#\s*(\w+)\s*:\s*(\w+)", first)
    blocks = tuple(read_blocks(user.text))
    if task is None:
        reads = any(block.tag == "passage" for block in blocks)
        return Request("student: read" if reads else "student: answer", blocks)
    return Request(f"{task.group(1)}: {task.group(2)}".lower(), blocks)
