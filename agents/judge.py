"""The judge: a model that compares answers, and looks for what is wrong with the right one."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agents.prompting import Subject, fence, fence_passages
from elenchus.records import GUESSABLE, Gold, Grade, Passage, Verdict, verdict
from models.calls import Caller


class Judged(BaseModel):
    """One answer, as the judge must return it."""

    model_config = ConfigDict(extra="forbid")
    result: Literal["right", "partly", "wrong", "none"]
    reason: Literal["right", "thin", "wrong", "none"]
    checks: list[bool] = []
    critique: str


class Grading(BaseModel):
    """What the judge must return: an entry for each answer, in their order."""

    model_config = ConfigDict(extra="forbid")
    answers: list[Judged]
    missed: str


class Agreement(BaseModel):
    """Whether two answers agree, and in what they differ."""

    model_config = ConfigDict(extra="forbid")
    agree: bool
    difference: str


class Support(BaseModel):
    """Whether passages establish an answer, and what they do not."""

    model_config = ConfigDict(extra="forbid")
    supported: bool
    missing: str


class Guess(BaseModel):
    """What a question's wording gives away; "" for nothing."""

    model_config = ConfigDict(extra="forbid")
    result: str


class Conflict(BaseModel):
    """Two numbered answers that cannot both be true."""

    model_config = ConfigDict(extra="forbid")
    first: int
    second: int
    why: str


class Consistency(BaseModel):
    """All pairs of answers that cannot both be true."""

    model_config = ConfigDict(extra="forbid")
    conflicts: list[Conflict]


class Judge:
    """Grades by comparison with the right answer and the quotes that it rests on."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        self._caller = caller
        self._subject = subject

    async def grade(self, question: str, gold: Gold, answers: Sequence[str]) -> Verdict:
        """Grade result and reason of all answers; the gap is computed from the grades.

        Raises:
            CallFailed: the reply could not be parsed, or lacks an entry for each answer or check.
        """
        blocks = [fence("question", question), fence("expert", gold.text, form=gold.form)]
        blocks += [fence("check", text, n=str(n)) for n, text in enumerate(gold.rubric, 1)]
        blocks += [fence("passage", text) for text in gold.quotes]
        blocks += [fence("student", text, n=str(n)) for n, text in enumerate(answers, 1)]
        prompt = self._subject.render("grader", "grade", "\n".join(blocks))
        reply, call = await self._caller.parsed(prompt, Grading)
        detail = ""
        if len(reply.answers) != len(answers):
            detail = f"{len(reply.answers)} entries for {len(answers)} answers"
        elif any(len(one.checks) != len(gold.rubric) for one in reply.answers):
            detail = f"not {len(gold.rubric)} checks for each answer"
        if detail:
            raise self._caller.failed(prompt, "unusable", detail, call)
        grades = [grade_of(one, gold) for one in reply.answers]
        results = [one.result == "right" for one in reply.answers]
        critiques = [one.critique for one in reply.answers]
        return verdict(grades, reply.missed, call.id, results, critiques)

    async def agree(self, question: str, first: str, second: str) -> str:
        """Say in what two answers differ, asked in both orders; "" where they agree.

        Raises:
            CallFailed: a reply could not be parsed.
        """
        for one, other in ((first, second), (second, first)):
            blocks = (fence("question", question), fence("first", one), fence("second", other))
            prompt = self._subject.render("grader", "agree", "\n".join(blocks))
            reply, _ = await self._caller.parsed(prompt, Agreement)
            if not reply.agree:
                return reply.difference or "they do not agree"
        return ""

    async def support(self, question: str, answer: str, passages: Sequence[Passage]) -> str:
        """Say what of an answer its passages do not establish; "" where they do.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        blocks = (
            fence("question", question),
            fence_passages(list(passages)),
            fence("answer", answer),
        )
        prompt = self._subject.render("grader", "support", "\n".join(blocks))
        reply, _ = await self._caller.parsed(prompt, Support)
        return "" if reply.supported else reply.missing or "the passages do not establish it"

    async def guess(self, question: str) -> str:
        """Return the result that a question's wording gives away, "" for none.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        prompt = self._subject.render("grader", "guess", fence("question", question))
        reply, _ = await self._caller.parsed(prompt, Guess)
        return reply.result

    async def conflicts(self, answers: Sequence[tuple[str, str]]) -> list[tuple[int, int, str]]:
        """Return the pairs of answers that cannot both be true, by their places, and why.

        Args:
            answers: each with its question.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        blocks = [
            fence("answer", answer, n=str(n), question=question)
            for n, (question, answer) in enumerate(answers, 1)
        ]
        prompt = self._subject.render("grader", "consistent", "\n".join(blocks))
        reply, _ = await self._caller.parsed(prompt, Consistency)
        found = [(min(c.first, c.second), max(c.first, c.second), c.why) for c in reply.conflicts]
        return [(i - 1, j - 1, why) for i, j, why in found if 1 <= i < j <= len(answers)]


def grade_of(judged: Judged, gold: Gold) -> Grade:
    """Return the grade that result and reason come to.

    A yes, a no or a choice without its reason may be luck, and earns nothing. A judgement is as
    good as the share of the rubric that it meets.
    """
    if judged.result == "none":
        return "abstained"
    if gold.rubric:
        met = sum(judged.checks) / len(gold.rubric)
        return "correct" if met == 1 else "partial" if met >= 0.5 else "incorrect"
    if judged.result == "wrong":
        return "incorrect"
    guessable = gold.form in GUESSABLE
    if judged.result == "partly":
        return "incorrect" if guessable else "partial"
    if judged.reason == "right" or (judged.reason != "wrong" and not guessable):
        return "correct"
    return "incorrect" if guessable else "partial"
