"""Answers in pieces, as servers of OpenAI's protocol stream them, and those that do not."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ModelConnectionError
from peft import LoraConfig, get_peft_model

from elenchus.config import BudgetConfig
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Ledger, Spent
from elenchus.records import Message
from elenchus.sections import ModelConfig
from models.backend import make_model
from models.budget import Budget
from models.events import Events
from models.pretrained import load_causal
from models.protocol import reply_of
from models.voices import Elsewhere
from offline.nano.chat import WEIGHTS
from tests.server.app import MODEL, serving
from tests.server.vllm import VLLMServer

ASKED = (Message(role="user", content="May a boat be kept here?"),)
SAID = ["No", ", it may", " not.", "\nAnswer: no"]


def event(delta: dict[str, Any], reason: str | None = None) -> str:
    body = {"id": "1", "model": "m", "choices": [{"delta": delta, "finish_reason": reason}]}
    return f"data: {json.dumps(body)}\n\n"


def stream(texts: Sequence[str], reason: str = "stop") -> str:
    events = [event({"role": "assistant", "content": ""}), *(event({"content": t}) for t in texts)]
    return ": a comment\n\n" + "".join(events) + event({}, reason) + "data: [DONE]\n\n"


@given(st.lists(st.text(), max_size=6), st.lists(st.integers(1, 40), max_size=30))
def test_an_answer_is_the_same_wherever_it_is_cut_into_pieces(
    texts: list[str], sizes: list[int]
) -> None:
    content, heard = stream(texts).encode(), list[str]()
    events, place = Events(heard.append), 0
    for size in (*sizes, len(content)):
        place += size
        events.read(bytearray(content[:place]))
    whole = "".join(texts)
    assert reply_of(events.body(content.decode())).text == whole
    assert all(whole.startswith(text) or text in whole for text in heard)
    assert not whole or heard[-1] == whole.strip()


def test_what_a_model_thinks_is_not_heard() -> None:
    heard: list[str] = []
    events = Events(heard.append)
    texts = ["<think>", "May it?", "</think>", "No", "."]
    events.read(stream(texts).encode())
    assert heard[-1] == "No." and not any("May" in text for text in heard)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (event({"content": "No"}), r"no whole answer: 'No'"),
        (event({"content": "No"}) + 'data: {"error": {"message": "full"}}\n\n', r"full"),
        (event({"content": 7}), r"none of OpenAI's protocol"),
        ("data: nonsense\n\n", r"none of OpenAI's protocol"),
    ],
)  # fmt: skip
def test_half_an_answer_is_none(content: str, error: str) -> None:
    events = Events(lambda text: None)
    events.read(content.encode())
    with pytest.raises(Exception, match=error):
        reply_of(events.body(content))


def test_a_cut_off_answer_may_come_whole_the_next_time() -> None:
    events = Events(lambda text: None)
    events.read(event({"content": "No"}).encode())
    with pytest.raises(ModelConnectionError):
        events.body("")


@dataclass
class Streaming:
    """A server that streams, or not; `failing` answers 500. It notes what it was asked.

    `moved` redirects the first request to the same address.
    """

    streams: bool = True
    failing: bool = False
    moved: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.complete)
        return app

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if self.moved and len(self.asked) == 1:
            headers = {"Location": str(request.url)}
            return web.Response(status=307, text=self.moved, headers=headers)
        if self.failing:
            return web.json_response({"error": {"message": "no room"}}, status=500)
        if not self.streams:
            choice = {"message": {"content": "".join(SAID)}, "finish_reason": "stop"}
            return web.json_response({"choices": [choice]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for line in stream(SAID).splitlines(keepends=True):
            await response.write(line.encode())
            await asyncio.sleep(0.002)
        return response


def answered(
    server: Streaming, ledger: Ledger, budget: Budget | None = None
) -> tuple[str, list[str]]:
    """Ask a server as the student of a talk is asked; return the answer, and what was heard."""
    heard: list[str] = []

    async def asked(url: str) -> str:
        settings = ModelConfig(model="openai:m", base_url=url, temperature=0.0)
        model = make_model(settings)
        try:
            voice = Elsewhere(model, settings, ledger, budget or Budget())
            return await voice.answer(ASKED, heard.append)
        finally:
            await model.close()

    with serving(server) as url:  # type: ignore[arg-type]
        return asyncio.run(asked(url)), heard


def test_a_student_on_a_server_is_heard_as_it_writes(ledger: Ledger) -> None:
    server = Streaming()
    text, heard = answered(server, ledger)
    assert text == "".join(SAID) == heard[-1]
    assert len({*heard}) >= 3
    assert server.asked == [
        {"model": "m", "messages": [ASKED[0].model_dump()], "stream": True, "temperature": 0.0}
    ]
    ((role, _, calls, read, written),) = ledger.spent()
    assert (role, calls) == ("student", 1) and read and written
    assert not ledger.unanswered()


def test_what_is_heard_is_text_without_keys(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-ours")
    pieces = ["a-key-", "of-ours", " \ud83d", "\ude00\0"]
    monkeypatch.setattr("tests.models.test_events.SAID", pieces)
    text, heard = answered(Streaming(), ledger)
    assert text == heard[-1] == "[redacted] \N{GRINNING FACE}\ufffd"
    assert not any("of-ours" in one or "\0" in one for one in heard)
    assert all(one.encode("utf-8") for one in heard)


@pytest.mark.parametrize("page", ["<p>\nMoved.\n</p>\n" * 9, stream(["elsewhere"])])
def test_nothing_is_read_of_what_redirects(ledger: Ledger, page: str) -> None:
    text, heard = answered(Streaming(moved=page), ledger)
    assert text == "".join(SAID) == heard[-1]
    assert heard[0] == SAID[0]


def test_a_server_that_does_not_stream_is_heard_at_once(ledger: Ledger) -> None:
    text, heard = answered(Streaming(streams=False), ledger)
    assert heard == [text] == ["".join(SAID)]


def test_an_adapter_on_a_server_is_asked_by_its_name(ledger: Ledger, tmp_path: Path) -> None:
    adapter = tmp_path / "run-1" / "adapters" / "round-1"
    get_peft_model(
        load_causal(WEIGHTS),
        LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
    ).save_pretrained(adapter)
    server = VLLMServer(weights=WEIGHTS)

    async def both(url: str) -> list[str]:
        options = {"weights": str(WEIGHTS), "max_new_tokens": 16}
        settings = ModelConfig(model=f"vllm:{MODEL}", base_url=url, options=options)
        said = []
        for model in (make_model(settings), make_model(settings, adapter)):
            said.append(await Elsewhere(model, settings, ledger, Budget()).answer(ASKED, print))
            await model.close()
        return said

    with serving(server) as url:
        untouched, adapted = asyncio.run(both(url))
    assert untouched and adapted and untouched != adapted
    assert [name.startswith("run-1-round-1") for name in server.answered] == [False, True]


def test_an_adapter_that_is_not_loaded_costs_nothing(ledger: Ledger, tmp_path: Path) -> None:
    adapter = tmp_path / "run-1" / "adapters" / "round-1"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    (adapter / "adapter_model.safetensors").write_bytes(b"")

    async def asked(url: str) -> None:
        settings = ModelConfig(model=f"vllm:{MODEL}", base_url=url, options={"max_new_tokens": 9})
        model = make_model(settings, adapter)
        try:
            await Elsewhere(model, settings, ledger, Budget()).answer(ASKED, print)
        finally:
            await model.close()

    with (
        serving(VLLMServer(weights=WEIGHTS, updating=False)) as url,
        pytest.raises(RunStopped, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"),
    ):
        asyncio.run(asked(url))
    assert not ledger.spent()


def test_an_error_without_words_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr("models.compatible.CompatibleModel.ainvoke", fails)
    with pytest.raises(UserError, match="does not answer: ConnectionResetError"):
        answered(Streaming(), ledger)


def test_a_server_that_fails_costs_nothing(ledger: Ledger) -> None:
    with pytest.raises(UserError, match=r"openai:m does not answer: .*no room"):
        answered(Streaming(failing=True), ledger)
    assert not ledger.spent()


def test_the_budget_of_the_run_holds_for_a_talk(ledger: Ledger) -> None:
    server = Streaming()
    with pytest.raises(RunStopped, match=r"budget.calls is used up"):
        answered(
            server, ledger, Budget(BudgetConfig(calls=1), [Spent("expert", "openai:m", 1, 10, 10)])
        )
    assert not server.asked
