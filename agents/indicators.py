"""The expert on messages: lists what tells those of a class from others, and merges such lists.

Several models list ideas; one merges them into a paragraph that loses none (arXiv 2503.15055,
section 3). Whether one was lost is asked in a call of its own, and what stays lost is added.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from agents.prompting import Subject, fence
from elenchus.ledger import Call
from models.calls import Caller

_ENDS = (".", "!", "?", "…")


class Listed(BaseModel):
    """The indicators of a class as a model lists them."""

    model_config = ConfigDict(extra="forbid")
    indicators: list[str]


class Merged(BaseModel):
    """All ideas in one paragraph."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Lost(BaseModel):
    """The numbers of the ideas that a paragraph lacks."""

    model_config = ConfigDict(extra="forbid")
    lost: list[int]


class IndicatorExpert:
    """Says what to look for in messages of a class. All methods raise CallFailed."""

    def __init__(
        self,
        caller: Caller,
        subject: Subject,
        classes: Mapping[str, str],
        events: Sequence[str] = (),
        stakeholders: str = "",
    ) -> None:
        self._caller, self._classes, self._events = caller, classes, events
        self._subject = subject
        self._stakeholders = stakeholders or "those who have to act on such messages"

    @property
    def model(self) -> str:
        """The identity of the model that lists."""
        return self._caller.model.identity

    async def list(
        self, label: str, messages: Sequence[tuple[str, str]]
    ) -> tuple[tuple[str, ...], Call]:
        """List what tells messages of a class from others, as separate ideas.

        Args:
            messages: texts with their classes, those of the class first.
        """
        blocks = [self._class(label)]
        blocks += [fence("event", event) for event in self._events]
        blocks += [fence("message", text, **{"class": name}) for text, name in messages]
        user, asking = "\n".join(blocks), self._stakeholders
        prompt = self._subject.render("expert", "indicators", user, stakeholders=asking)
        reply, call = await self._caller.parsed(prompt, Listed)
        ideas = tuple(idea.strip() for idea in reply.indicators if idea.strip())
        if not ideas:
            raise self._caller.failed(prompt, "unusable", "no indicators", call)
        return ideas, call

    async def merge(self, label: str, ideas: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Merge ideas into one paragraph that holds all of them.

        Those that it lacks even after a reminder are added as they stand, and returned beside it.
        """
        text = await self._merged(label, ideas)
        lost = await self.lost(text, ideas)
        if lost:
            text = await self._merged(label, ideas, text, lost)
            lost = await self.lost(text, ideas)
        return " ".join((text, *map(as_sentence, lost))), lost

    async def lost(self, text: str, ideas: Sequence[str]) -> tuple[str, ...]:
        """Return the ideas that a paragraph lacks."""
        blocks = [fence("indicators", text)]
        blocks += [fence("idea", idea, n=str(n)) for n, idea in enumerate(ideas, 1)]
        prompt = self._subject.render("expert", "lost", "\n".join(blocks))
        reply, call = await self._caller.parsed(prompt, Lost)
        numbers = sorted(set(reply.lost))
        if any(not 1 <= n <= len(ideas) for n in numbers):
            raise self._caller.failed(prompt, "unusable", f"{numbers} of {len(ideas)} ideas", call)
        return tuple(ideas[n - 1] for n in numbers)

    async def _merged(
        self, label: str, ideas: Sequence[str], former: str = "", lost: Sequence[str] = ()
    ) -> str:
        """Merge once; a former paragraph is shown, and the ideas that it lost are marked."""
        blocks = [self._class(label)]
        for n, idea in enumerate(ideas, 1):
            marks = {"lost": "yes"} if idea in lost else {}
            blocks.append(fence("idea", idea, n=str(n), **marks))
        if former:
            blocks.append(fence("indicators", former))
        prompt = self._subject.render("expert", "merge", "\n".join(blocks))
        reply, _ = await self._caller.parsed(prompt, Merged)
        return reply.text

    def _class(self, label: str) -> str:
        return fence("class", self._classes.get(label, ""), name=label)


def as_sentence(idea: str) -> str:
    """Return an idea with a full stop, where it has no end of its own."""
    return idea if idea.endswith(_ENDS) else f"{idea}."
