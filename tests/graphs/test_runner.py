"""Launches write down what a run needs to be resumed from anywhere; checkpoints wait for it."""

import asyncio
import os
from pathlib import Path

import pytest
from langgraph.graph import START, StateGraph

from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Seed
from graphs import runner
from graphs.checkpoints import checkpoints
from graphs.config import DomainConfig, load


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
    placed = runner._from_anywhere(config)
    whole = f"hf:{tmp_path / 'weights'}"
    assert placed.student.model == placed.generation.author.model == whole
    assert [settings.model for settings in placed.indicators.models] == [whole, "openai:x"]
    assert placed.models[whole].in_flight == 3
    assert placed.expert == config.expert


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


def test_a_run_killed_before_its_ledger_had_tables_can_be_resumed(
    mock_pool: Path, tmp_path: Path
) -> None:
    path, root = mock_pool / "domain.yaml", tmp_path / "begun"
    run = runner.create(load(path), mock_pool, root, None, Unseen())
    run.ledger.touch()
    assert runner.resume(run, Unseen()).examples > 0
