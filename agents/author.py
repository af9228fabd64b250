"""The author: writes texts to learn.

`compare` closes a passage about several problems. The others write the texts of the baselines:
`paraphrase` rewrites passages; `entities` and `relate` are the two calls of EntiGraph (arXiv
2409.07431, section 2), which lists a document's entities and then retells it for groups of them.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from agents.prompting import Subject, fence, fence_passages
from elenchus.outcomes import Text
from elenchus.records import Passage
from models.calls import Caller


class Written(BaseModel):
    """A text as the author returns it."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)


class Entities(BaseModel):
    """What a document is about."""

    model_config = ConfigDict(extra="forbid")
    entities: list[str]
    summary: str


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
