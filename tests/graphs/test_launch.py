"""What a launch writes down, so that a run can be gone on with from anywhere."""

from pathlib import Path

import pytest

from elenchus.config import DomainConfig
from graphs import launch


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
