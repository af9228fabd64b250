"""Prompts: filled templates, and fences around data, so that it stays data.

A template (`elenchus/templates.py`) is the system message, fenced blocks are the user message.
Nothing that documents or models say ever enters a template.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elenchus import templates as files
from elenchus.config import CommonConfig
from elenchus.questions import KINDS, UNSTATED, AnswerForm, kinds_of
from elenchus.records import Message, Passage
from elenchus.templates import Template
from models.blocks import TAGS
from models.calls import Prompt

# Our tags, and the usual marks between turns in chat templates: those of a server's model are
# unknown. Those of a local model are known, and broken as well (`models/templates.py`).
_MARK = re.compile(
    rf"<(?=\s*/?\s*(?:{'|'.join(TAGS)})\b|[|｜][^<>|｜\s]+[|｜]>|/?s>|(?:start|end)_of_turn>)"
    r"|\[(?=/?INST\])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Subject:
    """The subject of a domain, and the language of questions and answers: in every prompt.

    Args:
        prompts: the domain's folder of templates in place of the program's, which need not exist.
        kinds: of question, each with its meaning.
        form: how answers are written.
    """

    title: str
    language: str
    prompts: Path | None = None
    kinds: Mapping[str, str] = field(default_factory=lambda: KINDS, hash=False)
    form: AnswerForm = field(default_factory=AnswerForm)

    @classmethod
    def of(cls, config: CommonConfig, folder: Path) -> "Subject":
        """Return the subject of the domain that has this configuration and lies in `folder`."""
        own, kinds = files.of_domain(folder), kinds_of(config.questions.kinds)
        return cls(config.title, config.language, own, kinds, config.answer_form)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a template that come from the domain."""
        return {"title": self.title, "language": self.language}

    @property
    def surveyed(self) -> dict[str, str]:
        """The kinds that a point can carry: all but the one that asks for what is not there."""
        return {kind: text for kind, text in self.kinds.items() if kind != UNSTATED}

    @functools.cached_property
    def templates(self) -> dict[str, Template]:
        """The templates by "role/task", read once, so that no run mixes two states of a file.

        Raises:
            UserError: the domain's folder holds something that cannot be used.
        """
        return files.read(self.prompts, self.settings)

    def check(self) -> None:
        """Read the templates now; UserError where the domain has some that cannot be used."""
        _ = self.templates

    def render(self, role: str, task: str, user: str, **more: str) -> Prompt:
        """Fill a template with the subject's settings and more, and add the user message.

        Settings are never documents: these belong into the user message, fenced.
        """
        return _prompt(self.templates, role, task, user, self.settings | more)


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
    """Return a block for each passage, with its id, its document, the date and its headings."""
    return "\n".join(
        fence(
            "passage",
            p.text,
            id=p.id,
            document=p.title,
            date=p.date,
            heading=" > ".join(p.heading),
        )
        for p in passages
    )


def _attribute(value: str) -> str:
    return neutral(value).replace('"', "'").replace("\n", " ")


def _prompt(
    among: Mapping[str, Template],
    role: str,
    task: str,
    user: str,
    settings: Mapping[str, str],
) -> Prompt:
    template = among[f"{role}/{task}"]
    system = Message(role="system", content=template.filled(settings))
    return Prompt(role, task, template.sha256, (system, Message(role="user", content=user)))
