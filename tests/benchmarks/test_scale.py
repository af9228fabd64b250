"""What a run loses around its calls: a small measurement, and what is told of it."""

import json

import pytest

from benchmarks import scale, scale_process


def test_a_call_in_examinations_is_measured_beside_a_bare_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale_process, "QUICK_EXAMINATIONS", 8)
    monkeypatch.setattr(scale_process, "QUICK_PASSES", 1)
    code = scale.main(["--quick", "--json", "--only", "cpu_over_bare"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    told = figures["cpu_over_bare"]
    assert told["calls"] >= 2 * 8
    assert told["ours_ms"] > told["bare_ms"] > 0
    assert told["lowest"] <= told["ratio"] <= told["highest"]
    assert code == bool(figures["under_target"])


def test_a_section_that_misses_its_target_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = {"slow": lambda quick: {"within": False}, "fast": lambda quick: {"within": quick}}
    monkeypatch.setattr(scale, "SECTIONS", sections)
    assert scale.main(["--quick", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["under_target"] == ["slow"]
    assert scale.main(["--quick", "--json", "--only", "fast"]) == 0
