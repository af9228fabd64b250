"""The server itself: `/v1/models`, `/v1/chat/completions`, and `/counts` of what it has done."""

import asyncio
import contextlib
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from elenchus.sections import ModelConfig
from models.backend import make_model
from tests.server import oddities
from tests.server.faults import KEPT_BACK, Fault, Kind, Plan, spoilt
from tests.server.oddities import USAGES, Habit, Oddity

MODEL = "reader"
TASK = "# "  # begins every prompt but the student's, who never knows an answer
STATUS = {Fault.BUSY: 429, Fault.BUSY_UNTIL: 429, Fault.ERROR: 500, Fault.DOWN: 503}
DRIP_PIECES = 20
A_MESSAGE = 4  # tokens that a chat template puts around a message


@dataclass
class Server:
    """One server's settings and counts.

    Args:
        answers: the model that answers everybody but the student.
        latency: seconds until an answer begins.
        retry_after: seconds that `Retry-After` asks for.
        silence: seconds without an answer that a read timeout is; more than the 120 that a client
            waits by default.
        key: the API key that requests must carry; "" for none.
        refuses: ways of asking for JSON that it does not know.
        context: tokens that it says it can read.
        longest: characters of a message that it can read.
        filtered: a text; prompts with it are refused; "" for none.
        filters: the status with which they are.
        ends: status and message that every completion ends with; also Anthropic's.
        bare: whether it lists its models without anything around them.
        parts: whether the content of its answers is a list of parts.
        habits: what it does with every call.
        tokens: counts the tokens of a text; None for the count of the model that answers.
        hidden: tokens of reasoning that an answer has at most, and does not show; how many it has
            depends on the prompt.
    """

    plan: Plan = field(default_factory=Plan)
    answers: str = "mock:plain"
    latency: float = 0.0
    retry_after: int = 1
    silence: float = 150.0
    key: str = ""
    refuses: tuple[str, ...] = ()
    context: int = 32_768
    longest: int = 1_000_000
    filtered: str = ""
    filters: int = 400
    ends: tuple[int, str] | None = None
    bare: bool = False
    parts: bool = False
    habits: frozenset[Habit] = frozenset()
    tokens: Callable[[str], int] | None = None
    hidden: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    received: int = 0
    completions: int = 0
    read: int = 0  # tokens of the prompts of all completions
    written: int = 0  # tokens of the completions, whatever the server says of them
    in_flight: int = 0
    most_in_flight: int = 0
    replies: dict[str, AIMessage] = field(default_factory=dict)  # by prompt
    prompts: Counter[str] = field(default_factory=Counter)  # completions by whole prompt
    first: float | None = None
    last: float = 0.0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_post("/v1/messages", self.complete)
        app.router.add_get("/counts", self.counts)
        app.router.add_post("/counts", self.begin)
        app.router.add_get("/prompts", self.asked)
        return app

    async def models(self, request: web.Request) -> web.Response:
        self._check(request)
        if Habit.NO_MODELS in self.habits:
            raise web.HTTPNotFound
        for habit, oddity in (
            (Habit.MODELS_AWAY, Oddity.AWAY),
            (Habit.ENDLESS_MODELS, Oddity.BOMB),
        ):
            if habit in self.habits and (odd := oddities.response(oddity)):
                return odd
        name = "*" if Habit.ANY_MODEL in self.habits else MODEL
        model = {"id": name, "object": "model", "max_model_len": self.context}
        return web.json_response([model] if self.bare else {"object": "list", "data": [model]})

    async def counts(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "received": self.received,
                "completions": self.completions,
                "read": self.read,
                "written": self.written,
                "repeated": sum(n - 1 for n in self.prompts.values()),
                "faults": dict(self.plan.drawn),
                "in_flight": self.in_flight,
                "most_in_flight": self.most_in_flight,
                "seconds": self.last - (self.first or self.last),
            }
        )

    async def begin(self, request: web.Request) -> web.Response:
        """Count from zero, with the settings given; replies are remembered."""
        given = await request.json()
        self.latency = given["latency"]
        self.habits = frozenset(map(Habit, given.get("habits", self.habits)))
        self.hidden = given.get("hidden", self.hidden)
        self.plan = Plan({Fault(name): share for name, share in given["shares"].items()})
        self.received = self.completions = self.most_in_flight = self.read = self.written = 0
        self.prompts.clear()
        self.first = None
        return web.json_response({})

    async def asked(self, request: web.Request) -> web.Response:
        """Tell which prompts were answered, and how often each."""
        return web.json_response(self.prompts)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        self.first = self.first or time.perf_counter()
        self.received += 1
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            return await self._answer(request, await request.json())
        finally:
            self.in_flight -= 1
            self.last = time.perf_counter()

    async def _answer(self, request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        if self.ends is not None:
            return _error(*self.ends)
        if asked["model"] != MODEL:
            return _error(404, f"The model `{asked['model']}` does not exist.")
        messages = asked["messages"]
        if max(len(m["content"]) for m in messages) > self.longest:
            return _error(400, "This model's maximum context length is exceeded.")
        if self.filtered and any(self.filtered in m["content"] for m in messages):
            return _error(self.filters, "This prompt was filtered.")
        if (way := _way(asked)) in self.refuses:
            return _error(400, f"{way} is not supported.")
        if refused := self._unlike(asked, way):
            return refused
        self.ways[way] += 1
        fault = self.plan.draw((len(messages) - len(_prompt(messages))) // 2)
        await asyncio.sleep(self.silence if fault is Fault.TIMEOUT else self.latency)
        if fault in STATUS:
            after = {"Retry-After": str(self.retry_after)} if fault is Fault.BUSY_UNTIL else {}
            return _error(STATUS[fault], "Please try again.", after)
        if fault is Fault.RESET:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(fault, Oddity) and (odd := oddities.response(fault)):
            return odd
        reply = await self._reply(_prompt(messages))
        text = spoilt(reply.text, fault)
        read, written = self._used(messages, reply, text)
        body = self._completion(text, read, written, fault, way).encode()
        if fault not in KEPT_BACK:
            self.completions += 1
            self.read, self.written = self.read + read, self.written + written
            self.prompts[json.dumps(messages)] += 1
        if fault is Fault.CUT:
            return await _in_pieces(request, body, pieces=2, sent=1)
        if fault is Fault.DRIP:
            return await _in_pieces(request, body, DRIP_PIECES, DRIP_PIECES)
        return web.Response(body=body, content_type="application/json")

    def _unlike(self, asked: dict[str, Any], way: str) -> web.Response | None:
        """Return the refusal of a request that the server's habits do not allow."""
        messages = asked["messages"]
        roles = {message["role"] for message in messages}
        if (
            Habit.MODERATES in self.habits
            and zlib.crc32(_prompt(messages)[-1]["content"].encode()) % 4 == 0
        ):
            return _error(403, "Your input was flagged.")
        if way == "json_schema" and Habit.BREAKS_AT_SCHEMA in self.habits:
            return _error(500, "Internal error.")
        if "system" in roles and Habit.NO_SYSTEM in self.habits:
            return _error(400, "Conversation roles must alternate.")
        for name, habit in (
            ("temperature", Habit.NO_TEMPERATURE),
            ("max_tokens", Habit.NO_MAX_TOKENS),
        ):
            if name in asked and habit in self.habits:
                return _error(400, f"Unsupported parameter: '{name}' is not supported here.")
        return None

    def _used(self, messages: list[dict[str, str]], reply: AIMessage, text: str) -> tuple[int, int]:
        """Return the tokens that an answer read and wrote, with the reasoning that it hides."""
        told = reply.usage_metadata
        assert told is not None
        read, written = told["input_tokens"], told["output_tokens"]
        if self.tokens is not None:
            read = sum(A_MESSAGE + self.tokens(one["content"]) for one in messages)
            written = self.tokens(text)
        thought = zlib.crc32(messages[-1]["content"].encode()) % (self.hidden + 1)
        return read, written + thought

    def _completion(self, text: str, read: int, written: int, fault: Kind | None, way: str) -> str:
        """Return the body of an answer."""
        message = oddities.message(text, fault if isinstance(fault, Oddity) else None)
        if way == "tool" and isinstance(message["content"], str):
            function = {"name": "reply", "arguments": message["content"]}
            message["tool_calls"] = [{"id": "1", "type": "function", "function": function}]
            message["content"] = None
        elif self.parts:
            half = len(text) // 2
            texts = [{"type": "text", "text": part} for part in (text[:half], text[half:])]
            message["content"] = [{"type": "thinking", "thinking": [{"text": "So."}]}, *texts]
        cut = fault in (Fault.TRUNCATED, Oddity.THOUGHT)
        choice = {"index": 0, "finish_reason": "length" if cut else "stop", "message": message}
        body = {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": MODEL}
        usage = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
        spelt = next((USAGES[habit] for habit in self.habits if habit in USAGES), json.dumps(usage))
        # What some habits say of the usage is no JSON that Python would write.
        return f'{json.dumps(body | {"choices": [choice]})[:-1]}, "usage": {spelt}}}'

    async def _reply(self, prompt: list[dict[str, str]]) -> AIMessage:
        """Return the same reply to the same prompt, so that an answer asked for again is alike."""
        if len(prompt) == 1:
            system, fence, user = prompt[0]["content"].partition("\n\n<")
            if not fence:
                usage = UsageMetadata(input_tokens=12, output_tokens=1, total_tokens=13)
                return AIMessage("Yes.", usage_metadata=usage)
            prompt = [
                {"role": "system", "content": system},
                {"role": "user", "content": f"<{user}"},
            ]
        if not prompt[0]["content"].startswith(TASK):
            usage = UsageMetadata(input_tokens=40, output_tokens=8, total_tokens=48)
            return AIMessage("I cannot tell.\nAnswer: unknown.", usage_metadata=usage)
        key = json.dumps(prompt)
        if key not in self.replies:
            model = make_model(ModelConfig(model=self.answers))
            self.replies[key] = await model.chat.ainvoke(prompt)
        return self.replies[key]

    def _check(self, request: web.Request) -> None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            body = json.dumps({"error": {"message": "Incorrect API key provided."}})
            raise web.HTTPUnauthorized(text=body, content_type="application/json")


def _prompt(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the messages without those that ask again: an unusable answer and what is wrong."""
    first = next(place for place, message in enumerate(messages) if message["role"] == "user")
    return messages[: first + 1]


def _way(asked: dict[str, Any]) -> str:
    """Return the way in which a request asks for JSON."""
    if "tools" in asked:
        return "tool"
    kind = asked.get("response_format", {}).get("type", "")
    return {"json_schema": "json_schema", "json_object": "json"}.get(kind, "prompt")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


async def _in_pieces(
    request: web.Request, body: bytes, pieces: int, sent: int
) -> web.StreamResponse:
    """Send the body in pieces, `sent` of them; the connection is cut where that is not all."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    size = -(-len(body) // pieces)
    for n in range(sent):
        await response.write(body[n * size : (n + 1) * size])
        await asyncio.sleep(0)
    if sent < pieces and request.transport is not None:
        request.transport.abort()
    return response


@contextlib.contextmanager
def serving(server: Server, port: int = 0) -> Iterator[str]:
    """Run a server on loopback, in a thread; the value is its base_url."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(server.app(), shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return int(runner.addresses[0][1])

    async def stop() -> None:
        await runner.cleanup()
        silent = asyncio.all_tasks() - {asyncio.current_task()}
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)

    bound = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
