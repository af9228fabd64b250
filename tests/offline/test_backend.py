"""The backend of the built-in models, and what it may import."""

import ast
from pathlib import Path
from typing import Any

import pytest

import offline
from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models.backend import backend, make_model, weights
from offline.backend import NANO, READER
from offline.nano.chat import WEIGHTS

FOLDER = Path(offline.__file__).parent


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("builtin:sage", {}, "unknown model 'builtin:sage'; built in are builtin:reader, "),
        (READER, {"wrong": 2}, "builtin:reader: .*wrong"),
        (READER, {"wrng": 0.1}, "has no option 'wrng'; it has: wrong"),
        (NANO, {"adapter": "x"}, "has no option 'adapter'"),
        (NANO, {"model_path": "nowhere"}, "no model weights there"),
    ],
)
def test_what_is_not_built_in_is_refused(model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"(?s){message}"):
        make_model(ModelConfig(model=model, options=options))


def test_the_reader_takes_no_seed_unless_it_errs() -> None:
    assert not make_model(ModelConfig(model=READER)).seeded
    assert make_model(ModelConfig(model=READER, options={"wrong": 0.1})).seeded


def test_only_the_nano_can_be_trained_and_knows_something_before() -> None:
    nano, reader = ModelConfig(model=NANO), ModelConfig(model=READER)
    assert weights(nano) == WEIGHTS
    with pytest.raises(UserError, match="no local weights"):
        weights(reader)
    offered = backend(NANO)
    assert offered.student_defaults(nano).sections
    assert not offered.student_defaults(reader).sections
    general = offered.general(nano)
    assert general is not None and offered.general(reader) is None
    exam, replay = general.exam(20, 1), general.replay(20, "1")
    assert len(exam) == len(replay) == 20
    assert not {messages for messages, _ in exam} & {messages for messages, _ in replay}


def test_what_runs_imports_no_program_of_the_pre_training() -> None:
    for path in FOLDER.rglob("*.py"):
        if path.is_relative_to(FOLDER / "training"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not str(node.module).startswith("offline.training"), path
