"""The one path of every model call: cache, provider, `<think>` removal, parsing, asking again.

A call's id is its cache key: the model with its adapter's hash, the messages, the schema, the
sampling, and which of the repeated samples it is. A finished call is in the ledger, so resuming a
run repeats only those that were under way.
"""

import functools
import hashlib
import json
import re
import time
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from agents.models import Model, PromptTooLong
from agents.prompting import Prompt
from elenchus.config import ModelConfig
from elenchus.ledger import Call, Ledger
from elenchus.records import Failure, Message

Schema = TypeVar("Schema", bound=BaseModel)
ASK_AGAIN = 2
_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_MESSAGES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


class CallFailed(Exception):
    """A model's answer could not be used; `failure` is already in the ledger."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Caller:
    """Sends one role's prompts to its model."""

    def __init__(self, model: Model, config: ModelConfig, ledger: Ledger) -> None:
        self.model = model
        self.config = config
        self._ledger = ledger

    async def text(self, prompt: Prompt, sample: int = 0) -> Call:
        """The model's answer as text, with any reasoning removed."""
        return await self._cached(prompt, prompt.messages, None, sample)

    async def parsed(
        self, prompt: Prompt, schema: type[Schema], sample: int = 0
    ) -> tuple[Schema, Call]:
        """The model's answer as an object of `schema`.

        An answer that does not fit is shown to the model with the reason, twice at most.

        Raises:
            CallFailed: no answer fitted; the last one is recorded with its raw text.
        """
        messages = prompt.messages
        for _ in range(1 + ASK_AGAIN):
            call = await self._cached(prompt, messages, schema, sample)
            try:
                return schema.model_validate_json(_json_part(call.response)), call
            except ValidationError as error:
                reason = _reason(error)
                messages = (
                    *messages,
                    Message(role="assistant", content=call.response),
                    Message(role="user", content=f"That was not usable: {reason}. Answer again."),
                )
        raise self.failed(prompt, reason, call)

    def failed(self, prompt: Prompt, reason: str, call: Call) -> CallFailed:
        """Record that a call's answer cannot be used; the exception to raise."""
        return self._failed(prompt, reason, call.response, call.id)

    def _failed(self, prompt: Prompt, reason: str, raw: str, call_id: str) -> CallFailed:
        failure = Failure(
            role=prompt.role, task=prompt.task, reason=reason, raw=raw, call_id=call_id
        )
        self._ledger.write(failure)
        return CallFailed(failure)

    async def _cached(
        self,
        prompt: Prompt,
        messages: tuple[Message, ...],
        schema: type[BaseModel] | None,
        sample: int,
    ) -> Call:
        request = json.dumps([m.model_dump() for m in messages], ensure_ascii=False)
        key = self._key(request, schema, sample)
        known = self._ledger.call(key)
        if known is not None:
            return known
        started = time.perf_counter()
        try:
            reply = await self._provide(messages, key)
        except PromptTooLong as error:
            raise self._failed(prompt, str(error), request, key) from error
        usage = reply.usage_metadata
        call = Call(
            id=key,
            role=prompt.role,
            task=prompt.task,
            model=self.model.identity,
            prompt_sha256=prompt.sha256,
            request=request,
            response=_THINK.sub("", reply.text).strip(),
            input_tokens=usage["input_tokens"] if usage else 0,
            output_tokens=usage["output_tokens"] if usage else 0,
            seconds=time.perf_counter() - started,
        )
        self._ledger.write_call(call)
        return call

    def _key(self, request: str, schema: type[BaseModel] | None, sample: int) -> str:
        shape = _shape(schema) if schema else None
        sampling = [self.config.temperature, self.config.options, sample]
        parts = json.dumps([self.model.identity, request, shape, sampling], sort_keys=True)
        return "m-" + hashlib.sha256(parts.encode()).hexdigest()[:24]

    async def _provide(self, messages: tuple[Message, ...], key: str) -> AIMessage:
        extra: dict[str, Any] = {"seed": int(key[2:10], 16)} if self.model.seeded else {}
        sent = [_MESSAGES[m.role](content=m.content) for m in messages]
        return await self.model.chat.ainvoke(sent, **extra)


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
