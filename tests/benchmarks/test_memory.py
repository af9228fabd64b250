"""The table of what training wants: known models have the parameters that their pages give."""

import json

import pytest

from benchmarks import memory


def test_a_model_has_the_parameters_that_it_is_known_for() -> None:
    found = memory.reckoned(memory.SHAPES["SmolLM2-135M"])
    assert found["parameters"] == 134_515_008
    assert found["model"]["bfloat16, rank 16"] < found["model"]["float32, rank 16"]
    assert found["batch"]["bfloat16, checkpointing"] < found["batch"]["bfloat16"]


def test_its_figures_are_one_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert memory.main(["--quick", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["gb"]) == ["SmolLM2-135M", "Qwen3-0.6B"]
