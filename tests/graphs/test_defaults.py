"""What a student's backend brings reaches the configuration, and a launch says so."""

import pytest

from graphs.config import taken, validate
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
    assert "training.learning_rate 0.004" in said
