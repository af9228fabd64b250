"""`builtin:reader`: a chat model that reads English norms in the passages of its prompt.

It plays the expert, the examiner, the grader and the author, told apart by the first line of the
system message ("# Expert: answer"). It has no access to files, to the domain's name or to any
state: what is not in the prompt it does not know. Given passages that do not decide a question, it
abstains.
It is a demonstration and the test double of the real models, and reads only what rules of drafting
let it read: duties with limits, prohibitions, permissions, exceptions, grades, fines, definitions.
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

from agents.builtin import answering, asking, grading, writing
from agents.builtin.blocks import Request, read_request
from agents.messages import as_result
from elenchus.records import CHARS_A_TOKEN

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
        # A reply takes milliseconds: handing it to a thread would cost more than it frees.
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


def _paraphrase(request: Request) -> Reply:
    return {"text": writing.paraphrase(request.passages()[0], _variation(request))}


def _entities(request: Request) -> Reply:
    names, summary = writing.entities(request.passages())
    return {"entities": names, "summary": summary}


def _relate(request: Request) -> Reply:
    names = request.texts("entity")
    return {"text": writing.relate(request.passages(), names, _variation(request))}


def _variation(request: Request) -> int:
    variation = request.text("variation").strip()
    if not variation.lstrip("-").isdigit():
        raise ValueError(f"malformed prompt: <variation> must be an integer, not {variation!r}")
    return int(variation)


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


_TASKS: dict[str, Callable[[Request], Reply]] = {
    "expert: answer": _answer,
    "examiner: survey": _survey,
    "examiner: propose": _propose,
    "examiner: revise": _revise,
    "grader: grade": _grade,
    "author: paraphrase": _paraphrase,
    "author: entities": _entities,
    "author: relate": _relate,
}
