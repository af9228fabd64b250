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
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from elenchus import telemetry
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Ledger
from elenchus.reasons import Code, sentence
from elenchus.records import Failure, Message
from elenchus.sections import ModelConfig
from models import replies, retries, spans
from models.answers import more_room, read_by_model, unfinished, with_reply
from models.backend import Model, backend
from models.budget import Budget, Within
from models.desk import Admission, Desk
from models.messages import Messages, PromptTooLong
from models.rate_limits import RateLimits
from models.replies import Schema
from models.shared_calls import SharedCalls
from models.structured import Manner, Structure, folded

ASK_AGAIN = 2  # times that a model is asked again for an answer that can be used
ENOUGH = 3  # failed tries after which a prompt is to blame, if the server answers other ones
SHOWN = 2000  # characters of an unusable answer that are shown to the model
CHARS_A_TOKEN = 3  # a low estimate, so that rate limits are kept
RAW = 20_000  # characters of an unusable answer in the record of the failure
# Asked where it must be found out whether a server answers anything.
PROBE = (Message(role="user", content="Answer with one word: yes."),)


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

    @property
    def tokens(self) -> int:
        """About how many tokens are sent."""
        return sum(len(m.content) for m in self.messages) // CHARS_A_TOKEN

    @property
    def name(self) -> str:
        """The schema's name; "" for a text."""
        return self.schema.__name__ if self.schema else ""

    @property
    def has_system(self) -> bool:
        """Whether there is a message of the system."""
        return any(message.role == "system" for message in self.messages)

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
        shared: the calls of this run, and of those at work beside it.
        desk: lets its calls in; made of these where none is given.
    """

    def __init__(
        self,
        model: Model,
        config: ModelConfig,
        ledger: Ledger,
        rates: RateLimits | None = None,
        budget: Budget | Within | None = None,
        shared: SharedCalls | None = None,
        desk: Desk | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self._ledger = ledger
        self._desk = desk or Desk(ledger, rates, budget, shared)
        self._structure = Structure(config)

    async def text(self, prompt: Prompt, sample: int = 0) -> Call:
        """Return the model's answer as text, without its reasoning.

        Raises:
            CallFailed: the model refused the prompt, or never came to answer; recorded.
            RunStopped: the budget is used up, or the server is gone.
        """
        attempt = _Attempt(prompt, prompt.messages)
        asked = self._call(attempt, self._key(attempt, sample), 0)
        with self._span(asked, attempt):
            call = await self._answered(asked, attempt)
            if not call.response and (reason := unfinished(call)):
                raise self.failed(prompt, "unusable", f"{reason}; {more_room(call)}", call)
            return call

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
            asked = self._call(attempt, key, number)
            with self._span(asked, attempt) as span:
                call = await self._answered(asked, attempt)
                try:
                    return replies.parse(call.response, schema).value, call
                except replies.Unusable as error:
                    reason = unfinished(call) or str(error)
                    span.fail("unparsable", reason)
                    attempt = attempt.next(call.response[:SHOWN], reason)
        if unfinished(call):
            reason += f"; {more_room(call)}"
        raise self.failed(prompt, "unparsable", reason, call)

    def failed(self, prompt: Prompt, code: Code, detail: str, call: Call) -> CallFailed:
        """Record that a call's answer cannot be used, and return the exception to raise."""
        raw, call_id = call.response[:RAW], call.id
        failure = Failure(
            role=prompt.role, task=prompt.task, code=code, detail=detail, raw=raw, call_id=call_id
        )
        self._ledger.write(failure)
        return CallFailed(failure)

    def _call(self, attempt: _Attempt, key: str, number: int) -> Call:
        """Return the call of an attempt, which is still to be made."""
        prompt = attempt.prompt
        return Call(
            id=key,
            attempt=number,
            role=prompt.role,
            task=prompt.task,
            model=self.model.identity,
            prompt_sha256=prompt.sha256,
            request=attempt.request,
        )

    def _span(self, call: Call, attempt: _Attempt) -> telemetry.Span | telemetry.Nothing:
        """Begin the span of a call, that of the answer in the ledger included."""
        within = telemetry.current()
        if not within:
            return within
        told = self._told | spans.of_call(call, attempt.schema is not None)
        if within.content:
            told |= spans.asked(attempt.messages)
        client = not backend(self.config.model).local
        return telemetry.span(f"chat {told['gen_ai.request.model']}", told, client=client)

    @functools.cached_property
    def _told(self) -> dict[str, Any]:
        return spans.of_model(self.model, self.config)

    async def _answered(self, call: Call, attempt: _Attempt) -> Call:
        """Return a call's answer, from the ledger, or from the model and then in the ledger."""
        # Of equal calls at the same time, one is made; the others wait for its answer.
        async with self._desk.lock(call.id):
            if known := await self._desk.known(call, attempt.tokens):
                if span := telemetry.current():
                    span.set({spans.CACHED: True} | (spans.said(known) if span.content else {}))
                return known
            try:
                return await self._persistent(call, attempt)
            except _refusals() as error:
                # There is no answer: the prompt is what was wrong.
                shown = call.model_copy(update={"response": call.request})
                raise self.failed(attempt.prompt, "refused", str(error), shown) from error

    async def _persistent(self, call: Call, attempt: _Attempt) -> Call:
        """Return the call with its answer; errors that pass by themselves are waited out.

        Raises:
            RunStopped: the server did not answer for `retry_minutes`, or refuses every call.
            PromptTooLong, retries.failed(): the server refuses this prompt and answers others.
        """
        minutes = self._desk.limits.retry_minutes
        begun, failing, tried = time.monotonic(), 0.0, 0
        broken: Counter[Manner] = Counter()  # a server may break at what it should refuse
        while True:
            try:
                async with self._desk.admitted(call, attempt.tokens) as admission:
                    if span := telemetry.current():
                        span.set({spans.REQUESTS: tried + 1})
                    entered, manner = time.monotonic(), self._structure.manner
                    return await self._once(call, attempt, manner, admission)
            except retries.failed() as error:
                await self._check_final(error, call, entered)
                tried, wait = tried + 1, 0.0
                if not self._steps_down(manner, attempt, error, broken):
                    if not retries.is_transient(error):
                        raise
                    wait = retries.delay(error, tried - 1)
                    failing += time.monotonic() - entered + wait  # waiting for a slot is no failing
                    if failing > 60 * minutes:
                        if tried > ENOUGH and self._desk.answered_at > begun:
                            raise  # it answers others
                        raise await self._gone(error, f"for {minutes:g} minutes, last ") from error
            await asyncio.sleep(wait)

    async def _check_final(self, error: Exception, call: Call, entered: float) -> None:
        """Raise RunStopped for an error that every call would meet with."""
        names = ("temperature", *self.config.options)
        if self._structure.untried and (name := retries.refused_setting(error, names)):
            place = name if name == "temperature" else f"options.{name}"
            remedy = "null leaves it out" if name == "temperature" else "leave it out, or change it"
            raise await self._gone(error, "", f"; see {call.role}.{place}: {remedy}") from error
        if not retries.is_final(error):
            return
        if retries.is_forbidden(error) and await self._answers_others(call, entered):
            return
        raise await self._gone(error, "") from error

    async def _answers_others(self, call: Call, since: float) -> bool:
        """Tell whether a server that forbids a call answers others: so the prompt is to blame.

        Where it has answered none since then, it is asked one that nobody can object to.
        """
        attempt = _Attempt(Prompt(call.role, "probe", "", PROBE), PROBE)
        key = self._key(attempt, 0)
        async with self._desk.lock(key):
            if self._desk.answered_at > since:
                return True
            last = await self._desk.last(key)
            asked = self._call(attempt, key, last.attempt + 1 if last else 0)
            try:
                with self._span(asked, attempt):
                    async with self._desk.admitted(asked, attempt.tokens) as admission:
                        await self._once(asked, attempt, self._structure.manner, admission)
            except retries.failed():
                return False
            return True

    def _steps_down(
        self, manner: Manner, attempt: _Attempt, error: Exception, broken: Counter[Manner]
    ) -> bool:
        """Take a weaker manner of asking, if a server refuses one or breaks at it; else False.

        Args:
            broken: counts by manner how often the server has broken at this call.
        """
        if retries.is_forbidden(error):
            return False
        if retries.is_transient(error):
            broken[manner] += retries.is_broken(error)
            if not retries.is_broken(error) or broken[manner] % ENOUGH:
                return False
        weaker = self._structure.weaker(manner, attempt.name, attempt.has_system, str(error))
        if not weaker:
            self._structure.restart()
        return weaker

    async def _once(
        self, call: Call, attempt: _Attempt, manner: Manner, admission: Admission
    ) -> Call:
        """Send one request to the provider, and return the call with its answer, once recorded."""
        extra: dict[str, Any] = {"seed": int(call.id[2:10], 16)} if self.model.seeded else {}
        if schema := attempt.schema:
            extra |= self._structure.arguments(manner.way, schema.__name__, _shape(schema))
        sent = folded(attempt.messages) if manner.folds else attempt.messages
        try:
            started = time.perf_counter()
            reply = await self._reply(self.model.messages(sent), extra)
        except _unanswered() as error:
            admission.withdraw(retries.is_busy(error))
            raise
        seconds = time.perf_counter() - started
        answered = with_reply(call, reply, seconds, attempt.schema, read_by_model(sent, extra))
        usd = admission.keep(answered)
        if span := telemetry.current():
            span.set({spans.SEED: extra.get("seed")} | spans.of_answer(reply, answered, usd))
            span.set(spans.said(answered) if span.content else {})
        self._structure.accept(manner, attempt.name, attempt.has_system)
        return answered

    async def _reply(self, messages: Messages, extra: dict[str, Any]) -> AIMessage:
        try:
            return await self.model.chat.ainvoke(messages, **extra)
        except _refusals():
            raise
        except ValueError as error:  # so some packages refuse a setting that a model lacks
            raise ModelInvalidRequestError(str(error)) from error

    async def _gone(self, error: Exception, how_long: str, remedy: str = "") -> RunStopped:
        """Return the exception to raise when a server cannot be used any more."""
        reason = f"{self.config.model} failed {how_long}with: {error}{remedy}"
        return await self._desk.stopped(reason)

    def _key(self, attempt: _Attempt, sample: int) -> str:
        sampling = [self.config.temperature, self.config.options, sample]
        parts = [
            json.dumps(self.model.identity),
            json.dumps(attempt.request),
            _spelt(attempt.schema),
            json.dumps(sampling, sort_keys=True),
        ]
        if self.config.base_url is not None:  # another server may have another model of the name
            parts.append(json.dumps(self.config.base_url))
        text = f"[{', '.join(parts)}]"
        return "m-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors for which a prompt may be to blame."""
    return (PromptTooLong, *retries.failed())


def _unanswered() -> tuple[type[Exception], ...]:
    """Return the errors of a request without an answer; RunStopped where no adapter is loaded."""
    return (RunStopped, *_refusals())


@functools.cache
def _shape(schema: type[BaseModel]) -> dict[str, Any]:
    return schema.model_json_schema()


@functools.cache
def _spelt(schema: type[BaseModel] | None) -> str:
    return json.dumps(_shape(schema) if schema else None, sort_keys=True)
