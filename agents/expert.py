"""The expert: answers from retrieved passages, cites them, or abstains if they do not decide."""

import asyncio
from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict

from agents.prompting import Subject, fence, fence_passages, flat, neutral, render
from elenchus.records import Answer, Citation, Passage
from models.calls import Caller

Search = Callable[[str], Awaitable[list[Passage]]]


class Reply(BaseModel):
    """What the expert must return. `look_up` is a query for what the passages lack, or empty."""

    model_config = ConfigDict(extra="forbid")
    answer: str
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
        self._settings = subject.settings

    async def answer(self, question: str) -> tuple[list[Answer], list[Passage]]:
        """Give `expert.samples` answers to a question; return them with all passages shown.

        Raises:
            CallFailed: a reply could not be parsed.
        """
        passages = await self._search(question)
        samples = range(self._caller.config.samples)
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
            prompt = render("expert", task, user, **self._settings)
            reply, call = await self._caller.parsed(prompt, Reply, sample)
            if not reply.look_up or not look_ups_left:
                break
            looked_up = await self._search(reply.look_up)
            passages = list({p.id: p for p in (*passages, *looked_up)}.values())
        answer = Answer(
            text=reply.answer,
            citations=tuple(reply.citations),
            abstained=reply.abstained or not reply.answer.strip(),
            sample=sample,
            call_id=call.id,
            tokens=call.output_tokens,
        )
        return answer, passages


def false_citation(answer: Answer, passages: list[Passage]) -> str | None:
    """Say why an answer's citations do not hold; None where each quote occurs in its passage."""
    texts = {passage.id: flat(neutral(passage.text)) for passage in passages}
    if not answer.citations:
        return "the answer cites nothing"
    for citation in answer.citations:
        if citation.passage_id not in texts:
            return f"passage {citation.passage_id} was not among those given"
        if not citation.quote.strip() or flat(citation.quote) not in texts[citation.passage_id]:
            return f"the quote does not occur in passage {citation.passage_id}"
    return None
