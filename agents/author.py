"""The author: writes texts to learn.

`compare` closes a passage about several problems. The others write the texts of the baselines:
`paraphrase` rewrites passages; `entities` and `relate` are the two calls of EntiGraph (arXiv
2409.07431, section 2), which lists a document's entities and then retells it for groups of them.
`study` has one of seven fixed prompts, of the kinds that SPA has (arXiv 2603.22213), in words of
our own. `strategies` and `apply` are the two calls of Active Reading (arXiv 2508.09494): ways to
study a document are proposed, and then followed.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from agents.prompting import Subject, fence, fence_passages
from elenchus.outcomes import Text
from elenchus.records import Passage
from models.calls import Caller

# In the paper's order: concept learning, critical thinking, generative learning.
STUDIES = ("concepts", "map", "implications", "questions", "cases", "discussion", "lesson")


class Written(BaseModel):
    """A text as the author returns it."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)


class Entities(BaseModel):
    """What a document is about."""

    model_config = ConfigDict(extra="forbid")
    entities: list[str]
    summary: str


class Strategies(BaseModel):
    """Ways to study a document."""

    model_config = ConfigDict(extra="forbid")
    strategies: list[str]


class Author:
    """Writes texts from its prompts alone. All methods raise CallFailed."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        self._caller = caller
        self._subject = subject

    async def paraphrase(self, passage: Passage, variation: int) -> Text:
        """Write a passage in other words."""
        user = fence_passages([passage]) + "\n" + fence("variation", str(variation))
        return await self._written("paraphrase", user, [passage])

    async def entities(self, passages: Sequence[Passage]) -> Entities:
        """Return the entities of a document, given as its passages, and a summary."""
        prompt = self._subject.render("author", "entities", fence_passages(list(passages)))
        reply, _ = await self._caller.parsed(prompt, Entities)
        return reply

    async def relate(
        self, passages: Sequence[Passage], entities: Sequence[str], variation: int
    ) -> Text:
        """Retell a document for two or three of its entities, with how they interact."""
        blocks = [fence("entity", entity) for entity in entities]
        blocks.append(fence("variation", str(variation)))
        user = "\n".join((fence_passages(list(passages)), *blocks))
        return await self._written("relate", user, passages)

    async def study(self, passages: Sequence[Passage], form: str, variation: int) -> Text:
        """Write a text of one of the kinds in `STUDIES` about a document."""
        user = fence_passages(list(passages)) + "\n" + fence("variation", str(variation))
        return await self._written(form, user, passages)

    async def strategies(self, passages: Sequence[Passage], purpose: str) -> Strategies:
        """Return ways to study a document, for a purpose where one is given."""
        user = fence_passages(list(passages))
        if purpose:
            user += "\n" + fence("purpose", purpose)
        prompt = self._subject.render("author", "strategies", user)
        reply, _ = await self._caller.parsed(prompt, Strategies)
        return reply

    async def apply(self, passages: Sequence[Passage], strategy: str, variation: int) -> Text:
        """Study a document in one of the ways proposed, in writing."""
        blocks = (fence("strategy", strategy), fence("variation", str(variation)))
        user = "\n".join((fence_passages(list(passages)), *blocks))
        return await self._written("apply", user, passages)

    async def compare(self, explained: Sequence[tuple[str, str]]) -> Text:
        """Write a paragraph on what questions share, and what is unique to each.

        Each comes with the paragraph that explains it (arXiv 2406.16694, section 3).
        """
        blocks = []
        for question, paragraph in explained:
            blocks += [fence("question", question), fence("paragraph", paragraph)]
        return await self._written("compare", "\n".join(blocks), ())

    async def _written(self, task: str, user: str, passages: Sequence[Passage]) -> Text:
        prompt = self._subject.render("author", task, user)
        reply, call = await self._caller.parsed(prompt, Written)
        ids = tuple(passage.id for passage in passages)
        return Text(task=task, text=reply.text, passage_ids=ids, call_id=call.id)
