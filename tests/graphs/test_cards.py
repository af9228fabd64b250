"""Facts for cards: what others may read of sources and models."""

from pathlib import Path

import pytest

from elenchus.config import ModelConfig
from elenchus.sections import SourceConfig
from graphs.cards import hub_id, models_by_role
from graphs.method import Role


def test_all_models_of_a_role_are_told_and_no_path() -> None:
    names = ("openai:one", "hf:/data/two", "openai:one")
    roles = [Role("expert", ModelConfig(model=name)) for name in names]
    assert models_by_role(roles) == {"expert": "openai:one, hf:two"}


def test_an_id_of_the_hub_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hub_id(SourceConfig(hf="who/what")) == "who/what"
    (tmp_path / "who" / "what").mkdir(parents=True)
    for place in ("who/what", "../what", "./what", "~/what", "/data/what", "what"):
        assert hub_id(SourceConfig(hf=place)) is None
    assert hub_id(SourceConfig(path="documents")) is None
