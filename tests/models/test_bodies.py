"""Bodies within limits: the packages of providers are held to them, each with a real server."""

import asyncio
import gzip
import json
import random
import resource
import zlib
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ModelConnectionError, ModelInvalidRequestError
from langchain_openai.chat_models import _client_utils
from pydantic import BaseModel

from elenchus.config import LimitsConfig
from elenchus.ledger import Ledger
from elenchus.records import Failure, Message
from elenchus.sections import ModelConfig
from models.backend import make_model
from models.bodies import LARGEST, Body
from models.calls import Caller, CallFailed, Prompt
from models.rate_limits import RateLimits
from tests.server import oddities
from tests.server.app import Server, serving
from tests.server.oddities import Oddity

ANSWER = '{"answer": "Yes."}'
PROVIDERS = ("openai", "anthropic", "ollama")


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    """Forget the clients of openai's package, whose connections are of another test's loop."""
    _client_utils._cached_async_httpx_client.cache_clear()


class Reply(BaseModel):
    """The schema of a short reply."""

    answer: str


def completion(path: str, asked: dict[str, Any]) -> str:
    """The answer of the provider whose path it is."""
    if path.endswith("/chat/completions"):
        message = {"role": "assistant", "content": ANSWER}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 48}
        return json.dumps({"id": "1", "model": "m", "choices": [choice], "usage": usage})
    if path.endswith("/messages"):
        content: list[dict[str, Any]] = [{"type": "text", "text": ANSWER}]
        if "tools" in asked:
            arguments = json.loads(ANSWER)
            content = [{"type": "tool_use", "id": "1", "name": "Reply", "input": arguments}]
        usage = {"input_tokens": 40, "output_tokens": 8}
        told = {"id": "1", "type": "message", "role": "assistant", "model": "m", "usage": usage}
        return json.dumps({**told, "content": content, "stop_reason": "end_turn"})
    first = {"model": "m", "message": {"role": "assistant", "content": ANSWER}, "done": False}
    last = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True,
            "done_reason": "stop", "prompt_eval_count": 40, "eval_count": 8}  # fmt: skip
    return json.dumps(first) + "\n" + json.dumps(last) + "\n"


@dataclass
class Anybody(Server):
    """A server for the three providers, with an oddity, or with bodies that are packed."""

    oddity: Oddity | None = None
    packing: str = ""
    accepted: set[str] = field(default_factory=set)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{path:.*}", self.any)
        app.on_response_prepare.append(self.close)
        return app

    async def close(self, request: web.Request, response: web.StreamResponse) -> None:
        """Keep no connection: openai's package would close it in the loop of another test."""
        response.force_close()

    async def any(self, request: web.Request) -> web.Response:
        self.received += 1
        self.accepted.add(request.headers.get("Accept-Encoding", ""))
        if odd := oddities.response(self.oddity):
            return odd
        body = completion(request.path, await request.json()).encode()
        if not self.packing:
            return web.Response(body=body, content_type="application/json")
        packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(self.packing, bytes)(body)
        return web.Response(body=packed, headers={"Content-Encoding": self.packing})


def ask(
    provider: str, server: Server, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> Reply | CallFailed:
    """Ask through the package of a provider."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "any")
    with serving(server) as url:
        if provider == "openai":  # by base_url, the program's own client would be taken
            monkeypatch.setenv("OPENAI_BASE_URL", url)
        base = None if provider == "openai" else url.removesuffix("/v1")
        config = ModelConfig(model=f"{provider}:m", base_url=base, timeout=20)
        rates = RateLimits(LimitsConfig(retry_minutes=0.05))
        caller = Caller(make_model(config), config, ledger, rates)
        prompt = Prompt("student", "answer", "", (Message(role="user", content="May I?"),))
        try:
            reply, _ = asyncio.run(caller.parsed(prompt, Reply))
        except CallFailed as failed:
            return failed
    return reply


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("packing", ["", "gzip", "deflate"])
def test_an_answer_comes_through_as_it_is(
    provider: str, packing: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Anybody(packing=packing)
    assert ask(provider, server, ledger, monkeypatch) == Reply(answer="Yes.")
    assert server.accepted == {"identity"} and server.received == 1


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("oddity", "says"),
    [
        (Oddity.BOMB, "larger than 16 MiB"),
        (Oddity.HUGE_BODY, "larger than 16 MiB"),
        (Oddity.AWAY, "redirects to http://models.invalid/v1: correct base_url"),
    ],
)
def test_what_is_beyond_the_limits_is_the_failure_of_its_call(
    provider: str, oddity: Oddity, says: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Anybody(oddity=oddity)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(ask(provider, server, ledger, monkeypatch), CallFailed)
    assert server.received <= 8, "it is not waited for"
    (failure,) = ledger.all(Failure)
    assert failure.code == "refused" and says in failure.detail
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_another_packing_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(ask("openai", Anybody(packing="br"), ledger, monkeypatch), CallFailed)
    assert "packed with br" in ledger.all(Failure)[0].detail


@given(st.binary(max_size=2000), st.sampled_from(["identity", "gzip", "deflate"]), st.integers())
def test_what_was_packed_is_unpacked_in_pieces_of_any_size(
    content: bytes, packing: str, seed: int
) -> None:
    packed = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[packing](content)
    body, rng = Body(packing), random.Random(seed)
    while packed:
        length = rng.randint(1, 40)
        body.add(packed[:length])
        packed = packed[length:]
    assert bytes(body.content) == content


def test_damage_may_pass_and_size_does_not() -> None:
    with pytest.raises(ModelConnectionError, match="no whole answer"):
        Body("gzip").add(b"no gzip")
    body = Body(" Identity ")
    body.add(b"x" * LARGEST)
    with pytest.raises(ModelInvalidRequestError, match="larger than 16 MiB"):
        body.add(b"x")
