"""The one path of every model call: the ledger, rate limits, budget, the provider with retries,
`<think>` removal, parsing, asking again, a recorded failure.

A call's id is its cache key: the model with its adapter's hash, the messages, the schema, the
sampling, and which of the repeated samples it is. An answer that could not be used and the one
that came when it was asked for again are attempts of one call. Whatever was answered is in the
ledger, so resuming a run repeats only what was under way.
"""

import asyncio
import functools
import hashlib
import json
import re
import time
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from elenchus.config import LimitsConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Ledger
from elenchus.reasons import Code, sentence
from elenchus.records import Failure, Message
from elenchus.sections import ModelConfig
from models import retries
from models.backend import Model
from models.budget import Budget
from models.messages import PromptTooLong
from models.rate_limits import Outcome, RateLimits
from models.structured import Structure, text_of

Schema = TypeVar("Schema", bound=BaseModel)
ASK_AGAIN = 2
ENOUGH = 3  # times that a prompt failed before it is thought to be what fails, not the server
SHOWN = 2000  # characters of an unusable answer that the model is shown again
CHARS_A_TOKEN = 3  # rather few
RAW = 20_000  # characters of an unusable text that a failure keeps; the call has all of it
_OPENS, _CLOSES = "<think>", "</think>"
_THINK = re.compile(rf"{_OPENS}.*?(?:{_CLOSES}|\Z)", re.DOTALL)
_MESSAGES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


@dataclass(frozen=True)
class Prompt:
    """A prompt ready to send; `sha256` is that of its template file."""

    role: str
    task: str
    sha256: str
    messages: tuple[Message, ...]


class CallFailed(Exception):
    """A model's answer could not be used; `failure` is already in the ledger."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(sentence(failure))
        self.failure = failure


@dataclass(frozen=True)
class _Asked:
    """One attempt's messages, and the schema that the answer is to have."""

    prompt: Prompt
    messages: tuple[Message, ...]
    schema: type[BaseModel] | None = None

    @functools.cached_property
    def request(self) -> str:
        """The messages as JSON."""
        return json.dumps([m.model_dump() for m in self.messages], ensure_ascii=False)

    def again(self, said: str, reason: str) -> "_Asked":
        """After an unusable answer, which is shown with the reason."""
        more = (
            Message(role="assistant", content=said or "(nothing)"),
            Message(role="user", content=f"That was not usable: {reason}. Answer again."),
        )
        return replace(self, messages=(*self.messages, *more))


@dataclass(frozen=True)
class Line:
    """What the callers of one model share: its rates, and the run's budget."""

    rates: RateLimits
    budget: Budget


class Caller:
    """Sends one role's prompts to its model; on a line of its own where none is given."""

    def __init__(
        self, model: Model, config: ModelConfig, ledger: Ledger, line: Line | None = None
    ) -> None:
        self.model = model
        self.config = config
        self._ledger = ledger
        self._line = line or Line(RateLimits(LimitsConfig()), Budget())
        self._structure = Structure(config)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def text(self, prompt: Prompt, sample: int = 0) -> Call:
        """The model's answer as text, with any reasoning removed.

        Raises:
            CallFailed: the model refused the prompt; recorded.
            RunStopped: the budget is used up, or the server is gone.
        """
        asked = _Asked(prompt, prompt.messages)
        return await self._answered(asked, self._key(asked, sample), 0)

    async def parsed(
        self, prompt: Prompt, schema: type[Schema], sample: int = 0
    ) -> tuple[Schema, Call]:
        """The model's answer as an object of `schema`.

        An answer that does not fit is shown to the model with the reason, twice at most.

        Raises:
            CallFailed: no answer fitted; the last one is recorded with its raw text.
            RunStopped: the budget is used up, or the server is gone.
        """
        asked = _Asked(prompt, prompt.messages, schema)
        key = self._key(asked, sample)
        for attempt in range(1 + ASK_AGAIN):
            call = await self._answered(asked, key, attempt)
            try:
                return schema.model_validate_json(_json_part(call.response)), call
            except ValidationError as error:
                reason = _reason(error)
                asked = asked.again(call.response[:SHOWN], reason)
        raise self.failed(prompt, "unparsable", reason, call)

    def failed(self, prompt: Prompt, code: Code, detail: str, call: Call) -> CallFailed:
        """Record that a call's answer cannot be used; the exception to raise."""
        return self._failed(prompt, code, detail, call.response, call.id)

    def _failed(
        self, prompt: Prompt, code: Code, detail: str, raw: str, call_id: str
    ) -> CallFailed:
        failure = Failure(
            role=prompt.role,
            task=prompt.task,
            code=code,
            detail=detail,
            raw=raw[:RAW],
            call_id=call_id,
        )
        self._ledger.write(failure)
        return CallFailed(failure)

    async def _answered(self, asked: _Asked, key: str, attempt: int) -> Call:
        """The answer to one attempt: from the ledger, or from the model and then in the ledger."""
        # Of equal calls at the same time, the others wait for the first one's answer.
        async with self._locks.setdefault(key, asyncio.Lock()):
            if known := self._ledger.call(key, attempt):
                return known
            call = Call(
                id=key,
                attempt=attempt,
                role=asked.prompt.role,
                task=asked.prompt.task,
                model=self.model.identity,
                prompt_sha256=asked.prompt.sha256,
                request=asked.request,
            )
            try:
                return await self._persistent(call, asked)
            except _refusals() as error:
                raise self._failed(
                    asked.prompt, "refused", str(error), asked.request, key
                ) from error

    async def _persistent(self, call: Call, asked: _Asked) -> Call:
        """The call with its answer; errors that pass are waited out.

        Raises:
            RunStopped: the server did not answer for `retry_minutes`, or refuses every call.
            PromptTooLong, retries.failed(): the server takes everything but this prompt.
        """
        rates, tokens = (
            self._line.rates,
            sum(len(m.content) for m in asked.messages) // CHARS_A_TOKEN,
        )
        minutes, failing = rates.limits.retry_minutes, 0.0
        begun, tried = time.monotonic(), 0
        while True:
            way = self._structure.way
            try:
                async with rates.slot(tokens) as outcome:
                    entered = time.monotonic()
                    return await self._once(call, asked, outcome)
            except retries.failed() as error:
                if retries.is_final(error):
                    raise await self._gone(error, "") from error
                if retries.is_transient(error):
                    wait = retries.delay(error, tried)
                    # Without what was spent waiting for a slot.
                    failing += time.monotonic() - entered + wait
                    if failing > 60 * minutes:
                        if tried >= ENOUGH and rates.answered_at > begun:
                            raise  # others are answered
                        raise await self._gone(error, f"for {minutes:g} minutes, last ") from error
                elif asked.schema and self._structure.weaker(way):
                    wait = 0
                else:
                    self._structure.strictest()
                    raise
            tried += 1
            await asyncio.sleep(wait)

    async def _once(self, call: Call, asked: _Asked, outcome: Outcome) -> Call:
        """One request to the provider; its answer is in the ledger when this returns."""
        extra: dict[str, Any] = {"seed": int(call.id[2:10], 16)} if self.model.seeded else {}
        if asked.schema:
            extra |= self._structure.arguments(asked.schema.__name__, _shape(asked.schema))
        sent = [_MESSAGES[m.role](content=m.content) for m in asked.messages]
        try:
            async with self._line.budget.spending(call.role) as spend:
                started = time.perf_counter()
                reply = await self._reply(sent, extra)
                done = _done(call, reply, time.perf_counter() - started)
                self._ledger.write_call(done)
                spend(done)
        except retries.failed() as error:
            outcome.busy = retries.is_busy(error)
            raise
        outcome.answered, outcome.written = True, done.output_tokens
        return done

    async def _reply(self, sent: list[BaseMessage], extra: dict[str, Any]) -> AIMessage:
        try:
            return await self.model.chat.ainvoke(sent, **extra)
        except _refusals():
            raise
        except ValueError as error:  # some packages so refuse a setting that a model does not take
            raise ModelInvalidRequestError(str(error)) from error

    async def _gone(self, error: Exception, how_long: str) -> RunStopped:
        """What to raise when a server cannot be used any more."""
        reason = f"{self.config.model} failed {how_long}with: {error}"
        return await self._line.budget.stopped(reason)

    def _key(self, asked: _Asked, sample: int) -> str:
        shape = _shape(asked.schema) if asked.schema else None
        sampling = [self.config.temperature, self.config.options, sample]
        parts = [self.model.identity, asked.request, shape, sampling]
        if self.config.base_url is not None:  # another server may have another model of the name
            parts.append(self.config.base_url)
        text = json.dumps(parts, sort_keys=True)
        return "m-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _refusals() -> tuple[type[Exception], ...]:
    """The errors for which a prompt may be to blame."""
    return (PromptTooLong, *retries.failed())


def _done(call: Call, reply: AIMessage, seconds: float) -> Call:
    usage = reply.usage_metadata
    return call.model_copy(
        update={
            "response": _storable(_without_reasoning(text_of(reply))),
            "input_tokens": usage["input_tokens"] if usage else 0,
            "output_tokens": usage["output_tokens"] if usage else 0,
            "seconds": seconds,
        }
    )


def _without_reasoning(text: str) -> str:
    """What is said beside `<think>` blocks; the first may lack its opening, where the model's own
    prompt form has written it."""
    before, closing, after = text.partition(_CLOSES)
    return _THINK.sub("", after if closing and _OPENS not in before else text).strip()


def _storable(text: str) -> str:
    """Half a character, as a model may write, is no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


@functools.cache
def _shape(schema: type[BaseModel]) -> dict[str, Any]:
    return schema.model_json_schema()


def _json_part(text: str) -> str:
    """From the first opening brace to the last closing one: models like to add prose around."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
