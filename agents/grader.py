"""The grader: compares the student's answers with the expert's and says what was missed."""

import statistics

from pydantic import BaseModel, ConfigDict

from agents.calls import Caller
from agents.prompting import fence, render
from elenchus.config import DomainConfig
from elenchus.records import SCORES, Grade, Verdict


class Grading(BaseModel):
    """What the grader must return: a grade for each answer, in their order."""

    model_config = ConfigDict(extra="forbid")
    grades: list[Grade]
    missed: str
    critique: str


class Grader:
    """Judges by comparison only: it is shown no passages."""

    def __init__(self, caller: Caller, config: DomainConfig) -> None:
        self._caller = caller
        self._settings = {"title": config.title, "language": config.language}

    async def grade(self, question: str, expert: str, answers: list[str]) -> Verdict:
        """Grades of all answers against the expert's; the gap is computed here, not asked for.

        Raises:
            CallFailed: the reply could not be parsed, or has not one grade for each answer.
        """
        blocks = [fence("question", question), fence("expert", expert)]
        blocks += [fence("student", text, n=str(n)) for n, text in enumerate(answers, 1)]
        prompt = render("grader", "grade", "\n".join(blocks), **self._settings)
        reply, call = await self._caller.parsed(prompt, Grading)
        if len(reply.grades) != len(answers):
            reason = f"{len(reply.grades)} grades for {len(answers)} answers"
            raise self._caller.failed(prompt, reason, call)
        return Verdict(
            grades=tuple(reply.grades),
            gap=1 - statistics.fmean(SCORES[grade] for grade in reply.grades),
            missed=reply.missed,
            critique=reply.critique,
            call_id=call.id,
        )
