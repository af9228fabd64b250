"""A trained folder that can leave this machine, and is loaded as before."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.bases import Base
from models.weights import weights_hash
from offline.nano.chat import WEIGHTS
from publishing.adapters import dress
from tests.publishing.making import FACTS, SAMPLES, train
from training.likelihood import likelihoods


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return train(tmp_path / "round-1")


def test_no_path_stays_in_the_folder_and_its_weights_are_what_they_were(adapter: Path) -> None:
    place, before = str(WEIGHTS.parent), weights_hash(adapter)
    assert place in (adapter / "adapter_config.json").read_text("utf-8")
    said = likelihoods(WEIGHTS, SAMPLES, adapter)
    dress(adapter, FACTS)
    for file in adapter.iterdir():
        assert place.encode() not in file.read_bytes(), file.name
        assert str(adapter.parent).encode() not in file.read_bytes(), file.name
    settings = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    assert settings["base_model_name_or_path"] == "owner/model"
    assert settings["revision"] == "abc1234"
    assert weights_hash(adapter) == before
    assert likelihoods(WEIGHTS, SAMPLES, adapter) == said


def test_dressing_twice_changes_nothing(adapter: Path) -> None:
    dress(adapter, FACTS)
    once = {file.name: file.read_bytes() for file in adapter.iterdir()}
    dress(adapter, FACTS)
    assert {file.name: file.read_bytes() for file in adapter.iterdir()} == once
    dress(adapter, replace(FACTS, base=Base("another")))
    assert '"another"' in (adapter / "adapter_config.json").read_text("utf-8")


def test_a_training_goes_on_from_it_without_asking_the_hub(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dress(adapter, FACTS)
    asked: list[object] = []
    monkeypatch.setattr(
        "peft.utils.save_and_load.check_file_exists_on_hf_hub", lambda *a, **k: asked.append(a)
    )
    train(adapter.with_name("round-2"), start=adapter)
    assert asked == []
