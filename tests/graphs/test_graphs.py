"""Every graph as LangGraph's own tools see it: drawn, and described by JSON schemas."""

import json
from typing import Any

import pytest
from langgraph.graph import StateGraph

from graphs.methods import METHODS, method_of


def graphs() -> dict[str, StateGraph[Any, Any, Any, Any]]:
    """Return the graphs of all methods, those of updates included."""
    named = {name: method_of(name).graph() for name in METHODS.names()}
    updates = {f"{name}, update": method_of(name).update_graph() for name in METHODS.names()}
    return named | {name: graph for name, graph in updates.items() if graph is not None}


@pytest.mark.parametrize("name", graphs())
def test_a_graph_gives_json_schemas(name: str) -> None:
    graph = graphs()[name].compile()
    context = graph.get_context_jsonschema()
    assert context is not None and list(context["properties"]) == ["path"]
    for schema in (graph.get_input_jsonschema(), graph.get_output_jsonschema(), context):
        assert schema["type"] == "object"
        json.dumps(schema)


@pytest.mark.parametrize("name", ["examination", "examination, update"])
def test_the_inner_loop_is_drawn(name: str) -> None:
    drawn = graphs()[name].compile().get_graph(xray=True)
    inner = {node.rpartition(":")[2] for node in drawn.nodes if node.startswith("examine:")}
    assert {"propose", "answer", "decide", "revise", "record"} <= inner
    edges = {(edge.source, edge.target) for edge in drawn.edges}
    assert ("examine:revise", "examine:answer") in edges
    assert any(source.startswith("examine:") and target == "curate" for source, target in edges)
