"""Prompts: templates of the folder prompts/, and fences around data, so that it stays data.

A template is the system message, fenced blocks are the user message. Nothing that documents or
models say ever enters a template.
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
# Our tags, and the usual marks between turns in chat templates: those of a server's model are
# unknown. Those of a local model are known, and broken as well (`models/templates.py`).
_MARK = re.compile(
    rf"<(?=\s*/?\s*(?:{'|'.join(TAGS)})\b|[|｜][^<>|｜\s]+[|｜]>|/?s>|(?:start|end)_of_turn>)"
    r"|\[(?=/?INST\])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Subject:
    """The subject of a domain, and the language of questions and answers: in every prompt."""

    title: str
    language: str

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a template that come from the domain."""
        return {"title": self.title, "language": self.language}


def render(role: str, task: str, user: str, **settings: str) -> Prompt:
    """Fill prompts/ROLE/TASK.md with settings, never with documents, and add the user message."""
    text, sha256 = _template(role, task)
    system = Message(role="system", content=Template(text).substitute(settings))
    return Prompt(role, task, sha256, (system, Message(role="user", content=user)))


def fence(tag: str, text: str, **attributes: str) -> str:
    """Return a block `<tag …>text</tag>`, which the text can neither close nor imitate."""
    named = "".join(f' {name}="{_attribute(value)}"' for name, value in attributes.items())
    return f"<{tag}{named}>\n{neutral(text)}\n</{tag}>"


def neutral(text: str) -> str:
    """Return a text in which nothing looks like our tags or the marks of a chat template."""
    return _MARK.sub("‹", text)


def flat(text: str) -> str:
    """Return a text with single spaces for white space: the form in which quotes are compared."""
    return " ".join(text.split())


def fence_passages(passages: list[Passage]) -> str:
    """Return a block for each passage, with its id and the path of its headings."""
    return "\n".join(
        fence("passage", p.text, id=p.id, heading=" > ".join(p.heading)) for p in passages
    )


def _attribute(value: str) -> str:
    return neutral(value).replace('"', "'").replace("\n", " ")


@functools.cache
def _template(role: str, task: str) -> tuple[str, str]:
    raw = (FOLDER / role / f"{task}.md").read_bytes()
    return raw.decode("utf-8").strip(), hashlib.sha256(raw).hexdigest()
