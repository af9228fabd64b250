"""Models that answer a person, who reads along as they write."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from langchain_core.messages import AIMessage

from elenchus.errors import UserError
from elenchus.ledger import Call, Ledger
from elenchus.records import CHARS_A_TOKEN, Message
from elenchus.redaction import without_known
from elenchus.sections import ModelConfig
from models import retries
from models.answers import read_by_model, sound, with_reply
from models.backend import Model
from models.budget import Budget
from models.compatible import CompatibleModel
from models.messages import Chat, Messages, PromptTooLong, plain
from models.reasoning import without_reasoning
from models.structured import text_of

Heard = Callable[[str], None]  # is told an answer as far as it is written


class Voice(Protocol):
    """A model that answers while somebody reads along."""

    async def answer(self, messages: Sequence[Message], heard: Heard) -> str:
        """Return the answer to messages; UserError where there is none."""


class Here:
    """A model in this process, which lets others write between two of its tokens.

    Args:
        written: yields an answer as far as it is written, by messages and a seed.
    """

    def __init__(self, written: Callable[[list[Chat], int], Iterator[str]]) -> None:
        self._written = written

    async def answer(self, messages: Sequence[Message], heard: Heard) -> str:
        """See `Voice.answer`."""
        text = ""
        try:
            for so_far in self._written(plain(messages), secrets.randbits(32)):
                text = without_reasoning(so_far)
                heard(text)
                await asyncio.sleep(0)
        except PromptTooLong as error:
            raise UserError(f"this cannot be asked: {error}") from error
        return text


class Elsewhere:
    """A model of any backend, which is mostly on a server: its answers count as the run's calls.

    Args:
        model: the model.
        settings: with which it was made.
        ledger, budget: the run's.
    """

    def __init__(self, model: Model, settings: ModelConfig, ledger: Ledger, budget: Budget) -> None:
        self._model, self._settings = model, settings
        self._ledger, self._budget = ledger, budget

    async def answer(self, messages: Sequence[Message], heard: Heard) -> str:
        """See `Voice.answer`.

        Raises:
            UserError: the server does not answer.
            RunStopped: the budget is used up.
        """
        name, sent = self._model.identity, sum(len(m.content) for m in messages)
        call = Call(
            id=f"m-{secrets.token_hex(12)}",  # a person asks anew, so no answer is taken again
            role="student",
            task="chat",
            model=name,
            prompt_sha256="",
            request=json.dumps([m.model_dump() for m in messages], ensure_ascii=False),
        )
        spending = self._budget.spending("student", name, sent // CHARS_A_TOKEN)
        async with spending as (expected, spend):
            number = self._ledger.send("student", name, expected.read, expected.written)
            begun = time.perf_counter()
            try:
                reply = await _listen(
                    self._model.chat,
                    self._model.messages(messages),
                    # What is broken off is kept as it was heard; a server may echo its key.
                    lambda text: heard(without_known(sound(text))),
                )
            except _failures() as error:
                self._ledger.withdraw(number)
                said = str(error) or type(error).__name__  # some have no words
                raise UserError(f"{self._settings.model} does not answer: {said}") from error
            except UserError:  # its adapter is not loaded: nothing was asked
                self._ledger.withdraw(number)
                raise
            seconds = time.perf_counter() - begun
            answered = with_reply(call, reply, seconds, None, read_by_model(messages, {}))
            self._ledger.write_call(answered, number)
            spend(answered)
        heard(answered.response)
        return answered.response


def _failures() -> tuple[type[Exception], ...]:
    """Return the errors of a call without an answer; ValueErrors, where a prompt is too long."""
    return (ValueError, *retries.failed())


async def _listen(chat: Any, messages: Messages, heard: Heard) -> AIMessage:
    """Return a model's whole reply; what it said so far is heard on the way."""
    if isinstance(chat, CompatibleModel):
        reply: AIMessage = await chat.ainvoke(messages, heard=heard)
        return reply
    whole: Any = None
    async for piece in chat.astream(messages):
        whole = piece if whole is None else whole + piece
        heard(without_reasoning(text_of(whole)))
    if whole is None:
        raise ValueError("it says nothing")
    return whole  # type: ignore[no-any-return]
