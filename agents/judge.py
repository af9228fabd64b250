"""The judge: a model that compares the student's answers with the expert's."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from agents.prompting import Subject, fence, render
from elenchus.records import Grade, Verdict, verdict
from models.calls import Caller


class Grading(BaseModel):
    """What the grader must return: a grade for each answer, in their order."""

    model_config = ConfigDict(extra="forbid")
    grades: list[Grade]
    missed: str
    critique: str


class Judge:
    """Grades by comparison alone: it is shown no passages."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        self._caller = caller
        self._settings = subject.settings

    async def grade(self, question: str, gold: str, answers: Sequence[str]) -> Verdict:
        """Grade all answers beside the gold one; the gap is computed from the grades.

        Raises:
            CallFailed: the reply could not be parsed, or lacks a grade for each answer.
        """
        blocks = [fence("question", question), fence("expert", gold)]
        blocks += [fence("student", text, n=str(n)) for n, text in enumerate(answers, 1)]
        prompt = render("grader", "grade", "\n".join(blocks), **self._settings)
        reply, call = await self._caller.parsed(prompt, Grading)
        if len(reply.grades) != len(answers):
            detail = f"{len(reply.grades)} grades for {len(answers)} answers"
            raise self._caller.failed(prompt, "unusable", detail, call)
        return verdict(reply.grades, reply.missed, reply.critique, call.id)
