"""What a training wants of the memory, beside what is free."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from models.pretrained import load_causal
from offline.nano.chat import WEIGHTS
from tests.training.test_families import FAMILIES, made
from tests.training.test_lora import train
from training import lora, memory
from training.memory import MOMENTS, Manner, check_memory, wanted

LEARNS = ("lora", "all", "classes")
CONFIG = TrainingConfig(rank=4, batch_size=8, max_tokens=256)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_and_lora_are_counted_to_the_last(family: str, tmp_path: Path) -> None:
    model = made(family, tmp_path)
    weights = sum(p.numel() for p in model.parameters())
    adapted = lora.with_lora(load_causal(tmp_path), CONFIG, "CAUSAL_LM")
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert wanted(tmp_path, CONFIG).model == 4 * weights + MOMENTS * trained


def test_the_nanos_weights_are_those_of_its_file() -> None:
    size = sum(t.numel() * 4 for t in load_file(WEIGHTS / "model.safetensors").values())
    assert 0 < wanted(WEIGHTS, CONFIG).model - size < size


def test_checkpointing_and_smaller_batches_want_less() -> None:
    usual = wanted(WEIGHTS, CONFIG).batch
    for change in ({"gradient_checkpointing": True}, {"batch_size": 4}, {"max_tokens": 128}):
        assert wanted(WEIGHTS, CONFIG.model_copy(update=change)).batch < usual


def test_both_answers_of_a_pair_are_read_at_once() -> None:
    usual, pairs = (
        wanted(WEIGHTS, CONFIG.model_copy(update={"objective": name})) for name in ("distil", "dpo")
    )
    assert pairs == (usual.model, 2 * usual.batch)
    classes = Manner("classes")
    assert wanted(
        WEIGHTS, CONFIG.model_copy(update={"objective": "dpo"}), manner=classes
    ) == wanted(WEIGHTS, CONFIG, manner=classes)


def test_no_room_is_said_before_anything_is_paid_for() -> None:
    need = wanted(WEIGHTS, CONFIG)
    assert check_memory(WEIGHTS, CONFIG, room=need.all + 1) == ""
    assert "training.gradient_checkpointing=true" in check_memory(
        WEIGHTS, CONFIG, room=need.all - 1
    )
    kept = CONFIG.model_copy(update={"gradient_checkpointing": True})
    tight = check_memory(WEIGHTS, kept, room=need.model + 1)
    assert "lower training.batch_size" in tight and "checkpointing" not in tight
    with pytest.raises(UserError, match="take a smaller student"):
        check_memory(WEIGHTS, CONFIG, room=need.model - 1)


def test_a_training_without_room_says_how_to_go_on(tmp_path: Path) -> None:
    def full(done: int, total: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    with pytest.raises(UserError, match=r"round-1: .*\(CUDA out of memory\).*--reuse"):
        train(tmp_path / "round-1", full)


def test_what_is_free_is_known() -> None:
    assert memory.free() > 1e8


@pytest.mark.parametrize(
    ("most", "left"), [("1000", 1000 - 700 + 200), ("max", math.inf), ("", math.inf)]
)
def test_what_a_container_may_take_is_what_is_free(most: str, left: float, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(most)
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    assert memory._in_container(tmp_path) == left
    assert memory._in_container(tmp_path / "none") == math.inf


def test_each_process_has_the_model() -> None:
    one, two = (wanted(WEIGHTS, CONFIG.model_copy(update={"processes": n})) for n in (1, 2))
    assert two.model == 2 * one.model and two.batch == one.batch  # of one machine's memory


def test_all_weights_and_classes_want_what_they_train() -> None:
    lora_, all_, classes = (wanted(WEIGHTS, CONFIG, manner=Manner(n)) for n in LEARNS)
    size = sum(t.numel() for t in load_file(WEIGHTS / "model.safetensors").values())
    assert all_ == (MOMENTS * size, lora_.batch)
    assert classes.batch < lora_.batch, "a head for classes has no logits of words"
