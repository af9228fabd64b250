"""The graphs under a real LangGraph server, which the test starts."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elenchus.runs import RunFolder
from graphs.adaptation.result import AdaptationResult
from graphs.methods import METHODS
from graphs.runner import read_result

ROOT = Path(__file__).resolve().parent.parent.parent
OFFLINE = {
    "LANGSMITH_TRACING": "false",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
}
SMALL = [
    "exam.questions=10",
    "exam.general=4",
    "exam.hand=null",
    "adaptation.examples=[8]",
    "training.epochs=1",
    "training.least_steps=1",
]
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory, runs: Path) -> Iterator[Call]:
    """Requests to a server, started beside the checkout so that its own files land elsewhere."""
    here = tmp_path_factory.mktemp("server")
    graphs = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]
    placed = {name: f"{ROOT}/{path.removeprefix('./')}" for name, path in graphs.items()}
    settings = {"dependencies": [str(ROOT)], "graphs": placed}
    (here / "langgraph.json").write_text(json.dumps(settings), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LANGSMITH", "LANGCHAIN"))}
    own = {"ELENCHUS_RUNS": str(runs), "PYTHONPATH": str(ROOT)}
    command = [str(Path(sys.executable).parent / "langgraph"), "dev", "--no-browser", "--no-reload"]
    with (here / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--allow-blocking", "--host", "127.0.0.1", "--port", str(port)],
            cwd=here,
            env=clean | OFFLINE | own,
            stdout=log,
            stderr=log,
        )

    def call(path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{port}{path}"
        asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=240) as answer:
            return json.load(answer)

    try:
        _wait(call, server, here / "log")
        yield call
    finally:
        server.terminate()
        server.wait(30)


def _wait(call: Call, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        assert server.poll() is None, log.read_text("utf-8")
        try:
            call("/ok")
            return
        except OSError:
            time.sleep(0.1)  # a server says by itself when it is there, and by nothing else
    raise AssertionError(log.read_text("utf-8"))


def test_a_run_over_http(call: Call, runs: Path) -> None:
    request = {"domain": "market", "changes": SMALL}
    answer = call("/runs/wait", {"assistant_id": "examination", "input": request})
    assert answer.keys() == {"run", "result"}, answer
    run = RunFolder(Path(answer["run"]))
    assert run.path.parent == runs / "market"
    result = read_result(run)
    assert isinstance(result, AdaptationResult)
    assert result.model_dump(mode="json") == answer["result"]
    assert result.examples == 8
    assert (run.path / result.adapter).is_dir()


def test_bad_input_is_one_message(call: Call) -> None:
    request = {"domain": "markt"}
    answer = call("/runs/wait", {"assistant_id": "examination", "input": request})
    assert "did you mean 'market'?" in answer["error"]


def test_every_method_is_listed_and_drawn_with_its_nodes(call: Call) -> None:
    graphs = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]
    assert graphs.keys() == {*METHODS.names(), "update"}
    for name in graphs:
        nodes = {node["id"] for node in call(f"/assistants/{name}/graph?xray=true")["nodes"]}
        assert "prepare" in nodes
        assert any(node.startswith("run:") for node in nodes), nodes
    nodes = {n["id"] for n in call("/assistants/examination/graph?xray=true")["nodes"]}
    assert {"run:examine:propose", "run:examine:revise", "run:curate"} <= nodes
