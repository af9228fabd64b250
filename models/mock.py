"""`mock:NAME`: replies that are written down or computed, for tests, trials and examples.

    {model: "mock:plain"}                                a plain reply to any prompt of ours
    … options: {replies: {"grader: grade": "no JSON"}}   another one for a task
    … options: {replies: ["one", "two"]}                 one after the other
    mock.register("NAME", function)                      in Python: from messages to the reply

A plain reply is the least that its task asks for: the examiner asks about the first sentence of a
passage, the expert quotes the sentence that shares most words with the question, the grader calls
the same text correct, the student knows nothing.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field, PrivateAttr

from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN
from elenchus.sections import ModelConfig
from models.backend import Backend, Model, checked_options
from models.blocks import Request, read_request
from models.messages import as_result

Computed = Callable[[Sequence[BaseMessage]], str]
_computed: dict[str, Computed] = {}
_SENTENCE = re.compile(r"[^\s#|][^\n]*?(?:[.!?](?=\s|$)|(?=\n|$))")


def register(name: str, reply: Computed) -> None:
    """Have `mock:NAME` answer what a function makes of the messages."""
    _computed[name] = reply


class MockChatModel(BaseChatModel):
    """Says what it was told to say, and keeps what it was asked.

    Attributes:
        name_: of a registered function, or "plain".
        replies: by "role: task", or one after the other; the last one again and again.
        asked: the messages of every call.
    """

    name_: str
    replies: dict[str, str] | list[str] = Field(default_factory=dict)
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[list[BaseMessage]]:
        return self._asked

    @property
    def _llm_type(self) -> str:
        return "mock"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self._asked.append(messages)
        text = self._reply(messages)
        read = sum(len(message.text) for message in messages) // CHARS_A_TOKEN
        return as_result(text, read, len(text) // CHARS_A_TOKEN)

    def _reply(self, messages: list[BaseMessage]) -> str:
        if isinstance(self.replies, list) and self.replies:
            return self.replies[min(len(self._asked), len(self.replies)) - 1]
        if self.name_ in _computed:
            return _computed[self.name_](messages)
        request = read_request(messages)
        if isinstance(self.replies, Mapping) and request.task in self.replies:
            return self.replies[request.task]
        return plain(request)


class Mock(Backend):
    """Models that need no weights, no server and no key."""

    local = True
    free = True
    constant = True

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`."""
        name = config.model.partition(":")[2]
        if name != "plain" and name not in _computed:
            known = ", ".join(f"mock:{known}" for known in ("plain", *_computed))
            raise UserError(f"unknown model {config.model!r}; there are: {known}")
        options = checked_options(config, ("replies",))
        return Model(MockChatModel(name_=name, **options), config.model, seeded=False)


def plain(request: Request) -> str:
    """Return the least that answers a prompt of the program."""
    if request.task == "student: answer":
        return "I do not know."
    if request.task not in _PLAIN:
        raise ValueError(f"mock:plain cannot do {request.task!r}")
    return json.dumps(_PLAIN[request.task](request), ensure_ascii=False)


def _survey(request: Request) -> dict[str, Any]:
    quotes = [s for p in request.passages() for s in _sentences(p.text)[:1]]
    return {"points": [{"quote": q, "topic": q[:40], "kinds": ["recall", "apply"]} for q in quotes]}


def _question(request: Request) -> dict[str, Any]:
    point, variation = request.text("point"), request.text("variation")
    return {"question": f"In case {variation}: what holds of {point}", "kind": request.text("kind")}


def _answer(request: Request) -> dict[str, Any]:
    wanted = set(request.text("question").lower().split())
    pairs = [(p.id, s) for p in request.passages() for s in _sentences(p.text)]
    if not pairs:
        return {"answer": "", "citations": [], "abstained": True}
    place, quote = max(pairs, key=lambda pair: len(wanted & set(pair[1].lower().split())))
    return {"answer": quote, "citations": [{"passage_id": place, "quote": quote}],
            "abstained": False}  # fmt: skip


def _grade(request: Request) -> dict[str, Any]:
    gold = request.text("expert").strip()
    right = [text.strip() == gold for text in request.texts("student")]
    grades = ["correct" if one else "incorrect" for one in right]
    missed = "" if all(right) else gold
    return {"grades": grades, "missed": missed, "critique": missed and "Ask for a case."}


def _messages(request: Request) -> dict[str, Any]:
    variation, shown = request.text("variation"), request.texts("message")
    count = int(request.text("count"))
    made = [f"{shown[n % len(shown)]} ({variation}.{n})" for n in range(count)]
    return {"messages": made}


def _label(request: Request) -> dict[str, Any]:
    """Return the class that is named first."""
    names = [block.attributes["name"] for block in request.blocks if block.tag == "class"]
    return {"reason": "It is named first.", "label": names[0]}


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE.findall(text) if len(sentence.split()) > 2]


def _joined(tag: str) -> Callable[[Request], dict[str, Any]]:
    return lambda request: {"text": " ".join(request.texts(tag))}


_PLAIN: dict[str, Callable[[Request], dict[str, Any]]] = {
    "examiner: survey": _survey,
    "examiner: propose": _question,
    "examiner: revise": _question,
    "expert: answer": _answer,
    "expert: explain": _answer,
    "expert: rate": lambda request: {"reason": "It is a text.", "value": 3},
    "expert: indicators": lambda request: {"indicators": request.texts("message")[:3]},
    "expert: merge": _joined("idea"),
    "expert: lost": lambda request: {"lost": []},
    "grader: grade": _grade,
    "grader: label": _label,
    "author: messages": _messages,
    "author: paraphrase": _joined("passage"),
    "author: entities": lambda request: {"entities": ["one", "two"], "summary": "Two things."},
    "author: relate": _joined("passage"),
    "author: compare": _joined("paragraph"),
}
