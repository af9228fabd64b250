"""What corpora and runs take: small measurements, and what is computed from costs."""

import json

import pytest

from benchmarks import capacity

COSTS = {
    "passage": {
        "characters": 800, "index_disk_kb": 8.0, "ledger_disk_kb": 2.0, "chroma_memory_kb": 4.0,
        "run_memory_kb": 16.0, "embedding_seconds": 0.036,
    },
    "examination": {"calls": 10.0, "tokens": 9000, "processor_ms_a_call": 2.5, "disk_kb": 40.0},
}  # fmt: skip


def test_a_corpus_takes_in_proportion_and_names_what_gives_out_first() -> None:
    small, large = capacity.corpus(10**4, COSTS), capacity.corpus(10**6, COSTS)
    assert small["disk_gb"] == 0.1 and large["disk_gb"] == 10.0
    assert small["embedding_hours"] == 0.1 and large["run_memory_gb"] == 16.0
    assert small["survey_million_tokens"] == pytest.approx(10**4 * (200 + capacity.WRITTEN) / 1e6)
    assert small["first"] == "nothing"
    assert "embedding" in large["first"]
    assert "select first" in capacity.corpus(10**7, COSTS)["first"]


def test_a_machine_is_bound_by_its_places_or_by_its_core() -> None:
    waiting = capacity.machine(capacity.Machine(1, 8, 2.0), COSTS)
    assert waiting["examinations_an_hour"] == 3600 * 8 / 2 / 10
    busy = capacity.machine(capacity.Machine(2, 10_000, 1.0), COSTS)
    assert busy["examinations_an_hour"] == 2 * 3600 * 400 / 10


@pytest.mark.parametrize("part", ["chroma", "run", "index"])
def test_parts_are_measured(part: str) -> None:
    told = capacity.PARTS[part](60)
    assert told["disk_kb"] > 60 and told.get("memory_kb", 0) >= 0


def test_tables_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "measure", lambda quick: COSTS)
    assert capacity.main(["--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures["corpora"]) == [str(10**power) for power in range(4, 10)]
    assert capacity.main([]) == 0
    shown = capsys.readouterr().out
    assert "cluster, 16 workers" in shown and "survey hours" in shown and "1,000,000" in shown
