"""The examiner: finds what can be asked, writes questions, and revises them to be harder."""

from pydantic import BaseModel, ConfigDict, field_validator

from agents.prompting import Subject, fence, fence_passages, flat, neutral, render
from elenchus.records import Passage, Point, Question, QuestionKind, Seed, Style
from models.calls import Caller


class SurveyedPoint(BaseModel):
    """A norm found in a passage, as the examiner returns it."""

    model_config = ConfigDict(extra="forbid")
    quote: str
    topic: str
    kinds: list[QuestionKind]


class Survey(BaseModel):
    """All norms found in a passage."""

    model_config = ConfigDict(extra="forbid")
    points: list[SurveyedPoint]


class Proposal(BaseModel):
    """A question as the examiner returns it."""

    model_config = ConfigDict(extra="forbid")
    question: str
    kind: QuestionKind

    @field_validator("question")
    @classmethod
    def _asks(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("it is empty")
        return question


class Examiner:
    """Writes questions about points. It sees the student's mistakes, never its prompt."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        self._caller = caller
        self._settings = subject.settings

    async def survey(self, passage: Passage) -> list[Point]:
        """Return the points of a passage; one whose quote is not in it is left out, and recorded.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        prompt = render("examiner", "survey", fence_passages([passage]), **self._settings)
        reply, call = await self._caller.parsed(prompt, Survey)
        text = flat(neutral(passage.text))
        quoted = [p for p in reply.points if p.quote.strip() and flat(p.quote) in text]
        if len(quoted) < len(reply.points):
            self._caller.failed(prompt, "false-quote", "", call)
        return [
            Point(passage_id=passage.id, quote=p.quote, topic=p.topic, kinds=tuple(p.kinds))
            for p in quoted
            if p.kinds
        ]

    async def propose(
        self, seed: Seed, point: Point, passages: list[Passage], style: Style
    ) -> Question:
        """Write a first question on a point; CallFailed where the reply could not be parsed."""
        return await self._question("propose", seed, point, passages, style)

    async def revise(
        self, seed: Seed, point: Point, passages: list[Passage], question: Question, critique: str
    ) -> Question:
        """Write a harder question on the same point, in the light of a critique."""
        more = (fence("question", question.text), fence("critique", critique))
        style, parent_id = question.style, question.id
        return await self._question("revise", seed, point, passages, style, more, parent_id)

    async def _question(
        self,
        task: str,
        seed: Seed,
        point: Point,
        passages: list[Passage],
        style: Style,
        more: tuple[str, ...] = (),
        parent_id: str | None = None,
    ) -> Question:
        blocks = (
            fence_passages(passages),
            fence("point", point.quote),
            fence("kind", seed.kind),
            fence("style", style),
            fence("variation", str(seed.variation)),
            fence("asked", "\n".join(seed.asked)),
            *more,
        )
        prompt = render("examiner", task, "\n".join(blocks), **self._settings)
        reply, call = await self._caller.parsed(prompt, Proposal)
        return Question(
            text=reply.question,
            kind=reply.kind,
            style=style,
            point_id=seed.point_id,
            passage_ids=tuple(p.id for p in passages),
            round=seed.round,
            call_id=call.id,
            parent_id=parent_id,
        )
