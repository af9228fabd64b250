"""What a student of transformers begins with: by its width, wherever it is, and its precision."""

import json
from pathlib import Path
from typing import Any

import pytest

from elenchus.sections import ModelConfig
from models.backend import backend
from models.huggingface import RATE
from offline.nano.chat import WEIGHTS

GPT2 = {"model_type": "gpt2", "n_embd": 768}
WRAPPED = {"model_type": "gemma3", "text_config": {"hidden_size": 640}}
NARROW = [(GPT2, 1.1e-3), (WRAPPED, 1.2e-3), ({"model_type": "llama", "hidden_size": 2048}, 4.9e-4)]


def in_hubs_cache(place: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a model in the hub's own cache, which is all that is reached of it."""
    folder = place / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return snapshot


def begun(name: str, **options: Any) -> Any:
    """Return what a student begins with, by section."""
    student = ModelConfig(model=f"hf:{name}", options=options)
    return backend(student.model).student_defaults(student).sections


@pytest.mark.parametrize(("settings", "rate"), NARROW)
def test_a_model_of_the_hub_begins_as_the_same_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], rate: float
) -> None:
    """By the width of what it does with text, whatever its configuration calls that."""
    for folder in (tmp_path, in_hubs_cache(tmp_path / "hub", "org/name", monkeypatch)):
        (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert begun("org/name") == begun(str(tmp_path))
    assert begun("org/name")["training"]["learning_rate"] == rate


@pytest.mark.parametrize("settings", ["", "{}", '{"model_type": "llama", "hidden_size": "wide"}'])
def test_a_width_that_cannot_be_read_is_no_error(tmp_path: Path, settings: str) -> None:
    (tmp_path / "config.json").write_text(settings, encoding="utf-8")
    for name in (str(tmp_path), "org/unreached"):
        assert begun(name)["training"]["learning_rate"] == RATE


def test_the_precision_is_this_machines_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.huggingface.usual_dtype", lambda _: "bfloat16")
    assert begun(str(WEIGHTS))["student"]["options"]["dtype"] == "bfloat16"
    assert begun(str(WEIGHTS), dtype="float32")["student"]["options"]["dtype"] == "float32"


def test_a_student_on_a_server_needs_no_package_that_loads_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.huggingface.find_spec", lambda _: None)
    assert begun(str(WEIGHTS))["student"]["options"] == {"max_new_tokens": 256}
