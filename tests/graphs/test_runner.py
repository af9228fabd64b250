"""What a launch writes down, so that a run can be gone on with from anywhere."""

import asyncio
import os
from pathlib import Path

import pytest
from langgraph.graph import START, StateGraph

from elenchus.ledger import Ledger
from elenchus.records import Seed
from graphs import runner as launch
from graphs.checkpoints import checkpoints
from graphs.config import DomainConfig


def test_folders_of_weights_are_named_as_they_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    named = {"model": "hf:weights"}
    config = DomainConfig.model_validate(
        {
            "domain": "d",
            "title": "t",
            "student": named,
            "indicators": {"models": [named, {"model": "openai:x"}]},
            "generation": {"author": named},
            "models": {"hf:weights": {"in_flight": 3}},
        }
    )
    found = launch._from_anywhere(config)
    whole = f"hf:{tmp_path / 'weights'}"
    assert found.student.model == found.generation.author.model == whole
    assert [settings.model for settings in found.indicators.models] == [whole, "openai:x"]
    assert found.models[whole].in_flight == 3
    assert found.expert == config.expert


def test_a_checkpoint_waits_for_the_ledger_to_be_safe(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append("safe"), fsync(number)))

    def work(state: dict) -> dict:
        seen.append("written")
        ledger.write(Seed(point_id="t", kind="apply", round=1, variation=0))
        return {}

    async def checkpoint() -> None:
        async with checkpoints(tmp_path / "checkpoints.sqlite", ledger) as saver:
            await saver.setup()
            await saver.conn.set_trace_callback(
                lambda sql: seen.append("checkpoint") if "INSERT" in sql else None
            )
            graph = StateGraph(dict).add_node(work).add_edge(START, "work").compile(saver)
            await graph.ainvoke({}, {"configurable": {"thread_id": "1"}}, durability="sync")

    asyncio.run(checkpoint())
    written = seen.index("written")
    assert seen[written + 1 : written + 3] == ["safe", "checkpoint"]
