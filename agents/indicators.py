"""The expert on messages: what tells those of a class from others, listed and then merged.

Several models list; one merges their lists into a paragraph that loses no idea (arXiv 2503.15055,
section 3). Whether an idea was lost is asked in a call of its own, and what stays lost is added.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from agents.calls import Caller
from agents.prompting import fence, render
from elenchus.config import DomainConfig
from elenchus.message_records import IndicatorList, Indicators, RealMessage

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

    def __init__(self, caller: Caller, config: DomainConfig) -> None:
        self._caller = caller
        self._classes = config.messages.classes
        self._events = config.indicators.events
        stakeholders = config.indicators.stakeholders or "those who have to act on such messages"
        self._settings = {"title": config.title, "language": config.language}
        self._listing = self._settings | {"stakeholders": stakeholders}

    async def list(
        self, label: str, messages: Sequence[RealMessage], others: Sequence[RealMessage]
    ) -> IndicatorList:
        """What one model says tells messages of a class from the others."""
        blocks = [self._class(label)]
        blocks += [fence("event", event) for event in self._events]
        blocks += [fence("message", m.text, **{"class": m.label}) for m in (*messages, *others)]
        prompt = render("expert", "indicators", "\n".join(blocks), **self._listing)
        reply, call = await self._caller.parsed(prompt, Listed)
        ideas = tuple(idea.strip() for idea in reply.indicators if idea.strip())
        if not ideas:
            raise self._caller.failed(prompt, "no indicators", call)
        model = self._caller.model.identity
        return IndicatorList(label=label, model=model, ideas=ideas, call_id=call.id)

    async def merge(self, label: str, lists: Sequence[IndicatorList]) -> Indicators:
        """All lists of a class as one paragraph that holds every idea of theirs."""
        ideas = tuple(dict.fromkeys(idea for listed in lists for idea in listed.ideas))
        text = await self._merged(label, ideas)
        lost = await self.lost(text, ideas)
        if lost:
            text = await self._merged(label, ideas, text, lost)
            lost = await self.lost(text, ideas)
        return Indicators(
            label=label,
            text=" ".join((text, *map(_sentence, lost))),
            list_ids=tuple(listed.id for listed in lists),
            lost=lost,
            approved=False,
        )

    async def lost(self, text: str, ideas: Sequence[str]) -> tuple[str, ...]:
        """Those of some ideas that a paragraph lacks."""
        blocks = [fence("indicators", text)]
        blocks += [fence("idea", idea, n=str(n)) for n, idea in enumerate(ideas, 1)]
        prompt = render("expert", "lost", "\n".join(blocks), **self._settings)
        reply, call = await self._caller.parsed(prompt, Lost)
        numbers = sorted(set(reply.lost))
        if any(not 1 <= n <= len(ideas) for n in numbers):
            raise self._caller.failed(prompt, f"{numbers} of {len(ideas)} ideas", call)
        return tuple(ideas[n - 1] for n in numbers)

    async def _merged(
        self, label: str, ideas: Sequence[str], former: str = "", lost: Sequence[str] = ()
    ) -> str:
        """One paragraph; where a former one lost some ideas, it is shown with these marked."""
        blocks = [self._class(label)]
        for n, idea in enumerate(ideas, 1):
            marks = {"lost": "yes"} if idea in lost else {}
            blocks.append(fence("idea", idea, n=str(n), **marks))
        if former:
            blocks.append(fence("indicators", former))
        prompt = render("expert", "merge", "\n".join(blocks), **self._settings)
        reply, _ = await self._caller.parsed(prompt, Merged)
        return reply.text

    def _class(self, label: str) -> str:
        return fence("class", self._classes.get(label, ""), name=label)


def unmerged(label: str, lists: Sequence[IndicatorList]) -> Indicators:
    """All ideas one after another, where no model could merge them."""
    ideas = tuple(dict.fromkeys(idea for listed in lists for idea in listed.ideas))
    return Indicators(
        label=label,
        text=" ".join(map(_sentence, ideas)),
        list_ids=tuple(listed.id for listed in lists),
        lost=ideas,
        approved=False,
    )


def _sentence(idea: str) -> str:
    return idea if idea.endswith(_ENDS) else f"{idea}."
