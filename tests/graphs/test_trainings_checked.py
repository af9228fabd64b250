"""Every method that trains looks at student and memory before anything is paid for."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from elenchus.errors import UserError
from elenchus.progress import Unseen
from graphs.config import validate
from graphs.methods import method_of
from offline.nano.chat import WEIGHTS

METHODS = ("examination", "rewriting", "passages", "indicators")


def check(method: str, folder: Path, student: Path, **more: Any) -> None:
    """Check a domain of a method whose student is in a folder."""
    tree: dict[str, Any] = {"domain": "d", "title": "t", "method": method, **more}
    tree["student"] = {"model": f"hf:{student}"}
    if method == "indicators":
        tree["messages"] = {"train": "a.csv", "test": "b.csv", "label": "label"}
    method_of(method).check(validate(tree, "test"), folder, Unseen())


@pytest.mark.parametrize("method", METHODS)
def test_a_student_that_does_not_fit_its_tokenizer_is_refused(method: str, tmp_path: Path) -> None:
    check(method, tmp_path, WEIGHTS)
    student = Path(shutil.copytree(WEIGHTS, tmp_path / "student"))
    tree = json.loads((student / "config.json").read_text("utf-8")) | {"vocab_size": 40}
    (student / "config.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(UserError, match="not of one model"):
        check(method, tmp_path, student)


@pytest.mark.parametrize(
    ("method", "pretraining", "remedy"),
    [
        ("examination", {}, "end other programs, or set training.enabled=false"),
        ("rewriting", {}, "or end other programs$"),
        ("passages", {}, "or end other programs$"),
        ("passages", {"weights": "all"}, "end other programs, or set pretraining.weights=lora$"),
        ("indicators", {}, "end other programs, or set training.enabled=false"),
    ],
)
def test_a_student_without_room_is_refused(
    method: str,
    pretraining: dict[str, str],
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.memory.free", lambda: 1.0)
    with pytest.raises(UserError, match=f"are free: take a smaller student, {remedy}"):
        check(method, tmp_path, WEIGHTS, pretraining=pretraining)
