"""The student: the model to adapt, asked without any passages."""

import asyncio
from collections.abc import Sequence

from agents.prompting import Subject, fence, fence_passages
from elenchus.records import Answer, Message, Passage
from models.calls import Caller, Prompt


def prompted(subject: Subject, question: str) -> Prompt:
    """Return the one prompt for asking, training and exams, so that they never differ."""
    form = subject.form
    return subject.render("student", "answer", question, form=form.shown, unstated=form.unstated)


def reading(
    subject: Subject, question: str, passages: Sequence[Passage], answer: str = ""
) -> Prompt:
    """Return the prompt of a question with passages before it, and an answer where it is shown."""
    form = subject.form
    shown = [fence_passages(list(passages)), *([fence("answer", answer)] if answer else ())]
    user = "\n".join([*shown, fence("question", question)])
    return subject.render("student", "read", user, form=form.shown, unstated=form.unstated)


class Student:
    """Answers, with the adapter that its model has; from passages only where it is to read them."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        self._caller = caller
        self._subject = subject

    def prompt(self, question: str) -> Prompt:
        """Return the prompt of a question."""
        return prompted(self._subject, question)

    async def answer(self, question: str) -> list[Answer]:
        """Give `student.samples` answers to a question."""
        prompt = self.prompt(question)
        samples = range(self._caller.config.samples)
        return list(await asyncio.gather(*(self._ask(prompt, n) for n in samples)))

    async def take(self, messages: tuple[Message, ...]) -> Answer:
        """Give one answer to the messages of an exam item."""
        template = self.prompt("")
        return await self._ask(Prompt("student", "answer", template.sha256, messages), 0)

    async def read(self, question: str, passages: Sequence[Passage]) -> Answer:
        """Give one answer to a question, with passages before it."""
        return await self._ask(reading(self._subject, question, passages), 0)

    async def _ask(self, prompt: Prompt, sample: int) -> Answer:
        call = await self._caller.text(prompt, sample)
        return Answer(
            text=call.response,
            abstained=not call.response,
            sample=sample,
            call_id=call.id,
            tokens=call.output_tokens,
            likelihood=call.likelihood,
        )
