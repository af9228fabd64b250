"""The student: the model to adapt, asked without any passages."""

import asyncio

from agents.calls import Caller
from agents.prompting import Prompt, render
from elenchus.config import DomainConfig
from elenchus.records import Answer, Message


def prompted(config: DomainConfig, question: str) -> Prompt:
    """The one prompt for asking, training and testing, so that they never differ."""
    return render("student", "answer", question, title=config.title, language=config.language)


class Student:
    """Answers closed book, with the adapter that its model has on."""

    def __init__(self, caller: Caller, config: DomainConfig) -> None:
        self._caller = caller
        self._config = config

    def prompt(self, question: str) -> Prompt:
        """What the student is asked."""
        return prompted(self._config, question)

    async def answer(self, question: str) -> list[Answer]:
        """`student.samples` answers to one question."""
        prompt = self.prompt(question)
        samples = range(self._caller.config.samples)
        return list(await asyncio.gather(*(self._ask(prompt, n) for n in samples)))

    async def sit(self, messages: tuple[Message, ...]) -> Answer:
        """One answer to an exam item's messages."""
        template = self.prompt("")
        return await self._ask(Prompt("student", "answer", template.sha256, messages), 0)

    async def _ask(self, prompt: Prompt, sample: int) -> Answer:
        call = await self._caller.text(prompt, sample)
        return Answer(
            text=call.response,
            abstained=not call.response,
            sample=sample,
            call_id=call.id,
            tokens=call.output_tokens,
        )
