"""A person asks the students of a finished run, untouched and adapted, and its expert."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from agents.expert import false_citation
from agents.student import prompted
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Complaint
from elenchus.progress import Unseen
from elenchus.records import Answer, Message, Passage
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from graphs.adaptation import complaints
from graphs.config import of_run
from graphs.integrity import check_whole
from graphs.runner import read_result
from graphs.services import Services
from models.backend import backend, make_model
from models.budget import Total
from models.calls import CallFailed
from models.prices import Prices
from models.voices import Elsewhere, Here, Voice

UNTOUCHED, ADAPTED = "untouched student", "adapted student"
Hears = Callable[[int, str], None]  # is told whose answer it is, and how far it is written


class Exchange(NamedTuple):
    """A question, and the answers to it in the order of `Talk.names`, as far as written."""

    question: str
    answers: list[str]


class Consulted(NamedTuple):
    """An expert's answer with the passages that it was shown, what was paid, and what is wrong.

    `fault` says why what it cites does not hold; "" where it does.
    """

    answer: Answer
    passages: list[Passage]
    fault: str
    paid: str


class Talk:
    """One person's talk with the students of a run, and its parts. Close it at the end.

    Args:
        run: a finished run.
        temperature: of the students.
        free: whether they get the question alone, without the prompt of the run.
        caps: of the budget, in place of those of the run.

    Raises:
        UserError: the run is not finished or damaged, it trained no adapter, or its weights are not
            here.
    """

    def __init__(
        self,
        run: RunFolder,
        temperature: float = 0.0,
        free: bool = False,
        caps: dict[str, Any] | None = None,
    ) -> None:
        self.adapter, self._free = _adapter_of(run), free
        self.last: Exchange | None = None
        read_only = not os.access(run.path, os.W_OK)
        ledger = Ledger(run.ledger, read_only=read_only)
        self._services = Services(run, of_run(run, caps), run.domain_folder(), ledger, Unseen())
        self._close: list[Callable[[], Any]] = []
        with contextlib.ExitStack() as undone:
            undone.callback(self._services.close)
            self._services.subject.check()
            self._voices = self._students(temperature)
            undone.pop_all()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those who answer: both students, or the untouched one alone."""
        return (UNTOUCHED, ADAPTED)[: len(self._voices)]

    @property
    def run(self) -> RunFolder:
        """The run that is talked about."""
        return self._services.folder

    async def answer(self, question: str, hears: Hears) -> Exchange:
        """Have the students answer at the same time.

        Raises:
            UserError: one of them cannot be asked, or its server does not answer.
        """
        exchange = self.last = Exchange(question, [""] * len(self._voices))

        def heard(n: int, text: str) -> None:
            exchange.answers[n] = text
            hears(n, text)

        messages = self._messages(question)
        said = [voice.answer(messages, partial(heard, n)) for n, voice in enumerate(self._voices)]
        for failed in await asyncio.gather(*said, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed
        return exchange

    async def expert(self) -> Consulted:
        """Ask the run's expert the last question; its key is needed now, and its cost counts.

        Raises:
            UserError: there is no question yet, no key, or no budget left, or the expert's reply
                cannot be used.
        """
        question, before = self._asked().question, self._spent()
        try:
            (answer, *_), passages = await self._services.expert.answer(question)
        except CallFailed as failed:
            raise UserError(f"the expert gave no answer: {failed}") from failed
        fault = false_citation(answer, passages) or ""
        return Consulted(answer, passages, fault, self._paid_since(before))

    async def passages(self) -> list[Passage]:
        """Return the passages that the expert would be shown for the last question."""
        question = self._asked().question
        return await self._services.search(question)

    def keep(self, note: str = "") -> complaints.Placed:
        """Keep the last question for the next run; return the point that it is about.

        Raises:
            UserError: there is no question yet, or it cannot be trained on.
        """
        question, answers = self._asked()
        adapter = self.adapter if len(answers) > 1 else ""
        complaint = Complaint(
            question=question, answer=answers[-1], adapter=adapter, note=note.strip()
        )
        return complaints.keep(self._services, complaint)

    async def close(self) -> None:
        """Close the connections to servers, on the loop that used them, and the run."""
        await self._services.disconnect()
        for close in self._close:
            await close()
        self._services.close()

    def _students(self, temperature: float) -> list[Voice]:
        services, config = self._services, self._services.config.student
        exam = services.exam_settings(brief=not self._free)
        heat = None if config.temperature is None else temperature
        settings = exam.model_copy(update={"temperature": heat})
        untouched = make_model(settings)
        if self.adapter and (pair := _paired(untouched.chat, self.run.path / self.adapter)):
            return pair
        self._check_writing()
        models = [untouched]
        if self.adapter:
            models.append(make_model(settings, self.run.path / self.adapter))
        self._close = [model.close for model in models]
        return [Elsewhere(one, settings, services.ledger, services.own_budget) for one in models]

    def _messages(self, question: str) -> Sequence[Message]:
        if self._free:
            return (Message(role="user", content=question),)
        return prompted(self._services.subject, question).messages

    def _asked(self) -> Exchange:
        """Return the last exchange; UserError where there is none, or it must not be written of."""
        if self.last is None:
            raise UserError("ask the students something first")
        self._check_writing()
        return self.last

    def _check_writing(self) -> None:
        """Raise a UserError where calls and questions cannot be kept in the run."""
        if not os.access(self.run.path, os.W_OK):
            raise UserError(f"you may not write in {self.run.path}: take a run of your own")

    def _spent(self) -> Total:
        total = self._services.own_budget.total
        return Total(total.calls, total.tokens, total.usd)

    def _paid_since(self, before: Total) -> str:
        """Say what was paid since, and what the run came to by now."""
        now, expert = self._spent(), self._services.config.expert.model
        calls, tokens = now.calls - before.calls, now.tokens - before.tokens
        if not calls:
            return "from the run's records: nothing was paid"
        known = Prices(self._services.config.models).known(expert)
        usd = f"{now.usd - before.usd:.4f} USD" if known else "no price known"
        plural = "" if calls == 1 else "s"
        whole = f"the run by now: {now.calls:,} calls, {now.tokens:,} tokens, {now.usd:.2f} USD"
        return f"{calls} call{plural}, {tokens:,} tokens, {usd}; {whole}"


def _adapter_of(run: RunFolder) -> str:
    """Return the adapter that a finished run ended with; "" of a student on a server without one.

    Raises:
        UserError: there is nobody to talk with.
    """
    if not run.result.exists():
        raise UserError(
            f"run {run.id} is not finished, so it has no adapter to talk with yet: "
            f"`{run.command('resume')}` first"
        )
    check_whole(run)
    result = read_result(run)
    adapter = getattr(result, "adapter", None)
    if adapter is None:
        raise UserError(
            f"run {run.id} made classifiers (method: {result.method}), which answer no questions"
        )
    student: ModelConfig = of_run(run).student
    if not adapter and backend(student.model).local:
        raise UserError(
            f"run {run.id} trained no adapter (it stopped: {result.stopped}): there is nothing to "
            f"compare {student.model} with. Launch it with training.enabled=true; "
            f"--reuse {run.id} pays no call again"
        )
    return str(adapter)


def _paired(chat: object, adapter: Any) -> list[Voice]:
    """Return both students from one set of weights; none where the model cannot be split so."""
    from models.local import LocalChatModel
    from models.pairs import Pair
    from models.weights import is_adapter

    if not isinstance(chat, LocalChatModel) or not is_adapter(adapter):
        return []
    pair = Pair(chat, adapter)
    return [
        Here(lambda messages, seed, on=on: pair.written(messages, on, seed))  # type: ignore[misc]
        for on in (False, True)
    ]
