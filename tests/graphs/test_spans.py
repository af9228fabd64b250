"""Spans of whole runs: the tree of nodes, examinations, calls, searches and steps of training."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from otlp import Received, Told, mapped, path_to, receiving

from elenchus import runs, telemetry
from elenchus.config import TelemetryConfig
from elenchus.ledger import Ledger
from elenchus.records import Examination, Retrieval
from graphs.methods import METHODS, method_of
from graphs.services import RunRef
from graphs.spans import EXAMINATION, NODE, OUTCOME, SEED, spanned
from tests.server.app import MODEL, Server, serving

KEY = "Zq7-the-key-of-a-server"
HEADER = "Zq7-of-the-endpoint"


def changed(pool: Path, **changes: Any) -> None:
    """Change sections of the small domain, and make it smaller."""
    path = pool / "domain.yaml"
    tree = yaml.safe_load(path.read_text("utf-8"))
    small = {"exam": {"questions": 6, "general": 0}, "adaptation": {"examples": [4]}}
    path.write_text(yaml.safe_dump(tree | small | changes), encoding="utf-8")


def names(span: Told, spans: list[Told]) -> list[str]:
    return [each.name for each in path_to(span, spans)]


def test_the_tree_of_a_run(mock_pool: Path, elenchus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent by OTLP, from models on a server, whose key is on no span."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"Authorization=Bearer {HEADER}")
    with serving(Server(key=KEY)) as url, receiving() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        role = {"model": f"openai:{MODEL}", "base_url": url}
        priced = {f"openai:{MODEL}": {"usd_in": 1.0, "usd_out": 2.0}}
        changed(mock_pool, **dict.fromkeys(("expert", "examiner", "grader"), role), models=priced)
        ended = elenchus("launch", mock_pool, "--runs", mock_pool.parent / "runs", "--json")
    assert ended.code == 0, ended.err
    check_tree(received, mock_pool)
    assert {headers["authorization"] for headers in received.headers} == {f"Bearer {HEADER}"}
    assert not (next((mock_pool.parent / "runs").glob("*/*")) / telemetry.FILE).exists()


def check_tree(received: Received, pool: Path) -> None:
    spans, (folder,) = received.spans, runs.listed(pool.parent / "runs")
    ledger = Ledger(folder.ledger, read_only=True)
    (run,) = [span for span in spans if not span.parent]
    assert run.name == "invoke_workflow examination"
    assert run.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert {span.trace for span in spans} == {run.trace}
    assert {span.attributes["elenchus.run.id"] for span in spans} == {folder.id}
    assert not any(span.error for span in spans)
    nodes = {span.name for span in spans if names(span, spans)[:-1] == [run.name]}
    plain = ("index", "survey", "write_exam", "evaluate", "draw", "curate", "conclude")
    assert {f"node {name}" for name in plain} < nodes and "examination" in nodes

    examinations = received.named("examination")
    recorded = {e.seed_id: e for e in ledger.all(Examination)}
    assert {span.attributes[SEED] for span in examinations} == recorded.keys()
    for span in examinations:
        record = recorded[span.attributes[SEED]]
        code = record.rejection.code if record.rejection else "accepted"
        assert span.attributes[NODE] == "examine"
        assert span.attributes[EXAMINATION] == record.id and span.attributes[OUTCOME] == code
    ways = Counter(tuple(names(span, spans)) for span in received.named("chat "))
    assert ways[run.name, "node survey", f"chat {MODEL}"]
    assert ways[run.name, "examination", "node propose", f"chat {MODEL}"]
    assert ways[run.name, "examination", "node answer", "chat plain"]
    for span in received.named("chat "):
        above = [each for each in path_to(span, spans) if each.name == "examination"]
        assert [span.attributes.get(SEED)] == [a.attributes[SEED] for a in above] or not above

    made = [span for span in received.named("chat ") if not span.attributes["elenchus.call.cached"]]
    calls, tokens = ledger.usage()
    assert len(made) == calls
    used = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
    assert sum(span.attributes[name] for span in made for name in used) == tokens
    paid = [span for span in made if span.name == f"chat {MODEL}"]
    assert all(span.attributes["elenchus.call.usd"] > 0 for span in paid)
    assert all(span.attributes["server.address"] == "127.0.0.1" for span in paid)

    searches = received.named("retrieval")
    assert {tuple(s.attributes["elenchus.retrieval.passage_ids"]) for s in searches} == {
        record.passage_ids for record in ledger.all(Retrieval)
    }
    assert names(searches[0], spans)[0] == run.name
    sent = b"".join(received.bodies)
    assert KEY.encode() not in sent and HEADER.encode() not in sent
    assert b"swimming cap" not in sent  # no content
    ledger.close()


def test_steps_of_training_and_a_resume_are_in_the_file(trained_pool: Path, elenchus) -> None:
    changed(trained_pool, telemetry={"spans": True})
    where = ("--runs", trained_pool.parent / "runs")
    launch = ("launch", trained_pool, *where, "--set", "budget.calls=20")
    assert elenchus(*launch).code == 3
    (run,) = runs.listed(trained_pool.parent / "runs")
    stopped = told(run.path)
    assert stopped[-1]["name"] == "invoke_workflow examination"
    assert mapped(stopped[-1]["attributes"])["error.type"] == "RunStopped"
    assert elenchus("resume", run.id, *where, "--budget", "calls=1000").code == 0
    spans = told(run.path)
    assert spans[: len(stopped)] == stopped
    roots = [span for span in spans if "parentSpanId" not in span]
    assert len(roots) == 2 and "status" in roots[0] and roots[1]["status"] == {}
    steps = [span for span in spans if span["name"] == "training step"]
    attributes = [mapped(span["attributes"]) for span in steps]
    curve = json.loads((run.adapter(1) / "curve.json").read_text("utf-8"))
    assert [one["elenchus.training.step"] for one in attributes] == [row["step"] for row in curve]
    assert [one["elenchus.training.loss"] for one in attributes] == [row["loss"] for row in curve]
    (train,) = [span for span in spans if span["name"] == "node train"]
    assert {span["parentSpanId"] for span in steps} == {train["spanId"]}


def told(folder: Path) -> list[dict[str, Any]]:
    """Return the spans in the file of a run."""
    text = (folder / telemetry.FILE).read_text("utf-8")
    whole = [json.loads(line)["resourceSpans"][0] for line in text.splitlines()]
    return [one["scopeSpans"][0]["spans"][0] for one in whole]


@pytest.mark.parametrize("method", METHODS.names())
def test_every_node_of_every_method_makes_a_span(method: str) -> None:
    built = method_of(method)
    for graph in filter(None, (built.graph(), built.update_graph())):
        for name, node in graph.nodes.items():
            function: Any = node.runnable
            assert function.afunc.__module__ == "graphs.spans" or hasattr(
                function.afunc, "__wrapped__"
            ), name


def test_to_wait_for_a_person_is_no_error(tmp_path: Path) -> None:
    async def ask(state: dict, runtime: Runtime[RunRef]) -> dict:
        return {"said": interrupt("look at it")}

    graph = StateGraph(dict, context_schema=RunRef)
    graph.add_sequence(spanned(ask))
    graph.add_edge(START, "ask")
    compiled = graph.compile(InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "t"}}
    with telemetry.traced(TelemetryConfig(spans=True), tmp_path, print, "run", {}):
        left = asyncio.run(compiled.ainvoke({}, thread, context=RunRef()))
    assert left["__interrupt__"][0].value == "look at it"
    node, run = told(tmp_path)
    assert node["name"] == "node ask" and node["status"] == run["status"] == {}
