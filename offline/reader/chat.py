"""`builtin:reader`: a chat model that reads English norms in the passages of its prompt.

It plays the expert, the examiner, the grader and the author, told apart by the first line of the
system message ("# Expert: answer"). It has no access to files, to the domain's name or to any
state: what is not in the prompt it does not know. Given passages that do not decide a question, it
abstains.
It is a demonstration and the test double of the real models, and reads only what rules of drafting
let it read: duties with limits, prohibitions, permissions, exceptions, grades, fines, definitions.
Of short messages it reads nothing: there it counts words, and puts pieces together.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from elenchus.records import CHARS_A_TOKEN
from models.blocks import Request, read_request
from models.messages import as_result
from offline.reader import answering, asking, composing, contrasts, grading, writing
from offline.reader.clauses import read_clause
from offline.reader.sentences import split_sentences

Reply = dict[str, Any]


class ReaderChatModel(BaseChatModel):
    """A rule-based reader of normative English behind the interface of a chat model.

    Attributes:
        wrong: share of the expert's answers that are made wrong; which ones, and how, is drawn
            from the `seed` argument of a call.
    """

    wrong: float = Field(default=0.0, ge=0.0, le=1.0)

    @property
    def _llm_type(self) -> str:
        return "builtin-reader"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = read_request(messages)
        if request.task not in _TASKS:
            raise ValueError(
                f"builtin:reader cannot do {request.task!r}; it can do {', '.join(sorted(_TASKS))}"
            )
        said = self._erring(request, kwargs.get("seed", 0)) or _TASKS[request.task](request)
        text = json.dumps(said, ensure_ascii=False)
        read = sum(len(message.text) for message in messages) // CHARS_A_TOKEN
        return as_result(text, read, len(text) // CHARS_A_TOKEN)

    def _erring(self, request: Request, seed: int) -> Reply | None:
        """A wrong answer, where it is this call's turn to be wrong."""
        rng = random.Random(seed)
        if request.task != "expert: answer" or rng.random() >= self.wrong:
            return None
        return _answer(request, rng)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # Most replies take milliseconds: handing them to a thread would cost more than it frees.
        return self._generate(messages, stop, None, **kwargs)


def _answer(request: Request, slip: random.Random | None = None) -> Reply:
    found = answering.reply(request.text("question"), request.passages(), slip)
    citations = [{"passage_id": q.passage_id, "quote": q.text} for q in found.quotes]
    return {
        "answer": found.answer,
        "citations": citations,
        "abstained": not found.answer,
        "look_up": found.look_up,
    }


def _survey(request: Request) -> Reply:
    points = asking.survey(request.passages()[0])
    return {
        "points": [{"quote": p.quote, "topic": p.topic, "kinds": list(p.kinds)} for p in points]
    }


def _propose(request: Request) -> Reply:
    proposal = asking.propose(*_wish(request))
    return {"question": proposal.question, "kind": proposal.kind}


def _revise(request: Request) -> Reply:
    proposal = asking.revise(*_wish(request), request.text("question"), request.text("critique"))
    return {"question": proposal.question, "kind": proposal.kind}


def _rate(request: Request) -> Reply:
    """It knows no subject: the share of sentences that it can read as clauses stands for value."""
    sentences = split_sentences(request.text("passage"))
    read = sum(read_clause(sentence.text, "") is not None for sentence in sentences)
    value = round(10 * read / max(1, len(sentences))) / 2
    return {"reason": f"{read} of {len(sentences)} sentences lay something down.", "value": value}


def _paraphrase(request: Request) -> Reply:
    return {"text": writing.paraphrase(request.passages()[0], _variation(request))}


def _entities(request: Request) -> Reply:
    names, summary = writing.entities(request.passages())
    return {"entities": names, "summary": summary}


def _relate(request: Request) -> Reply:
    names = request.texts("entity")
    return {"text": writing.relate(request.passages(), names, _variation(request))}


def _compare(request: Request) -> Reply:
    return {"text": writing.compare(request.texts("paragraph"))}


def _variation(request: Request) -> int:
    return _number(request, "variation")


def _number(request: Request, tag: str) -> int:
    number = request.text(tag).strip()
    if not number.lstrip("-").isdigit():
        raise ValueError(f"malformed prompt: <{tag}> must be an integer, not {number!r}")
    return int(number)


def _wish(request: Request) -> tuple[list[Any], str, str, str, int, list[str]]:
    variation = _variation(request)
    asked = [line for text in request.texts("asked") for line in text.splitlines() if line.strip()]
    return (
        request.passages(),
        request.text("point"),
        request.text("kind").strip(),
        request.text("style").strip(),
        variation,
        asked,
    )


def _grade(request: Request) -> Reply:
    answers = request.texts("student")
    result = grading.grade(request.text("question"), request.text("expert"), answers)
    return {"grades": list(result.grades), "missed": result.missed, "critique": result.critique}


def _indicators(request: Request) -> Reply:
    label = _named(request)
    shown = [block for block in request.blocks if block.tag == "message"]
    ours = [block.text for block in shown if block.attributes.get("class") == label]
    others = [block.text for block in shown if block.attributes.get("class") != label]
    return {"indicators": contrasts.indicators(ours, others)}


def _merge(request: Request) -> Reply:
    return {"text": contrasts.merge(request.texts("idea"))}


def _lost(request: Request) -> Reply:
    return {"lost": contrasts.lost(request.text("indicators"), request.texts("idea"))}


def _messages(request: Request) -> Reply:
    paragraph = " ".join(request.texts("indicators"))
    count, variation = _number(request, "count"), _number(request, "variation")
    return {"messages": composing.compose(request.texts("message"), paragraph, count, variation)}


def _label(request: Request) -> Reply:
    """By the paragraphs, or where there is none for a class, by its name and description."""
    known = {}
    for block in request.blocks:
        if block.tag == "class":
            name = block.attributes.get("name", "")
            known[name] = f"{name.replace('_', ' ')}. {block.text}"
        elif block.tag == "indicators":
            known[block.attributes.get("class", "")] = block.text
    label = contrasts.label(request.text("message"), known)
    return {"reason": "It shares most with that class." if label else "None fits.", "label": label}


def _named(request: Request) -> str:
    """The name of the class that is asked about."""
    request.text("class")
    return next(b.attributes.get("name", "") for b in request.blocks if b.tag == "class")


_TASKS: dict[str, Callable[[Request], Reply]] = {
    "expert: answer": _answer,
    "expert: rate": _rate,
    "examiner: survey": _survey,
    "examiner: propose": _propose,
    "examiner: revise": _revise,
    "grader: grade": _grade,
    "author: paraphrase": _paraphrase,
    "author: entities": _entities,
    "author: relate": _relate,
    "author: compare": _compare,
    "expert: explain": _answer,  # which names what decides, and applies it step by step
    "expert: indicators": _indicators,
    "expert: merge": _merge,
    "expert: lost": _lost,
    "author: messages": _messages,
    "grader: label": _label,
}
