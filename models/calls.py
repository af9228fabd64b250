"""The path of every model call: ledger, rate limits, budget, provider with retries, parsing.

A call's id is its cache key: the model with its adapter's hash, the messages, the schema, the
sampling, and the number of the sample. An answer that cannot be used and those that are asked for
in its place are attempts of one call. All answers are in the ledger, so a resumed run repeats only
the calls that were under way.
"""

import asyncio
import functools
import hashlib
import json
import re
import time
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel

from elenchus.config import LimitsConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Ledger
from elenchus.reasons import Code, sentence
from elenchus.records import Failure, Message
from elenchus.sections import ModelConfig
from models import replies, retries
from models.backend import Model
from models.budget import Budget
from models.messages import LIKELIHOOD, PromptTooLong
from models.rate_limits import Outcome, RateLimits
from models.replies import Schema
from models.structured import Structure, text_of

ASK_AGAIN = 2  # times that a model is asked again for an answer that can be used
ENOUGH = 3  # failed tries after which a prompt is to blame, if the server answers other ones
SHOWN = 2000  # characters of an unusable answer that are shown to the model
CHARS_A_TOKEN = 3  # a low estimate, so that rate limits are kept
RAW = 20_000  # characters of an unusable answer in the record of the failure
_OPENS, _CLOSES = "<think>", "</think>"
_THINK = re.compile(rf"{_OPENS}.*?(?:{_CLOSES}|\Z)", re.DOTALL)
_MESSAGES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


@dataclass(frozen=True)
class Prompt:
    """A prompt ready to send; `sha256` is that of its template file."""

    role: str
    task: str
    sha256: str
    messages: tuple[Message, ...]


class CallFailed(Exception):
    """A model's answer could not be used; `failure` is in the ledger."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(sentence(failure))
        self.failure = failure


@dataclass(frozen=True)
class _Attempt:
    """The messages of one attempt, and the schema of the answer."""

    prompt: Prompt
    messages: tuple[Message, ...]
    schema: type[BaseModel] | None = None

    @functools.cached_property
    def request(self) -> str:
        """The messages as JSON."""
        return json.dumps([m.model_dump() for m in self.messages], ensure_ascii=False)

    def next(self, answer: str, reason: str) -> "_Attempt":
        """Return the attempt after an unusable answer, which is shown with the reason."""
        more = (
            Message(role="assistant", content=answer or "(nothing)"),
            Message(role="user", content=f"That was not usable: {reason}. Answer again."),
        )
        return replace(self, messages=(*self.messages, *more))


class Caller:
    """Sends one role's prompts to its model.

    Args:
        rates: the limits of the model, shared by all roles that it plays.
        budget: the run's, shared by all callers.
    """

    def __init__(
        self,
        model: Model,
        config: ModelConfig,
        ledger: Ledger,
        rates: RateLimits | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self._ledger = ledger
        self._rates = rates or RateLimits(LimitsConfig())
        self._budget = budget or Budget()
        self._structure = Structure(config)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def text(self, prompt: Prompt, sample: int = 0) -> Call:
        """Return the model's answer as text, without its reasoning.

        Raises:
            CallFailed: the model refused the prompt; recorded.
            RunStopped: the budget is used up, or the server is gone.
        """
        attempt = _Attempt(prompt, prompt.messages)
        return await self._answered(attempt, self._key(attempt, sample), 0)

    async def parsed(
        self, prompt: Prompt, schema: type[Schema], sample: int = 0
    ) -> tuple[Schema, Call]:
        """Return the model's answer as an object of `schema`.

        An answer that does not fit is shown to the model with the reason, twice at most.

        Raises:
            CallFailed: no answer fitted; the last one is recorded with its raw text.
            RunStopped: the budget is used up, or the server is gone.
        """
        attempt = _Attempt(prompt, prompt.messages, schema)
        key = self._key(attempt, sample)
        for number in range(1 + ASK_AGAIN):
            call = await self._answered(attempt, key, number)
            try:
                return replies.parse(call.response, schema), call
            except replies.Unusable as error:
                reason = str(error)
                attempt = attempt.next(call.response[:SHOWN], reason)
        raise self.failed(prompt, "unparsable", reason, call)

    def failed(self, prompt: Prompt, code: Code, detail: str, call: Call) -> CallFailed:
        """Record that a call's answer cannot be used, and return the exception to raise."""
        raw, call_id = call.response[:RAW], call.id
        failure = Failure(
            role=prompt.role, task=prompt.task, code=code, detail=detail, raw=raw, call_id=call_id
        )
        self._ledger.write(failure)
        return CallFailed(failure)

    async def _answered(self, attempt: _Attempt, key: str, number: int) -> Call:
        """Return an attempt's answer, from the ledger, or from the model and then in the ledger."""
        # Of equal calls at the same time, one is made; the others wait for its answer.
        async with self._locks.setdefault(key, asyncio.Lock()):
            if known := self._ledger.call(key, number):
                return known
            prompt = attempt.prompt
            call = Call(
                id=key,
                attempt=number,
                role=prompt.role,
                task=prompt.task,
                model=self.model.identity,
                prompt_sha256=prompt.sha256,
                request=attempt.request,
            )
            try:
                return await self._persistent(call, attempt)
            except _refusals() as error:
                # There is no answer: the prompt is what was wrong.
                shown = call.model_copy(update={"response": call.request})
                raise self.failed(prompt, "refused", str(error), shown) from error

    async def _persistent(self, call: Call, attempt: _Attempt) -> Call:
        """Return the call with its answer; errors that pass by themselves are waited out.

        Raises:
            RunStopped: the server did not answer for `retry_minutes`, or refuses every call.
            PromptTooLong, retries.failed(): the server refuses this prompt and answers others.
        """
        tokens = sum(len(m.content) for m in attempt.messages) // CHARS_A_TOKEN
        minutes = self._rates.limits.retry_minutes
        begun, failing, tried = time.monotonic(), 0.0, 0
        while True:
            way = self._structure.way
            try:
                async with self._rates.slot(tokens) as outcome:
                    entered = time.monotonic()
                    return await self._once(call, attempt, outcome)
            except retries.failed() as error:
                if retries.is_final(error):
                    raise await self._gone(error, "") from error
                if retries.is_transient(error):
                    wait = retries.delay(error, tried)
                    failing += time.monotonic() - entered + wait  # waiting for a slot is no failing
                    if failing > 60 * minutes:
                        if tried >= ENOUGH and self._rates.answered_at > begun:
                            raise  # it answers others
                        raise await self._gone(error, f"for {minutes:g} minutes, last ") from error
                elif attempt.schema and self._structure.weaker(way):
                    wait = 0
                else:
                    self._structure.strictest()
                    raise
            tried += 1
            await asyncio.sleep(wait)

    async def _once(self, call: Call, attempt: _Attempt, outcome: Outcome) -> Call:
        """Send one request to the provider, and return the call with its answer, once recorded."""
        extra: dict[str, Any] = {"seed": int(call.id[2:10], 16)} if self.model.seeded else {}
        if schema := attempt.schema:
            extra |= self._structure.arguments(schema.__name__, _shape(schema))
        messages = [_MESSAGES[m.role](content=m.content) for m in attempt.messages]
        try:
            async with self._budget.spending(call.role) as spend:
                started = time.perf_counter()
                reply = await self._reply(messages, extra)
                answered = _with_reply(call, reply, time.perf_counter() - started)
                self._ledger.write_call(answered)
                spend(answered)
        except retries.failed() as error:
            outcome.busy = retries.is_busy(error)
            raise
        outcome.answered, outcome.written = True, answered.output_tokens
        return answered

    async def _reply(self, messages: list[BaseMessage], extra: dict[str, Any]) -> AIMessage:
        try:
            return await self.model.chat.ainvoke(messages, **extra)
        except _refusals():
            raise
        except ValueError as error:  # so some packages refuse a setting that a model lacks
            raise ModelInvalidRequestError(str(error)) from error

    async def _gone(self, error: Exception, how_long: str) -> RunStopped:
        """Return the exception to raise when a server cannot be used any more."""
        return await self._budget.stopped(f"{self.config.model} failed {how_long}with: {error}")

    def _key(self, attempt: _Attempt, sample: int) -> str:
        shape = _shape(attempt.schema) if attempt.schema else None
        sampling = [self.config.temperature, self.config.options, sample]
        parts = [self.model.identity, attempt.request, shape, sampling]
        if self.config.base_url is not None:  # another server may have another model of the name
            parts.append(self.config.base_url)
        text = json.dumps(parts, sort_keys=True)
        return "m-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors for which a prompt may be to blame."""
    return (PromptTooLong, *retries.failed())


def _with_reply(call: Call, reply: AIMessage, seconds: float) -> Call:
    usage = reply.usage_metadata
    # Half of a surrogate pair, which a model may write, is no UTF-8.
    text = _without_reasoning(text_of(reply)).encode("utf-8", "replace").decode("utf-8")
    likelihood = reply.response_metadata.get(LIKELIHOOD)
    return call.model_copy(
        update={
            "response": text,
            "input_tokens": usage["input_tokens"] if usage else 0,
            "output_tokens": usage["output_tokens"] if usage else 0,
            "seconds": seconds,
            # Its last digits depend on the batch, which is another one after a kill.
            "likelihood": None if likelihood is None else round(likelihood, 2),
        }
    )


def _without_reasoning(text: str) -> str:
    """Return a text without `<think>` blocks.

    The first may lack its opening, where the model's chat template has written it.
    """
    before, closing, after = text.partition(_CLOSES)
    return _THINK.sub("", after if closing and _OPENS not in before else text).strip()


@functools.cache
def _shape(schema: type[BaseModel]) -> dict[str, Any]:
    return schema.model_json_schema()
