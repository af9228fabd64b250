"""The expert: answers from retrieved passages, cites them, and abstains when they do not decide."""

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
    """Answers questions from what a search finds for them, and for what it asks to look up."""

    def __init__(self, caller: Caller, search: Search, subject: Subject, look_ups: int) -> None:
        self._caller = caller
        self._search = search
        self._look_ups = look_ups
        self._settings = subject.settings

    async def answer(self, question: str) -> tuple[list[Answer], list[Passage]]:
        """`expert.samples` answers to one question, and all passages they were given.

        Raises:
            CallFailed: a reply could not be parsed.
        """
        first = await self._search(question)
        samples = range(self._caller.config.samples)
        made = await asyncio.gather(*(self._answer(question, first, n) for n in samples))
        passages = {p.id: p for _, given in made for p in given}
        return [answer for answer, _ in made], list(passages.values())

    async def explain(self, question: str) -> tuple[Answer, list[Passage]]:
        """A paragraph that teaches how one question is answered, and the passages it was given.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        return await self._answer(question, await self._search(question), 0, "explain")

    async def _answer(
        self, question: str, passages: list[Passage], sample: int, task: str = "answer"
    ) -> tuple[Answer, list[Passage]]:
        """One answer; while the expert asks to look something up, it is searched for and added."""
        for look_ups_left in range(self._look_ups, -1, -1):
            user = fence("question", question) + "\n" + fence_passages(passages)
            prompt = render("expert", task, user, **self._settings)
            reply, call = await self._caller.parsed(prompt, Reply, sample)
            if not reply.look_up or not look_ups_left:
                break
            found = await self._search(reply.look_up)
            passages = list({p.id: p for p in (*passages, *found)}.values())
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
    """Why an answer's citations do not hold, or None: each quote must occur where it says."""
    texts = {passage.id: flat(neutral(passage.text)) for passage in passages}
    if not answer.citations:
        return "the answer cites nothing"
    for citation in answer.citations:
        if citation.passage_id not in texts:
            return f"passage {citation.passage_id} was not among those given"
        if not citation.quote.strip() or flat(citation.quote) not in texts[citation.passage_id]:
            return f"the quote does not occur in passage {citation.passage_id}"
    return None
