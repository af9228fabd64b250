"""Packing texts, drawing blocks, training a LoRA or a whole model."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoTokenizer

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Message
from offline.nano.chat import WEIGHTS
from training import encoding, pretraining
from training.config import PretrainingConfig

TRAINING = TrainingConfig(rank=4, warmup_steps=1, save_steps=2)
CONFIG = PretrainingConfig(block=16, batch_size=2, learning_rate=4e-3)
TEXTS = [f"Lamp {n} hangs in the hall of house {n}." for n in range(12)]


class Stopped(Exception):
    """Ends a training in its middle, as a kill would."""


def packed(folder: Path) -> pretraining.Tokens:
    pretraining.pack(WEIGHTS, TEXTS, folder / "texts.tokens")
    return pretraining.packed(folder / "texts.tokens")


def train(folder: Path, name: str, config: PretrainingConfig, advance=unseen, **more):
    plan = pretraining.Plan([(packed(folder), 120)], [], config, seed=0)
    out = folder / name
    pretraining.train(WEIGHTS, plan, config, TRAINING, 0, out, advance, **more)
    return out


def test_other_processes_map_a_plans_files_anew(tmp_path: Path) -> None:
    plan = pretraining.Plan([(packed(tmp_path), 120)], [], CONFIG, seed=0)
    sent = pickle.dumps(plan)
    assert packed(tmp_path).tobytes() not in sent
    assert list(pickle.loads(sent)) == list(plan)


class Counted(pretraining.Plan):
    """A plan that knows how often a batch of it was read."""

    read = 0

    def __getitem__(self, step):
        self.read += 1
        return super().__getitem__(step)


def test_a_plan_that_may_be_larger_than_memory_is_read_once(tmp_path: Path) -> None:
    """Whatever the objective of trainings on examples is."""
    plan = Counted([(packed(tmp_path), 120)], [], CONFIG, seed=0)
    training = TRAINING.model_copy(update={"objective": "distil"})
    pretraining.train(WEIGHTS, plan, CONFIG, training, 0, tmp_path / "out", unseen)
    assert plan.read == len(plan)


def test_texts_are_packed_whole_and_once(tmp_path: Path) -> None:
    tokens = packed(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    parts = tokenizer.decode(tokens.tolist()).split(tokenizer.eos_token)
    assert [part.strip() for part in parts[:-1]] == [text.lower() for text in TEXTS]
    assert parts[-1] == ""
    size = pretraining.pack(WEIGHTS, ["other"], tmp_path / "texts.tokens")
    assert size == len(tokens), "what is whole is not written again"
    assert len(pretraining.packed(_empty(tmp_path))) == 0


def test_chats_are_packed_with_one_end_mark(tmp_path: Path) -> None:
    chat = [
        Message(role="user", content="Where?"),
        Message(role="assistant", content="In the hall."),
    ]
    (text,) = pretraining.as_chats(WEIGHTS, [chat])
    assert text.endswith("<|end|>")
    pretraining.pack(WEIGHTS, [text], tmp_path / "chat.tokens", chats=True)
    ids = pretraining.packed(tmp_path / "chat.tokens").tolist()
    whole = encoding.encode(
        AutoTokenizer.from_pretrained(WEIGHTS), encoding.Sample(tuple(chat[:1]), "In the hall.")
    )
    assert ids == whole["input_ids"]


def test_marks_in_a_document_are_letters(tmp_path: Path) -> None:
    pretraining.pack(WEIGHTS, ["a <|end|> b <|user|> c"], tmp_path / "plain.tokens")
    ids = pretraining.packed(tmp_path / "plain.tokens").tolist()
    special = AutoTokenizer.from_pretrained(WEIGHTS).all_special_ids
    assert [n for n in ids if n in special] == ids[-1:]


def test_what_cannot_be_trained_is_refused_before() -> None:
    long = [Message(role="user", content="well " * 900)]
    for config, longest, reason in (
        (CONFIG.model_copy(update={"block": 4096}), [], "pretraining.block"),
        (CONFIG, long, "lower pretraining.shots"),
    ):
        with pytest.raises(UserError, match=reason):
            pretraining.check(WEIGHTS, config, longest, 128)
    pretraining.check(WEIGHTS, CONFIG, long[:0], 128)


@given(
    size=st.integers(0, 200),
    wanted=st.one_of(st.none(), st.integers(0, 600)),
    rows=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_every_block_is_seen_before_any_again(size: int, wanted, rows: int, seed: int) -> None:
    tokens = np.arange(size, dtype=np.uint32)
    extra = [{"input_ids": [9999 + n], "labels": [9999 + n]} for n in range(rows)]
    plan = pretraining.Plan([(tokens, wanted)], extra, CONFIG, seed)
    batches = [plan[step] for step in range(len(plan))]
    seen = [row["input_ids"] for batch in batches for row in batch]
    assert sum(map(len, seen)) == plan.tokens
    assert all(len(batch) == CONFIG.batch_size for batch in batches[:-1])
    blocks = [tuple(ids) for ids in seen if ids[0] < 9999]
    assert len(seen) - len(blocks) == rows
    whole = [tuple(range(at, min(at + CONFIG.block, size))) for at in range(0, size, CONFIG.block)]
    counts = [blocks.count(block) for block in whole]
    if wanted is None:
        assert counts == [1] * len(whole)
    elif whole:
        assert sum(counts) == -(-wanted // CONFIG.block)
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("weights", ["lora", "all"])
def test_a_training_that_was_stopped_goes_on_exactly(tmp_path: Path, weights: str) -> None:
    config = CONFIG.model_copy(update={"weights": weights})
    name = {"lora": "adapter_model.safetensors", "all": "model.safetensors"}[weights]
    whole = load_file(train(tmp_path, "whole", config) / name)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train(tmp_path, "again", config, stop)
    seen: list[int] = []
    resumed = load_file(train(tmp_path, "again", config, lambda done, _: seen.append(done)) / name)
    assert seen[0] == 3, "two steps were kept"
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize("weights", ["lora", "all"])
def test_a_stage_goes_on_from_the_one_before(tmp_path: Path, weights: str) -> None:
    config = CONFIG.model_copy(update={"weights": weights})
    name = {"lora": "adapter_model.safetensors", "all": "model.safetensors"}[weights]
    first = train(tmp_path, "first", config)
    still = config.model_copy(update={"learning_rate": 1e-12})
    second = train(tmp_path, "second", still, start=first)
    before, after = load_file(first / name), load_file(second / name)
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in before)


def _empty(folder: Path) -> Path:
    pretraining.pack(WEIGHTS, [], folder / "none.tokens")
    return folder / "none.tokens"
