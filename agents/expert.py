"""The expert: answers from retrieved passages, cites them, and abstains when they do not decide."""

import asyncio
import re
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from agents.calls import Caller
from agents.prompting import fence, fence_passages, neutral, render
from elenchus.config import DomainConfig
from elenchus.records import Answer, Citation, Passage

Search = Callable[[str], list[Passage]]


class Reply(BaseModel):
    """What the expert must return."""

    model_config = ConfigDict(extra="forbid")
    answer: str
    citations: list[Citation]
    abstained: bool


class Expert:
    """Answers questions from what a search finds for them."""

    def __init__(self, caller: Caller, search: Search, config: DomainConfig) -> None:
        self._caller = caller
        self._search = search
        self._config = config

    async def answer(self, question: str) -> tuple[list[Answer], list[Passage]]:
        """`expert.samples` answers to one question, and the passages they were given.

        Raises:
            CallFailed: a reply could not be parsed.
        """
        passages = await asyncio.to_thread(self._search, question)
        user = fence("question", question) + "\n" + fence_passages(passages)
        prompt = render(
            "expert", "answer", user, title=self._config.title, language=self._config.language
        )
        samples = range(self._caller.config.samples)
        replies = await asyncio.gather(*(self._caller.parsed(prompt, Reply, n) for n in samples))
        answers = [
            Answer(
                text=reply.answer,
                citations=tuple(reply.citations),
                abstained=reply.abstained,
                sample=n,
                call_id=call.id,
                tokens=call.output_tokens,
            )
            for n, (reply, call) in enumerate(replies)
        ]
        return answers, passages


def false_citation(answer: Answer, passages: list[Passage]) -> str | None:
    """Why an answer's citations do not hold, or None: each quote must occur where it says."""
    texts = {passage.id: _flat(neutral(passage.text)) for passage in passages}
    if not answer.citations:
        return "the answer cites nothing"
    for citation in answer.citations:
        if citation.passage_id not in texts:
            return f"passage {citation.passage_id} was not among those given"
        if not citation.quote.strip() or _flat(citation.quote) not in texts[citation.passage_id]:
            return f"the quote does not occur in passage {citation.passage_id}"
    return None


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
