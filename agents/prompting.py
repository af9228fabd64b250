"""Prompts: templates from the folder prompts/, and data fenced so that it stays data.

A template is the system message; the user message is fenced blocks made here. Nothing from a
document or a model ever enters a template.
"""

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from elenchus.records import Message, Passage
from models.blocks import TAGS
from models.calls import Prompt

FOLDER = Path(__file__).resolve().parent.parent / "prompts"
# Our own tags, and the marks by which chat templates usually divide turns: which ones a server's
# model has is not known. One in this process has its own broken besides (`models/templates.py`).
_MARK = re.compile(
    rf"<(?=\s*/?\s*(?:{'|'.join(TAGS)})\b|[|｜][^<>|｜\s]+[|｜]>|/?s>|(?:start|end)_of_turn>)"
    r"|\[(?=/?INST\])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Subject:
    """What a domain is about, and the language of questions and answers: part of every prompt."""

    title: str
    language: str

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a template."""
        return {"title": self.title, "language": self.language}


def render(role: str, task: str, user: str, **settings: str) -> Prompt:
    """Fill prompts/ROLE/TASK.md with settings (never with documents) and add the user message."""
    text, sha256 = _template(role, task)
    system = Message(role="system", content=Template(text).substitute(settings))
    return Prompt(role, task, sha256, (system, Message(role="user", content=user)))


def fence(tag: str, text: str, **attributes: str) -> str:
    """A block `<tag …>text</tag>` that its text cannot close or imitate."""
    named = "".join(f' {name}="{_attribute(value)}"' for name, value in attributes.items())
    return f"<{tag}{named}>\n{neutral(text)}\n</{tag}>"


def neutral(text: str) -> str:
    """The text with the opening bracket of what looks like our tags or a model's marks replaced."""
    return _MARK.sub("‹", text)


def flat(text: str) -> str:
    """The text with each run of white space as one space: quotes are compared so."""
    return " ".join(text.split())


def fence_passages(passages: list[Passage]) -> str:
    """One block for each passage, with its id and heading path."""
    return "\n".join(
        fence("passage", p.text, id=p.id, heading=" > ".join(p.heading)) for p in passages
    )


def _attribute(value: str) -> str:
    return neutral(value).replace('"', "'").replace("\n", " ")


@functools.cache
def _template(role: str, task: str) -> tuple[str, str]:
    raw = (FOLDER / role / f"{task}.md").read_bytes()
    return raw.decode("utf-8").strip(), hashlib.sha256(raw).hexdigest()
