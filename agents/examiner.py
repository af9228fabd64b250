"""The examiner: finds what can be asked, writes questions, and revises them by the answers."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, field_validator

from agents.prompting import Subject, fence, fence_passages, neutral
from agents.quotes import quoted
from elenchus.records import Citation, Gold, Grade, Passage, Point, Question, Seed, Sort
from models.calls import Caller, Prompt


class SurveyedPoint(BaseModel):
    """A point found in a passage, as the examiner returns it."""

    model_config = ConfigDict(extra="forbid")
    sort: Sort
    statement: str
    topic: str
    quotes: list[str]
    kinds: list[str]


class Survey(BaseModel):
    """All points found in a passage."""

    model_config = ConfigDict(extra="forbid")
    points: list[SurveyedPoint]


class Proposal(BaseModel):
    """A question as the examiner returns it."""

    model_config = ConfigDict(extra="forbid")
    question: str
    kind: str

    @field_validator("question")
    @classmethod
    def _asks(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("it is empty")
        return question


class Feedback(BaseModel):
    """In what the student's answers differ from the expert's."""

    model_config = ConfigDict(extra="forbid")
    difference: str


class Guidance(BaseModel):
    """How the next question should differ."""

    model_config = ConfigDict(extra="forbid")
    guidance: str


# pydantic lists the fields of the last base first: a question comes after what it follows from.
class Revision(Proposal, Guidance, Feedback):
    """A further question, with what it answers to: the paper's feedback and guidance."""


class Task(NamedTuple):
    """All that a question is written from; the first point is what it is about."""

    seed: Seed
    points: Sequence[Point]
    passages: Sequence[Passage]
    exam: bool


class Shown(NamedTuple):
    """A question with the answers to it, as a revision is shown them."""

    question: Question
    gold: Gold
    answers: Sequence[tuple[str, Grade]]


class Examiner:
    """Writes questions about points. It sees the student's answers, never its prompt.

    Args:
        steps: calls that a revision takes: one, or three as in the paper (arXiv 2602.18137).
    """

    def __init__(self, caller: Caller, subject: Subject, steps: int = 1) -> None:
        self._caller = caller
        self._subject = subject
        self._steps = steps

    async def survey(self, passage: Passage) -> list[Point]:
        """Return the points of a passage; a quote that is not in it is left out, and recorded.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        kinds = "\n".join(f"  - `{k}`: {text}" for k, text in self._subject.surveyed.items())
        user = fence_passages([passage])
        prompt = self._subject.render("examiner", "survey", user, kinds=kinds)
        reply, call = await self._caller.parsed(prompt, Survey)
        text = neutral(passage.text)
        points = []
        for point in reply.points:
            quotes = [exact for q in point.quotes if (exact := quoted(q, text)) is not None]
            if len(quotes) < len(point.quotes):
                self._caller.failed(prompt, "false-quote", "", call)
            kinds_ = tuple(k for k in dict.fromkeys(point.kinds) if k in self._subject.surveyed)
            if not quotes or not kinds_ or not point.statement.strip():
                continue
            grounds = tuple(Citation(passage_id=passage.id, quote=q) for q in quotes)
            points.append(
                Point(
                    sort=point.sort,
                    statement=point.statement,
                    topic=point.topic,
                    grounds=grounds,
                    kinds=kinds_,
                )
            )
        return points

    async def propose(self, task: Task) -> Question:
        """Write a first question on a point; CallFailed where the reply could not be parsed."""
        prompt = self._prompt("propose", task)
        reply, call = await self._caller.parsed(prompt, Proposal)
        return self._question(task, reply, call.id)

    async def revise(self, task: Task, shown: Shown) -> Question:
        """Write a further question on the same point, by what the answers to one show.

        Raises:
            CallFailed: a reply could not be parsed.
        """
        blocks = _shown(shown)
        if self._steps > 1:
            first, _ = await self._caller.parsed(self._prompt("feedback", task, blocks), Feedback)
            blocks = (*blocks, fence("feedback", first.difference))
            second, _ = await self._caller.parsed(self._prompt("guide", task, blocks), Guidance)
            blocks = (*blocks, fence("guidance", second.guidance))
        reply, call = await self._caller.parsed(self._prompt("revise", task, blocks), Revision)
        said = {"difference": reply.difference, "guidance": reply.guidance}
        question = self._question(task, reply, call.id)
        return question.model_copy(update={"parent_id": shown.question.id} | said)

    def _prompt(self, name: str, task: Task, more: Sequence[str] = ()) -> Prompt:
        seed = task.seed
        point, *partners = task.points
        blocks = (
            fence_passages(list(task.passages)),
            fence("point", point.statement, topic=point.topic, sort=point.sort),
            *(fence("partner", p.statement, topic=p.topic, sort=p.sort) for p in partners),
            fence("kind", self._subject.kinds.get(seed.kind, ""), name=seed.kind),
            fence("purpose", "exam" if task.exam else "training"),
            fence("persona", seed.persona),
            fence("format", seed.format),
            fence("wanted", seed.wanted),
            fence("variation", str(seed.variation)),
            fence("asked", "\n".join(seed.asked)),
            *(fence("failed", text) for text in seed.failed),
            *(fence("passed", text) for text in seed.passed),
            *more,
        )
        return self._subject.render("examiner", name, "\n".join(blocks))

    def _question(self, task: Task, reply: Proposal, call_id: str) -> Question:
        seed = task.seed
        return Question(
            text=reply.question,
            kind=reply.kind if reply.kind in self._subject.kinds else seed.kind,
            exam=task.exam,
            point_id=seed.point_id,
            passage_ids=tuple(p.id for p in task.passages),
            round=seed.round,
            call_id=call_id,
        )


def _shown(shown: Shown) -> tuple[str, ...]:
    """Return the blocks that show a question with its answers."""
    grades = [grade for _, grade in shown.answers]
    right = sum(grade == "correct" for grade in grades)
    standing = "all right" if right == len(grades) else "some right" if right else "all wrong"
    return (
        fence("question", shown.question.text),
        fence("expert", shown.gold.text),
        *(
            fence("student", text, n=str(n), grade=grade)
            for n, (text, grade) in enumerate(shown.answers, 1)
        ),
        fence("standing", standing),
    )
