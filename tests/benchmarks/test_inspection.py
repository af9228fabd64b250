"""What looking into runs costs is measured by pairs that differ in nothing else."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import inspection
from elenchus import telemetry
from elenchus.cli.bench import COMPARISONS
from elenchus.config import TelemetryConfig

SECONDS = st.floats(0.1, 100)


@given(st.lists(SECONDS, min_size=3, max_size=9), st.floats(0.5, 2))
def test_an_overhead_is_the_ratio_of_all_pairs(without: list[float], ratio: float) -> None:
    told = inspection.overhead([(ratio * seconds, seconds) for seconds in without])
    assert told["low"] <= told["value"] <= told["high"]
    assert told["value"] == pytest.approx(ratio - 1, abs=1e-4)
    assert told["pairs"] == len(without)


def test_pairs_that_differ_have_an_interval_around_their_mean() -> None:
    told = inspection.overhead([(1.1, 1.0), (1.0, 1.1), (1.0, 1.0)])
    assert told["low"] < told["value"] == 0 < told["high"]
    assert math.isclose(1 + told["low"], 1 / (1 + told["high"]), rel_tol=1e-3)


def test_runs_with_and_without_spans_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bool] = []

    def run() -> None:
        sent.append(inspection.ENDPOINT in os.environ)
        with telemetry.traced(TelemetryConfig(), tmp_path, pytest.fail, "run", {}):
            for _ in range(2):
                with telemetry.span("inner"):
                    sum(range(10_000))

    monkeypatch.delenv(inspection.ENDPOINT, raising=False)
    monkeypatch.setattr(inspection, "_demonstration", lambda folder, changes: run)
    told = inspection.span_overhead(quick=True)
    assert sent == [True, True, False, False, True]  # the first is to warm up
    assert told["spans"] == 3 and told["pairs"] == inspection.QUICK
    assert inspection.ENDPOINT not in os.environ


def test_only_what_is_surely_over_its_target_is_a_miss() -> None:
    sure = {"span_overhead": {"value": 0.08, "low": 0.04, "high": 0.12}}
    assert inspection.misses(sure) == ["span_overhead: 0.040 at least, wanted 0.03 at most"]
    assert not inspection.misses({"span_overhead": {"value": 0.05, "low": -0.01, "high": 0.1}})
    assert not inspection.misses({})


def test_it_is_one_of_the_comparisons() -> None:
    assert "inspection" in COMPARISONS
