"""The graphs for a LangGraph server: each runs its method on a domain that is named in the input.

    langgraph dev --allow-blocking
    POST /runs/wait {"assistant_id": "examination", "input": {"domain": "market"}}

The server's own checkpoints hold the path of the run folder; the run has its own in that folder, as
a run of the command line has, and goes on from them.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Required

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from elenchus import domains, runs
from elenchus.errors import UserError
from elenchus.progress import Unseen
from elenchus.runs import RunFolder
from graphs import runner
from graphs.concurrency import on_its_own_loop
from graphs.config import load
from graphs.methods import method_of

Served = CompiledStateGraph[Any, None, Any, Any]


class Request(TypedDict, total=False):
    """What to adapt: as arguments of `elenchus launch`, `changes` being those of `--set`."""

    domain: Required[str]
    profile: str
    changes: list[str]


class UpdateRequest(TypedDict, total=False):
    """The finished run whose documents changed, as `elenchus update` takes it."""

    earlier: Required[str]


class Response(TypedDict, total=False):
    """The path of the run folder, and its `result.json`; or why there is none, with the remedy."""

    run: str
    result: dict[str, Any]
    error: str


class ServedState(Request, UpdateRequest, Response, total=False):
    """What the server keeps."""


class Streamed(Unseen):
    """Progress that a client sees as custom events: {"said": …}."""

    def __init__(self) -> None:
        self._write, self._loop = get_stream_writer(), asyncio.get_running_loop()

    def say(self, text: str) -> None:
        """See `elenchus.progress.Progress.say`."""
        self._loop.call_soon_threadsafe(self._write, {"said": text})


def serve(method: str) -> Served:
    """Build the served graph of a method."""
    inner = method_of(method).graph().compile()

    def prepared(state: ServedState) -> RunFolder:
        path = domains.find(state["domain"])
        changes = [*state.get("changes", []), f"method={method}"]
        config = load(path, state.get("profile"), changes)
        return runner.create(config, path.parent, _root(), state.get("profile"), Unseen())

    async def run(state: ServedState) -> Response:
        return await _see_through(state, inner)  # named here, it is drawn as a part of this graph

    return _compiled(prepared, run, Request)


def serve_update() -> Served:
    """Build the served graph that goes on from a finished run."""
    built = method_of("examination").update_graph()
    assert built is not None
    inner = built.compile()

    def prepared(state: ServedState) -> RunFolder:
        return runner.create_update(runs.find(_root(), state["earlier"]), _root(), Unseen())

    async def run(state: ServedState) -> Response:
        return await _see_through(state, inner)

    return _compiled(prepared, run, UpdateRequest)


def _compiled(
    prepared: Callable[[ServedState], RunFolder],
    run: Any,
    request: type,
) -> Served:
    async def prepare(state: ServedState) -> Response:
        try:
            return {"run": str((await asyncio.to_thread(prepared, state)).path)}
        except UserError as error:
            return {"error": str(error)}

    graph = StateGraph(ServedState, input_schema=request, output_schema=Response)
    graph.add_node("prepare", prepare)
    graph.add_node("run", run)
    graph.add_edge(START, "prepare")
    graph.add_conditional_edges("prepare", after_prepare, ["run", END])
    graph.add_edge("run", END)
    return graph.compile()


def after_prepare(state: ServedState) -> str:
    return END if "error" in state else "run"


async def _see_through(state: ServedState, graph: runner.Graph) -> Response:
    """Run a method's graph on the run folder that was made; one that is finished stays as it is."""
    folder, progress = RunFolder(Path(state["run"])), Streamed()
    try:
        if not folder.result.exists():
            with runs.explained(folder.path), folder.locked():
                await on_its_own_loop(lambda: runner.work(folder, graph, progress))
    except UserError as error:
        return {"error": str(error)}
    return {"result": runner.read_result(folder).model_dump(mode="json")}


def _root() -> Path:
    """Return the folder of all runs, as the command line finds it."""
    return Path(os.environ.get("ELENCHUS_RUNS", "runs"))


def examination() -> Served:
    """Build the main method's graph."""
    return serve("examination")


def rewriting() -> Served:
    """Build the graph of texts, to compare."""
    return serve("rewriting")


def indicators() -> Served:
    """Build the graph of classifiers."""
    return serve("indicators")


def passages() -> Served:
    """Build the graph of continued pre-training."""
    return serve("passages")
