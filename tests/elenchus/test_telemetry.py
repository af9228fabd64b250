"""Spans: where they go, what they hold and never hold, and that a run does not depend on them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, mock_caller
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from otlp import Received, mapped, receiving
from pydantic import BaseModel

from agents.prompting import Subject
from agents.student import prompted
from elenchus import exporting, telemetry
from elenchus.config import TelemetryConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.records import Message
from elenchus.redaction import REDACTED
from elenchus.sections import ModelConfig
from models import mock
from models.backend import make_model
from models.budget import Budget
from models.calls import Caller, CallFailed, Prompt
from models.messages import PromptTooLong
from tests.server.app import MODEL, Server, serving

ON, OFF = TelemetryConfig(spans=True), TelemetryConfig()
OWN = {"elenchus.run.id": "r-1"}


class Answer(BaseModel):
    answer: str


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of OpenTelemetry comes from outside."""
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """A receiver that the environment names."""
    with receiving() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        yield received


def within(folder: Path, config: TelemetryConfig = OFF, say: Any = print) -> Any:
    return telemetry.traced(config, folder, say, "run", OWN | {"gen_ai.agent.name": "m"})


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the spans in the file of a run."""
    text = (folder / telemetry.FILE).read_text("utf-8")
    whole = [json.loads(line) for line in text.splitlines()]
    return [one["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for one in whole]


def prompt(content: str = "Is it so?") -> Prompt:
    return Prompt("expert", "answer", "s-1", (Message(role="user", content=content),))


# Where they go.


def test_without_a_destination_nothing_of_opentelemetry_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport models.calls, training.lora\n"
        "from elenchus import telemetry\nfrom elenchus.config import TelemetryConfig\n"
        "with telemetry.traced(TelemetryConfig(), Path('.'), print, 'run', {}):\n"
        "    with telemetry.span('x', {'a': 1}) as span:\n"
        "        assert not span and span is telemetry.current()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n"


def test_spans_are_sent_with_the_headers_and_the_name_of_the_environment(
    tmp_path: Path, receiver: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-mlflow-experiment-id=7")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    with within(tmp_path), telemetry.span("inner", {"a": None, "b": ["x"]}, client=True):
        pass
    inner, run = receiver.spans
    assert (run.name, run.kind, run.parent) == ("run", "internal", "")
    assert (inner.name, inner.kind, inner.parent) == ("inner", "client", run.id)
    assert inner.attributes == OWN | {"b": ["x"]}  # not what the first has of the conventions
    assert inner.trace == run.trace and inner.resource["service.name"] == "mine"
    assert receiver.headers[0]["x-mlflow-experiment-id"] == "7"
    assert not (tmp_path / telemetry.FILE).exists()


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, 1),
        ({"OTEL_SDK_DISABLED": "true"}, 0),
        ({"OTEL_TRACES_EXPORTER": "none"}, 0),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, 1),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/none"}, 0),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0),
    ],
)
def test_the_environment_decides(
    tmp_path: Path,
    receiver: Received,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    sent: int,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with within(tmp_path, say=lambda _: None):
        pass
    assert len(receiver.spans) == sent


def test_a_protocol_that_is_not_there_is_said(
    tmp_path: Path, receiver: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    said: list[str] = []
    with within(tmp_path, say=said.append):
        pass
    assert said == ["spans are not sent: OTEL_EXPORTER_OTLP_PROTOCOL is http/json; give "
                    "http/protobuf"]  # fmt: skip


def test_a_launch_is_refused_without_what_writes_its_file_and_a_run_goes_on(
    tmp_path: Path, receiver: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elenchus.telemetry.util.find_spec", lambda name: None)
    telemetry.check(OFF)
    with pytest.raises(UserError, match=r"pip install 'elenchus\[otel\]'"):
        telemetry.check(ON)
    said: list[str] = []
    with within(tmp_path, say=said.append):
        assert not telemetry.current()
    assert said == ["no spans are made without OpenTelemetry: pip install 'elenchus[otel]'"]


def test_the_file_goes_on_after_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    for _ in range(2):
        with within(tmp_path, ON), telemetry.span("inner"):
            pass
        with (tmp_path / telemetry.FILE).open("a", encoding="utf-8") as file:
            file.write('{"resourceSpans": [{"re')  # as a kill leaves it
    with within(tmp_path, ON):
        pass
    assert [span["name"] for span in lines(tmp_path)] == ["inner", "run", "inner", "run", "run"]


VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), VALUES))
def test_a_line_says_what_the_sdk_sends(attributes: dict[str, Any]) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "elenchus"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("elenchus", "1")
    with tracer.start_as_current_span("a") as outer:
        outer.set_attributes(attributes)
        with tracer.start_as_current_span("b", kind=SpanKind.CLIENT) as inner:
            inner.set_status(Status(StatusCode.ERROR, "why"))
    for span in memory.get_finished_spans():
        sent = MessageToDict(encode_spans([span]), use_integers_for_enums=True)
        told = sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        told["traceId"] = f"{span.context.trace_id:032x}"  # in OTLP's JSON they are no base64
        told["spanId"] = f"{span.context.span_id:016x}"
        if span.parent:
            told["parentSpanId"] = f"{span.parent.span_id:016x}"
        line = json.loads(exporting.line(span))
        kept = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        for one in (told, kept):
            one["attributes"] = sorted(one.get("attributes", []), key=lambda pair: pair["key"])
        assert kept == told
        assert line["resourceSpans"][0]["resource"] == sent["resourceSpans"][0]["resource"]


# A run does not depend on them.


@pytest.mark.parametrize("status", [None, 500, 503])
def test_an_endpoint_that_fails_is_said_once_in_one_line(
    tmp_path: Path, receiver: Received, monkeypatch: pytest.MonkeyPatch, status: int | None,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    if status is None:
        address = "http://user:Zq7hunter2@127.0.0.1:1"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    else:
        receiver.status = status
    said: list[str] = []
    with within(tmp_path, ON, said.append):
        for _ in range(4):
            with telemetry.span("inner"):
                pass
    (line,) = said
    assert line.startswith("spans do not reach http://") and "\n" not in line
    assert "Zq7" not in line and line.endswith("/v1/traces; the run goes on without them")
    assert len(lines(tmp_path)) == 5  # one destination does not hold up the other
    assert capfd.readouterr().err == ""


def test_an_endpoint_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PATIENCE", 0.05)
    monkeypatch.setattr(exporting.Watched, "export", lambda *_: time.sleep(5))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    said: list[str] = []
    begun = time.monotonic()
    with within(tmp_path, say=said.append):
        pass
    assert time.monotonic() - begun < 2
    assert said == ["1 of 1 spans did not reach http://127.0.0.1:1/v1/traces"]


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / telemetry.FILE).mkdir()
    said: list[str] = []
    with within(tmp_path, ON, said.append):
        pass
    assert said == ["spans do not reach spans.jsonl; the run goes on without them"]


# Model calls.


def test_a_call_is_told_in_the_words_of_the_conventions(
    tmp_path: Path, receiver: Received, ledger: Ledger
) -> None:
    caller = mock_caller(ledger, '{"answer": "no"}')
    with within(tmp_path):
        asyncio.run(caller.parsed(prompt(), Answer))
        asyncio.run(caller.parsed(prompt(), Answer))
    first, again, _ = receiver.spans
    assert first.name == "chat plain" and first.kind == "internal"
    for span, cached in ((first, False), (again, True)):
        told = span.attributes
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.provider.name"] == "mock"
        assert told["gen_ai.request.model"] == "plain"
        assert told["gen_ai.request.temperature"] == 0.0
        assert told["gen_ai.output.type"] == "json"
        assert told["gen_ai.prompt.name"] == "expert/answer"
        assert told["elenchus.call.cached"] is cached
        assert told["elenchus.run.id"] == "r-1"
        assert told["elenchus.call.id"] == first.attributes["elenchus.call.id"]
        assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & told.keys()
    call = ledger.call(first.attributes["elenchus.call.id"])
    assert call is not None
    assert first.attributes["gen_ai.usage.input_tokens"] == call.input_tokens
    assert first.attributes["gen_ai.usage.output_tokens"] == call.output_tokens
    assert first.attributes["elenchus.call.requests"] == 1
    assert "gen_ai.usage.input_tokens" not in again.attributes  # it has used none


def test_a_call_over_http_is_told_with_its_server(
    tmp_path: Path, receiver: Received, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "Zq7-the-key-of-a-server")
    options = {"max_tokens": 50, "seed": 4, "stop": "END", "top_p": 0.5}
    budget = Budget(price=lambda model, read, written: read * 1e-6)
    with serving(Server(key="Zq7-the-key-of-a-server")) as url:
        config = ModelConfig(
            model=f"openai:{MODEL}", base_url=url, temperature=None, options=options
        )
        caller = Caller(make_model(config), config, ledger, budget=budget)
        question = prompted(Subject("tests", "English"), "How many?")

        async def ask() -> None:
            await caller.text(question)
            await caller.model.close()

        with within(tmp_path):
            asyncio.run(ask())
    call, _ = receiver.spans
    told = call.attributes
    assert (call.name, call.kind) == (f"chat {MODEL}", "client")
    assert told["gen_ai.provider.name"] == "openai"
    assert f"http://{told['server.address']}:{told['server.port']}/v1" == url
    assert "gen_ai.request.temperature" not in told
    assert told["gen_ai.request.max_tokens"] == 50 and told["gen_ai.request.seed"] == 4
    assert told["gen_ai.request.stop_sequences"] == ["END"] and told["gen_ai.request.top_p"] == 0.5
    assert told["gen_ai.response.model"] == MODEL
    assert told["gen_ai.response.id"].startswith("chatcmpl")
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["elenchus.call.usd"] == told["gen_ai.usage.input_tokens"] * 1e-6
    assert b"Zq7" not in b"".join(receiver.bodies)


def test_what_fails_is_told_with_its_kind(
    tmp_path: Path, receiver: Received, ledger: Ledger
) -> None:
    caller = mock_caller(ledger, "no JSON", '{"answer": 3')
    with within(tmp_path), pytest.raises(CallFailed):
        asyncio.run(caller.parsed(prompt(), Answer))
    *attempts, run = receiver.spans
    assert [a.attributes["elenchus.call.attempt"] for a in attempts] == [0, 1, 2]
    assert {a.attributes["error.type"] for a in attempts} == {"unparsable"}
    assert all(a.error for a in attempts) and not run.error


def test_a_refusal_and_what_stops_a_run_are_errors(
    tmp_path: Path, receiver: Received, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(messages: object) -> str:
        raise PromptTooLong("9 tokens, with Zq7-a-key")

    monkeypatch.setenv("SOME_KEY", "Zq7-a-key")
    mock.register("refusing", refuse)
    caller = mock_caller(ledger, model="mock:refusing")
    with pytest.raises(CallFailed), within(tmp_path):
        asyncio.run(caller.text(prompt()))
    call, run = receiver.spans
    for span in (call, run):
        assert span.attributes["error.type"] == "PromptTooLong"
        assert REDACTED in span.error and "Zq7" not in span.error


@pytest.mark.parametrize(
    ("setting", "variable", "wanted"),
    [(False, "", False), (True, "", True), (False, "SPAN_ONLY", True), (False, "true", True),
     (False, "EVENT_ONLY", False)],
)  # fmt: skip
def test_content_is_told_where_it_is_wanted(
    tmp_path: Path,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    setting: bool,
    variable: str,
    wanted: bool,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variable)
    caller = mock_caller(ledger, "It is.")
    with within(tmp_path, TelemetryConfig(spans=True, content=setting)):
        asyncio.run(caller.text(prompt()))
        asyncio.run(caller.text(prompt()))
    text = (tmp_path / telemetry.FILE).read_text("utf-8")
    assert ("Is it so?" in text) is wanted and ("It is." in text) is wanted
    for call in lines(tmp_path)[:2]:
        told = mapped(call["attributes"])
        said = [json.loads(told.get(f"gen_ai.{way}.messages", "[]")) for way in ("input", "output")]
        parts = [[m["role"], m["parts"][0]["content"]] for messages in said for m in messages]
        assert parts == ([["user", "Is it so?"], ["assistant", "It is."]] if wanted else [])
