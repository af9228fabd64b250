"""`mock:NAME`: replies that are written down or computed, for tests, trials and examples.

`mock:plain` answers every prompt of this program with the least that it asks for. The examiner asks
about the first sentence of each passage, the expert quotes the sentence that shares most words with
the question, the grader calls equal texts right and objects to nothing else, the student knows
nothing. A run of plain documents ends with a dataset:

    elenchus launch DOMAIN --set expert.model=mock:plain --set examiner.model=mock:plain \\
        --set grader.model=mock:plain --set student.model=mock:plain --set training.enabled=false

Replies can be written down, by task or one after the other; the last of these is given again and
again. A task is the first line of a prompt in small letters. Tasks that are not named get what they
would get without:

    grader: {model: "mock:plain", options: {replies: {"grader: grade": "no JSON"}}}
    grader: {model: "mock:plain", options: {replies: ["no JSON", "nor this"]}}

In Python, they can be computed. A function should answer the same messages with the same reply; it
is called in threads, so that a slow one holds up nobody, and may raise what a server would:

    mock.register("echo", lambda messages: messages[-1].text)  # then: model: "mock:echo"
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
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

Reply = Callable[[Sequence[BaseMessage]], str]
RESULT_WORDS = 4  # of a sentence that is quoted, for the result
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n\s*\n")


def plain(messages: Sequence[BaseMessage]) -> str:
    """Return the least that answers a prompt of this program.

    Raises:
        ValueError: it is no prompt of this program.
    """
    request = read_request(messages)
    if request.task in ("student: answer", "student: read"):
        return "I do not know."
    if request.task not in _PLAIN:
        raise ValueError(f"mock:plain cannot do {request.task!r}")
    return json.dumps(_PLAIN[request.task](request), ensure_ascii=False)


_replies: dict[str, Reply] = {"plain": plain}


def register(name: str, reply: Reply) -> None:
    """Let `mock:NAME` answer what a function makes of the messages."""
    _replies[name] = reply


class MockChatModel(BaseChatModel):
    """A chat model that says what it was told to say, and keeps what it was asked.

    Attributes:
        replies: by task ("grader: grade"), or one after the other; the last is repeated.
        otherwise: makes the reply where none is written down.
        asked: the messages of every call.
    """

    replies: dict[str, str] | list[str] = Field(default_factory=list)
    otherwise: Reply = plain
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    _turns: Iterator[int] = PrivateAttr(default_factory=itertools.count)

    @property
    def _llm_type(self) -> str:
        return "mock"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        text = self._reply(messages)
        read = sum(len(message.text) for message in messages) // CHARS_A_TOKEN
        return as_result(text, read, len(text) // CHARS_A_TOKEN)

    def _reply(self, messages: list[BaseMessage]) -> str:
        if not self.replies:
            return self.otherwise(messages)
        if isinstance(self.replies, list):
            return self.replies[min(next(self._turns), len(self.replies) - 1)]
        task = read_request(messages).task
        return self.replies[task] if task in self.replies else self.otherwise(messages)


class Mock(Backend):
    """Models that need no weights, no server and no key."""

    local = True
    free = True
    constant = True

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`."""
        name = config.model.partition(":")[2]
        if name not in _replies:
            known = ", ".join(f"mock:{known}" for known in _replies)
            raise UserError(f"unknown model {config.model!r}; there are: {known}")
        try:
            options = checked_options(config, ("replies",))
            chat = MockChatModel(otherwise=_replies[name], **options)
        except ValueError as error:
            raise UserError(f"{config.model}: {error}") from error
        return Model(chat, config.model, seeded=False)


# --- plain replies -----------------------------------------------------------------------------


def _survey(request: Request) -> dict[str, Any]:
    points = [
        {
            "sort": "rule",
            "statement": quote,
            "topic": quote[:40],
            "quotes": [quote],
            "kinds": ["recall", "apply"],
        }
        for passage in request.passages()
        for quote in _sentences(passage.text)[:1]
    ]
    return {"points": points}


def _question(request: Request) -> dict[str, Any]:
    """Ask about half of the point's words, other ones each time: all would give the answer away."""
    words, variation = request.text("point").split(), int(request.text("variation"))
    if len(words) > 2 * RESULT_WORDS:
        words = words[RESULT_WORDS:]  # the others are the result
    earlier = len(request.text("asked").splitlines()) + len(request.texts("question"))
    start = (variation + earlier) % len(words)
    part = " ".join((words * 2)[start : start + (len(words) + 1) // 2])
    question = f"In case {variation}.{earlier}: what holds of {part}?"
    return {"question": question, "kind": request.attribute("kind", "name")}


def _feedback(request: Request) -> dict[str, Any]:
    """Say that the answers are not the expert's, or that they are."""
    gold = request.text("expert").strip()
    same = all(text.strip() == gold for text in request.texts("student"))
    return {"difference": "They are the same." if same else "They are other texts."}


def _guide(request: Request) -> dict[str, Any]:
    return {"guidance": "Ask about another case."}


def _revise(request: Request) -> dict[str, Any]:
    return _feedback(request) | _guide(request) | _question(request)


def _explain(request: Request) -> dict[str, Any]:
    """Quote the sentence with most words of the question; its own first words are the result."""
    asked = set(request.text("question").lower().split())
    passages = request.passages() if request.texts("passage") else []
    sentences = [(p.id, text) for p in passages for text in _sentences(p.text)]
    if not sentences:
        lacking = {"explanation": "There are no passages.", "result": "", "form": "phrase"}
        return lacking | {"citations": [], "abstained": True, "look_up": ""}
    place, quote = max(sentences, key=lambda pair: len(asked & set(pair[1].lower().split())))
    return {
        "explanation": quote,
        "result": " ".join(quote.split()[:RESULT_WORDS]),
        "form": "phrase",
        "citations": [{"passage_id": place, "quote": quote}],
        "abstained": False,
        "look_up": "",
    }


def _answer(request: Request) -> dict[str, Any]:
    return _explain(request) | {"rubric": []}


def _grade(request: Request) -> dict[str, Any]:
    """Call equal texts right and all others wrong; an empty one is no answer."""
    gold, checks = request.text("expert").strip(), request.texts("check")
    answers = []
    for text in request.texts("student"):
        right = text.strip() == gold
        judged = "right" if right else "wrong" if text.strip() else "none"
        critique = "" if right else "It is another text."
        answers.append(
            {
                "result": judged,
                "reason": judged,
                "checks": [right for _ in checks],
                "critique": critique,
            }
        )
    missed = "" if all(answer["result"] == "right" for answer in answers) else gold
    return {"answers": answers, "missed": missed}


def _messages(request: Request) -> dict[str, Any]:
    """Number the messages shown, one after the other, until there are enough."""
    variation, shown = request.text("variation"), request.texts("message")
    numbers = range(int(request.text("count")) if shown else 0)
    return {"messages": [f"{shown[n % len(shown)]} ({variation}.{n})" for n in numbers]}


def _label(request: Request) -> dict[str, Any]:
    """Return the class that is named first."""
    names = [block.attributes["name"] for block in request.blocks if block.tag == "class"]
    return {"reason": "It is named first.", "label": names[0]}


def _joined(tag: str) -> Callable[[Request], dict[str, Any]]:
    """Return a reply that repeats all texts of a tag."""
    return lambda request: {"text": " ".join(request.texts(tag))}


def _sentences(text: str) -> list[str]:
    """Return the sentences of more than two words, in one line each, without headings."""
    lines = [" ".join(part.split()) for part in _SENTENCES.split(text)]
    return [line for line in lines if line.count(" ") > 1 and not line.startswith(("#", "|"))]


_STUDIES = ("concepts", "map", "implications", "questions", "cases", "discussion", "lesson")
_PLAIN: dict[str, Callable[[Request], dict[str, Any]]] = {
    "examiner: survey": _survey,
    "examiner: propose": _question,
    "examiner: revise": _revise,
    "examiner: feedback": _feedback,
    "examiner: guide": _guide,
    "expert: answer": _answer,
    "expert: explain": _explain,
    "expert: rate": lambda request: {"reason": "It is a text.", "value": 3},
    "expert: indicators": lambda request: {"indicators": request.texts("message")[:3]},
    "expert: merge": _joined("idea"),
    "expert: lost": lambda request: {"lost": []},
    "grader: grade": _grade,
    "grader: agree": lambda request: {"agree": True, "difference": ""},
    "grader: support": lambda request: {"supported": True, "missing": ""},
    "grader: guess": lambda request: {"result": ""},
    "grader: consistent": lambda request: {"conflicts": []},
    "grader: label": _label,
    "author: messages": _messages,
    "author: paraphrase": _joined("passage"),
    "author: entities": lambda request: {"entities": ["one", "two"], "summary": "Two things."},
    "author: relate": _joined("passage"),
    "author: compare": _joined("paragraph"),
    **{f"author: {form}": _joined("passage") for form in _STUDIES},
    "author: strategies": lambda request: {"strategies": ["Say it again.", "Ask about it."]},
    "author: apply": _joined("passage"),
}
