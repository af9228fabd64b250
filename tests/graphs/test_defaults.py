"""What a student's backend brings reaches the configuration, and a launch says so."""

from pathlib import Path
from typing import Any

import pytest

from elenchus.progress import Unseen
from graphs.config import DomainConfig, load, of_run, taken, validate, written
from graphs.runner import create
from offline.nano.chat import WEIGHTS


@pytest.mark.parametrize(
    ("method", "objective"), [("examination", True), ("indicators", False), ("passages", False)]
)
def test_a_launch_names_what_its_method_reads(method: str, objective: bool) -> None:
    tree = {"domain": "d", "title": "t", "method": method, "student": {"model": f"hf:{WEIGHTS}"}}
    if method == "indicators":
        tree["messages"] = {"train": "a.csv", "test": "b.csv", "label": "label"}
    said = taken(validate(tree, "test"))
    assert ("training.objective distil" in said) == objective
    assert ("training.replay" in said) == objective
    assert "training.learning_rate" in said and "float32 on cpu" in said


def test_the_built_in_student_brings_its_own() -> None:
    said = taken(validate({"domain": "d", "title": "t"}, "test"))
    assert said.startswith("builtin:nano, a model of two million parameters: ")
    assert "training.learning_rate 0.004" in said and "training.least_steps 60" in said
    passages = {"domain": "d", "title": "t", "method": "passages"}
    assert "least_steps" not in taken(validate(passages, "test"))


def test_few_examples_are_not_passed_over_again_and_again_unless_a_student_wants_it() -> None:
    tree = {"domain": "d", "title": "t", "student": {"model": f"hf:{WEIGHTS}"}}
    config = validate(tree, "test").training
    assert config.least_steps <= 2 * config.warmup_steps


def test_the_precision_is_said_once() -> None:
    options = {"dtype": "bfloat16", "four_bit": True}
    tree = {"domain": "d", "title": "t", "student": {"model": f"hf:{WEIGHTS}", "options": options}}
    said = taken(validate(tree, "test"))
    assert said.count("bfloat16") == said.count("four") == 1
    assert "max_new_tokens 256, " in said


def test_a_run_goes_on_in_its_precision_wherever_it_is_resumed(
    mock_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [f"student.model=hf:{WEIGHTS}", "training.enabled=false"]
    begun = create(load(mock_pool / "domain.yaml", None, changes), mock_pool, tmp_path / "runs",
                   None, Unseen())  # fmt: skip
    assert begun.manifest()["config"]["student"]["options"]["dtype"] == "float32"
    monkeypatch.setattr("models.huggingface.usual_dtype", lambda _: "bfloat16")  # another machine
    assert of_run(begun).student.options["dtype"] == "float32"


def test_what_a_run_wrote_is_not_filled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """So reading it loads no model's configuration, and no newer default changes it."""
    whole = validate({"domain": "d", "title": "t"}, "test").model_dump(exclude={"profiles"})
    student = {**whole["student"], "model": "hf:org/name"}

    def asked(*_: Any) -> None:
        raise AssertionError("the backend was asked")

    monkeypatch.setattr("models.huggingface.HuggingFace.student_defaults", asked)
    read = written(whole | {"student": student}, "run.yaml")
    assert isinstance(read, DomainConfig) and read.student.options == {}
