"""`builtin:reader`: a chat model that reads English norms in the passages of its prompt.

It plays the expert, the examiner, the grader and the author; the first line of the system message
("# Expert: answer") says which. It has no access to files, to the domain's name or to any state:
what is not in the prompt it does not know. It abstains where the passages do not decide a question.

It is there for demonstrations and end-to-end tests, and reads only what rules of drafting let it
read: duties with limits, prohibitions, permissions, exceptions, grades, fines, definitions. Of
short messages it reads nothing: there it counts words, and puts pieces together.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from elenchus.records import CHARS_A_TOKEN
from models.blocks import Request, read_request
from models.messages import as_result
from offline.language.questions import Kind
from offline.language.wording import Style
from offline.reader import (
    answering,
    asking,
    composing,
    contrasts,
    grading,
    judging,
    slips,
    studying,
    writing,
)
from offline.reader.clauses import read_clause
from offline.reader.sentences import split_sentences

Reply = dict[str, Any]
# Kinds of question by the names that prompts have for them; others become the nearest that it asks.
_KINDS: dict[str, Kind] = {
    "recall": "recall",
    "apply": "apply",
    "exception": "except",
    "combine": "multi",
    "counterfactual": "counter",
    "compare": "multi",
    "unstated": "recall",
}
_NAMES: dict[Kind, str] = {kind: name for name, kind in reversed(_KINDS.items())}
_STYLES: dict[str, Style] = {"training": "training", "exam": "exam"}


class ReaderChatModel(BaseChatModel):
    """The rule-based reader behind the interface of a chat model.

    Attributes:
        wrong: share of the expert's answers that are made wrong; which ones, and how, is drawn
            from the `seed` argument of a call.
        unsupported: share of those whose quotes are true, but no support.
    """

    wrong: float = Field(default=0.0, ge=0.0, le=1.0)
    unsupported: float = Field(default=0.0, ge=0.0, le=1.0)

    @property
    def _llm_type(self) -> str:
        return "builtin-reader"

    def _generate(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> ChatResult:
        request = read_request(messages)
        if request.task not in _TASKS:
            raise ValueError(
                f"builtin:reader cannot do {request.task!r}; it can do {', '.join(sorted(_TASKS))}"
            )
        reply = self._erring(request, kwargs.get("seed", 0)) or _TASKS[request.task](request)
        text = json.dumps(reply, ensure_ascii=False)
        read = sum(len(message.text) for message in messages) // CHARS_A_TOKEN
        return as_result(text, read, len(text) // CHARS_A_TOKEN)

    def _erring(self, request: Request, seed: int) -> Reply | None:
        """Return a wrong answer, where it is this call's turn to be wrong."""
        rng = random.Random(seed)
        if request.task != "expert: answer" or rng.random() >= self.wrong:
            return None
        question, extracts = request.text("question"), request.passages()
        right, reply = (answering.reply(question, extracts, slip) for slip in (None, rng))
        if reply.answer != right.answer and rng.random() < self.unsupported:
            reply = replace(reply, quotes=slips.beside(reply.quotes, extracts, rng))
        return _answered(reply) | {"rubric": []}

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> ChatResult:
        # Most replies take milliseconds: handing them to a thread would cost more than it frees.
        return self._generate(messages, **kwargs)


def _answer(request: Request) -> Reply:
    return _explain(request) | {"rubric": []}


def _explain(request: Request) -> Reply:
    return _answered(answering.reply(request.text("question"), request.passages()))


def _answered(reply: answering.Reply) -> Reply:
    return {
        "explanation": reply.explanation,
        "result": reply.result,
        "form": grading.form_of(reply.result) if reply.answer else "",
        "citations": [{"passage_id": q.passage_id, "quote": q.text} for q in reply.quotes],
        "abstained": not reply.answer,
        "look_up": reply.look_up,
    }


def _survey(request: Request) -> Reply:
    return {
        "points": [
            {
                "sort": point.sort,
                "statement": point.quote,
                "topic": point.topic,
                "quotes": [point.quote],
                "kinds": [_NAMES[kind] for kind in point.kinds],
            }
            for point in asking.survey(request.passages()[0])
        ]
    }


def _propose(request: Request) -> Reply:
    return _proposed(asking.propose(_assignment(request)))


def _revise(request: Request) -> Reply:
    said = _feedback(request) | _guide(request)
    question = request.text("question")
    proposal = asking.revise(_assignment(request), question, said["guidance"])
    return said | _proposed(proposal)


def _feedback(request: Request) -> Reply:
    """Say what the answers shown missed, unless it was said before."""
    missed = _compared(request).missed or "The answers come to what the expert says."
    return {"difference": next(filter(None, request.texts("feedback")), missed)}


def _guide(request: Request) -> Reply:
    """Say how to go on at what the answers shown missed, unless it was said before."""
    guidance = _compared(request).guidance
    return {"guidance": next(filter(None, request.texts("guidance")), guidance)}


def _compared(request: Request) -> grading.Grading:
    form = request.attribute("expert", "form")
    return grading.grade(request.text("expert"), request.texts("student"), form)


def _proposed(proposal: asking.Proposal) -> Reply:
    return {"question": proposal.question, "kind": _NAMES[proposal.kind]}


def _assignment(request: Request) -> asking.Assignment:
    """Read what to ask about: the point and its passages, and no more of who asks and what for."""
    kind, purpose = request.attribute("kind", "name"), request.text("purpose").strip()
    if not kind:
        raise ValueError("malformed prompt: <kind> has no name")
    if purpose not in _STYLES:
        raise ValueError(f"malformed prompt: unknown purpose {purpose!r}")
    return asking.Assignment(
        variation=_number(request, "variation"),
        extracts=request.passages(),
        point=request.text("point").strip(),
        kind=_KINDS.get(kind, "apply"),
        style=_STYLES[purpose],
        asked=[line for text in request.texts("asked") for line in text.splitlines()],
    )


def _rate(request: Request) -> Reply:
    """Rate a passage by the share of its sentences that can be read as clauses."""
    sentences = split_sentences(request.text("passage"))
    read = sum(read_clause(sentence.text, "") is not None for sentence in sentences)
    value = round(10 * read / max(1, len(sentences))) / 2
    return {"reason": f"{read} of {len(sentences)} sentences lay something down.", "value": value}


def _paraphrase(request: Request) -> Reply:
    return {"text": writing.paraphrase(request.passages()[0], _number(request, "variation"))}


def _entities(request: Request) -> Reply:
    names, summary = writing.entities(request.passages())
    return {"entities": names, "summary": summary}


def _relate(request: Request) -> Reply:
    names, variation = request.texts("entity"), _number(request, "variation")
    return {"text": writing.relate(request.passages(), names, variation)}


def _study(request: Request) -> Reply:
    """Write a text of the kind that the task is named after."""
    form = request.task.removeprefix("author: ")
    return {"text": studying.study(request.passages(), form, _number(request, "variation"))}


def _strategies(request: Request) -> Reply:
    """Propose ways to study a document; what it is studied for changes nothing for the reader."""
    return {"strategies": studying.strategies(request.passages())}


def _apply(request: Request) -> Reply:
    strategy, variation = request.text("strategy").strip(), _number(request, "variation")
    return {"text": studying.apply(request.passages(), strategy, variation)}


def _compare(request: Request) -> Reply:
    return {"text": writing.compare(request.texts("paragraph"))}


def _number(request: Request, tag: str) -> int:
    number = request.text(tag).strip()
    if not number.lstrip("-").isdigit():
        raise ValueError(f"malformed prompt: <{tag}> must be an integer, not {number!r}")
    return int(number)


def _grade(request: Request) -> Reply:
    judged = _compared(request)
    checks = request.texts("check")
    answers = [
        {
            "result": one.result,
            "reason": one.reason,
            "checks": [judging.meets(check, text) for check in checks],
            "critique": one.critique,
        }
        for one, text in zip(judged.answers, request.texts("student"), strict=True)
    ]
    return {"answers": answers, "missed": judged.missed}


def _agree(request: Request) -> Reply:
    difference = judging.difference(request.text("first"), request.text("second"))
    return {"agree": not difference, "difference": difference}


def _support(request: Request) -> Reply:
    extracts = request.passages() if request.texts("passage") else []
    missing = judging.unsupported(request.text("question"), extracts, request.text("answer"))
    return {"supported": not missing, "missing": missing}


def _guess(request: Request) -> Reply:
    """Guess nothing: a reader of rules knows no more of a question than the passages say."""
    request.text("question")  # raises if there is none
    return {"result": ""}


def _consistent(request: Request) -> Reply:
    found = judging.conflicts(request.texts("answer"))
    named = [block.attributes.get("n", "") for block in request.blocks if block.tag == "answer"]
    numbers = [int(n) if n.isdigit() else place for place, n in enumerate(named, 1)]
    return {
        "conflicts": [
            {"first": numbers[i], "second": numbers[j], "why": why} for i, j, why in found
        ]
    }


def _indicators(request: Request) -> Reply:
    request.text("class")  # raises if no class is named
    label = next(b.attributes.get("name", "") for b in request.blocks if b.tag == "class")
    messages = [block for block in request.blocks if block.tag == "message"]
    ours = [block.text for block in messages if block.attributes.get("class") == label]
    theirs = [block.text for block in messages if block.attributes.get("class") != label]
    return {"indicators": contrasts.indicators(ours, theirs)}


def _merge(request: Request) -> Reply:
    return {"text": contrasts.merge(request.texts("idea"))}


def _lost(request: Request) -> Reply:
    return {"lost": contrasts.lost(request.text("indicators"), request.texts("idea"))}


def _messages(request: Request) -> Reply:
    paragraph = " ".join(request.texts("indicators"))
    count, variation = _number(request, "count"), _number(request, "variation")
    return {"messages": composing.compose(request.texts("message"), paragraph, count, variation)}


def _label(request: Request) -> Reply:
    """Label by the paragraphs; a class without one, by its name and description."""
    paragraphs = {}
    for block in request.blocks:
        if block.tag == "class":
            name = block.attributes.get("name", "")
            paragraphs[name] = f"{name.replace('_', ' ')}. {block.text}"
        elif block.tag == "indicators":
            paragraphs[block.attributes.get("class", "")] = block.text
    label = contrasts.label(request.text("message"), paragraphs)
    return {"reason": "It shares most with that class." if label else "None fits.", "label": label}


_TASKS: dict[str, Callable[[Request], Reply]] = {
    "expert: answer": _answer,
    "expert: rate": _rate,
    "examiner: survey": _survey,
    "examiner: propose": _propose,
    "examiner: revise": _revise,
    "examiner: feedback": _feedback,
    "examiner: guide": _guide,
    "grader: grade": _grade,
    "grader: agree": _agree,
    "grader: support": _support,
    "grader: guess": _guess,
    "grader: consistent": _consistent,
    "author: paraphrase": _paraphrase,
    "author: entities": _entities,
    "author: relate": _relate,
    "author: compare": _compare,
    **{f"author: {form}": _study for form in studying.FORMS},
    "author: strategies": _strategies,
    "author: apply": _apply,
    "expert: explain": _explain,  # the answer: it names what decides, and applies it step by step
    "expert: indicators": _indicators,
    "expert: merge": _merge,
    "expert: lost": _lost,
    "author: messages": _messages,
    "grader: label": _label,
}
