"""The expert: answers from retrieved passages, cites them, or abstains if they do not decide."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pydantic import BaseModel, ConfigDict

from agents.prompting import Subject, fence, fence_passages, neutral
from agents.quotes import quoted
from elenchus.records import Answer, Citation, Form, Gold, Passage
from models.calls import Caller

Search = Callable[[str], Awaitable[list[Passage]]]


class Reply(BaseModel):
    """What the expert must return. `look_up` is a query for what the passages lack, or empty."""

    model_config = ConfigDict(extra="forbid")
    explanation: str
    result: str
    form: Form = ""
    rubric: list[str] = []
    citations: list[Citation]
    abstained: bool
    look_up: str = ""


class Expert:
    """Answers questions from the passages of a search, and of further ones that it asks for.

    Args:
        look_ups: further searches at most, for an answer.
    """

    def __init__(self, caller: Caller, search: Search, subject: Subject, look_ups: int) -> None:
        self._caller = caller
        self._search = search
        self._look_ups = look_ups
        self._subject = subject

    @property
    def samples(self) -> int:
        """How many answers to a question have to agree."""
        return self._caller.config.samples

    async def answer(self, question: str, samples: Sequence[int] = (0,)) -> "Answered":
        """Give answers to a question, by the numbers of the samples, with all passages shown.

        Raises:
            CallFailed: a reply could not be parsed.
        """
        passages = await self._search(question)
        pairs = await asyncio.gather(*(self._answer(question, passages, n) for n in samples))
        by_id = {p.id: p for _, shown in pairs for p in shown}
        return [answer for answer, _ in pairs], list(by_id.values())

    async def explain(self, question: str) -> tuple[Answer, list[Passage]]:
        """Write a paragraph that teaches how to answer a question; return the passages with it.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        return await self._answer(question, await self._search(question), 0, "explain")

    async def _answer(
        self, question: str, passages: list[Passage], sample: int, task: str = "answer"
    ) -> tuple[Answer, list[Passage]]:
        """Give one answer; as long as the expert asks to look something up, passages are added."""
        for look_ups_left in range(self._look_ups, -1, -1):
            user = fence("question", question) + "\n" + fence_passages(passages)
            prompt = self._subject.render("expert", task, user)
            reply, call = await self._caller.parsed(prompt, Reply, sample)
            if not reply.look_up or not look_ups_left:
                break
            looked_up = await self._search(reply.look_up)
            passages = list({p.id: p for p in (*passages, *looked_up)}.values())
        abstained = reply.abstained or not reply.result.strip()
        result = self._subject.form.unstated if abstained else reply.result.strip()
        answer = Answer(
            text=self._subject.form.text(reply.explanation, result),
            explanation=reply.explanation.strip(),
            result=result,
            form="phrase" if abstained else reply.form,
            rubric=tuple(reply.rubric) if reply.form == "judgement" and not abstained else (),
            citations=tuple(_exact(c, passages) for c in reply.citations),
            abstained=abstained,
            sample=sample,
            call_id=call.id,
            tokens=call.output_tokens,
        )
        return answer, passages


Answered = tuple[list[Answer], list[Passage]]


def gold_of(answer: Answer) -> Gold:
    """Return an expert's answer as what graders compare others with."""
    quotes = tuple(c.quote for c in answer.citations)
    return Gold(
        text=answer.text,
        result=answer.result,
        form=answer.form,
        rubric=answer.rubric,
        quotes=quotes,
    )


def _exact(citation: Citation, passages: Sequence[Passage]) -> Citation:
    """Return a citation as its passage has it; as it is, where the passage does not."""
    for passage in passages:
        if passage.id == citation.passage_id:
            quote = quoted(citation.quote, neutral(passage.text)) or citation.quote
            return citation.model_copy(update={"quote": quote})
    return citation


def false_citation(answer: Answer, passages: Sequence[Passage]) -> str | None:
    """Say why an answer's citations do not hold; None where each quote occurs in its passage."""
    texts = {passage.id: neutral(passage.text) for passage in passages}
    if not answer.citations and not answer.abstained:
        return "the answer cites nothing"
    for citation in answer.citations:
        if citation.passage_id not in texts:
            return f"passage {citation.passage_id} was not among those given"
        if quoted(citation.quote, texts[citation.passage_id]) is None:
            return f"the quote does not occur in passage {citation.passage_id}"
    return None
