"""The precision in which a model's weights are kept."""

import pytest
import torch

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models.backend import precision_of
from models.pretrained import HALF, SINGLE, load_causal
from offline.nano.chat import WEIGHTS


@pytest.mark.parametrize(
    ("units", "kept"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, HALF),
        ({"amx_bf16": False, "avx512_bf16": True}, SINGLE),
        ({}, SINGLE),
    ],
)
def test_it_is_half_where_the_processor_is_faster_so(monkeypatch, units, kept) -> None:
    monkeypatch.setattr("models.pretrained.UNIT", "amx_bf16")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert precision_of(ModelConfig(model=f"hf:{WEIGHTS}", options={"device": "cpu"})) == kept


def test_an_older_torch_cannot_tell(monkeypatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision_of(ModelConfig(model=f"hf:{WEIGHTS}", options={"device": "cpu"})) == SINGLE


def test_a_setting_wins() -> None:
    student = ModelConfig(model=f"hf:{WEIGHTS}", options={"dtype": "bfloat16", "four_bit": True})
    assert precision_of(student) == HALF._replace(four_bit=True)
    assert str(precision_of(student)) == "bfloat16, matrices in four bits"


def test_one_that_no_model_is_kept_in_is_refused() -> None:
    with pytest.raises(UserError, match="dtype is float32 or bfloat16, not 'int4'"):
        precision_of(ModelConfig(model=f"hf:{WEIGHTS}", options={"dtype": "int4"}))


def test_weights_are_loaded_so() -> None:
    for kept, dtype in ((SINGLE, torch.float32), (HALF, torch.bfloat16)):
        assert {p.dtype for p in load_causal(WEIGHTS, kept).parameters()} == {dtype}


def test_the_built_in_student_is_the_same_on_every_machine(monkeypatch) -> None:
    monkeypatch.setattr("models.huggingface.usual_dtype", lambda _: "bfloat16")
    assert precision_of(ModelConfig(model="builtin:nano")) == SINGLE
