"""Spans of the nodes of graphs, and of the examinations that are sent to one."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langgraph.errors import GraphInterrupt
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from elenchus import telemetry
from elenchus.runs import RunFolder
from graphs.config import DomainConfig
from graphs.services import RunRef, Services, services

Node = TypeVar("Node", bound=Callable[..., Awaitable[Any]])
Graph = CompiledStateGraph[Any, RunRef, Any, Any]
NODE = "elenchus.node"
SEED, EXAMINATION = "elenchus.seed.id", "elenchus.examination.id"
OUTCOME = "elenchus.examination.outcome"


def of_run(run: RunFolder, config: DomainConfig) -> tuple[str, dict[str, Any]]:
    """Return the name and the attributes of the span that all others of a run are within."""
    name = f"invoke_workflow {config.method}"
    return name, {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.agent.name": config.method,
        "gen_ai.workflow.name": config.method,  # as it was before version 0.1.0
        "elenchus.run.id": run.id,
        "elenchus.domain": config.domain,
    }


def spanned(*nodes: Node) -> list[Node]:
    """Return nodes that make a span each time they run."""
    return [_spanned(node) for node in nodes]


def examining(
    inner: Graph, elsewhere: Callable[[Services, Any], Awaitable[None]]
) -> Callable[..., Awaitable[Any]]:
    """Return the node that examines a seed by a compiled graph, as a span.

    One that was recorded right before a kill is not made again: where a model refused, it would
    end otherwise, since only answers are kept.

    Args:
        elsewhere: has it examined with an engine that is not this process.
    """

    async def examine(state: Any, runtime: Runtime[RunRef]) -> Any:
        seed = {SEED: state["seed_id"]}
        with telemetry.span("examination", {NODE: "examine"}, inherited=seed):
            run, seed_id = services(runtime), state["seed_id"]
            if not run.fan_out.is_done(seed_id):
                if run.config.engine != "local":
                    await elsewhere(run, state)
                else:
                    async with run.fan_out.places:
                        # No step of it is kept in the end: see `graphs.checkpoint_rules`.
                        await inner.ainvoke(state, context=runtime.context, durability="exit")
            run.fan_out.mark_done(seed_id)
        return {}

    return examine


def _spanned(node: Node) -> Node:
    name = node.__name__

    @functools.wraps(node)
    async def within(state: Any, runtime: Runtime[RunRef]) -> Any:
        with telemetry.span(f"node {name}", {NODE: name}):
            try:
                return await node(state, runtime)
            except GraphInterrupt as waiting:  # for a person, which is no error
                interrupted = waiting
        raise interrupted

    within_: Any = within
    made: Node = within_
    return made
