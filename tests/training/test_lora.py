"""LoRA training with the real student: what is learnt, what is saved, and exact resuming."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.modules.module import register_module_forward_hook

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Message
from models.weights import file_hash
from offline.nano.chat import WEIGHTS
from training import encoding, lora
from training.likelihood import likelihoods

CONFIG = TrainingConfig(
    learning_rate=4e-3,
    epochs=3,
    least_steps=1,
    batch_size=4,
    rank=4,
    warmup_steps=1,
    save_steps=2,
)
SAMPLES = [
    encoding.Sample(
        (Message(role="user", content=f"Where is lamp {n}?"),), f"Lamp {n}: hall. So: hall."
    )
    for n in range(8)
]


class Stopped(Exception):
    """Ends a training in its middle, as a kill would."""


def plan(samples=SAMPLES, config: TrainingConfig = CONFIG) -> list:
    return encoding.batches(encoding.encoded(WEIGHTS, samples), config, 0)


def train(out: Path, advance=unseen) -> None:
    lora.train(WEIGHTS, plan(), CONFIG, 0, out, advance)


def test_the_same_samples_give_the_same_adapter(tmp_path: Path) -> None:
    seen = []
    train(tmp_path / "one", lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]
    train(tmp_path / "two")
    one, two = (file_hash(tmp_path / n / "adapter_model.safetensors") for n in ("one", "two"))
    assert one == two
    settings = json.loads((tmp_path / "one" / "adapter_config.json").read_text("utf-8"))
    assert (settings["r"], settings["bias"], settings["use_dora"]) == (4, "none", False)
    assert settings["modules_to_save"] is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_a_training_goes_on_from_an_adapter(tmp_path: Path) -> None:
    train(tmp_path / "first")
    still = CONFIG.model_copy(update={"learning_rate": 1e-12})
    first, second = tmp_path / "first", tmp_path / "second"
    lora.train(WEIGHTS, plan(config=still), still, 0, second, unseen, start=first)
    before, after = (load_file(f / "adapter_model.safetensors") for f in (first, second))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[k], after[k], atol=1e-6) for k in before)


def test_a_training_that_was_stopped_goes_on_exactly(tmp_path: Path) -> None:
    train(tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        train(tmp_path / "cut", stop)
    assert not (tmp_path / "cut").exists()
    # A kill while a checkpoint is written leaves part of one, which must not be gone on from.
    broken = tmp_path / "cut.partial" / "checkpoint-5"
    broken.mkdir()
    (broken / "adapter_config.json").write_text("{", encoding="utf-8")
    steps = []
    train(tmp_path / "cut", lambda done, total: steps.append(done))
    assert steps[0] == 5
    one, two = (file_hash(tmp_path / n / "adapter_model.safetensors") for n in ("whole", "cut"))
    assert one == two


def test_a_kill_while_checkpoints_are_removed_costs_steps_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole")

    def cut(checkpoint: Path) -> None:
        (checkpoint / "adapter_model.safetensors").unlink()
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(lora, "rmtree", cut)
        train(tmp_path / "cut")
    train(tmp_path / "cut")
    one, two = (file_hash(tmp_path / n / "adapter_model.safetensors") for n in ("whole", "cut"))
    assert one == two


def test_loss_and_rate_of_each_step_are_kept(tmp_path: Path) -> None:
    train(tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "curve.json").read_text("utf-8"))
    assert [row["step"] for row in rows] == list(range(1, 7))
    assert rows[-1]["loss"] < rows[0]["loss"] and rows[-1]["learning_rate"] < CONFIG.learning_rate
    assert (tmp_path / "out" / "curve.svg").read_text("utf-8").startswith("<?xml")


def test_a_loss_that_is_no_number_ends_a_training(tmp_path: Path) -> None:
    wild = CONFIG.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match="lower training"):
        lora.train(WEIGHTS, plan(), wild, 0, tmp_path / "round-1", unseen)
    assert not (tmp_path / "round-1").exists()


def test_fewer_activations_learn_the_same(tmp_path: Path) -> None:
    called: list[str] = []
    hook = register_module_forward_hook(lambda module, *_: called.append(str(type(module))))
    train(tmp_path / "usual")
    usually = len(called)
    frugal = CONFIG.model_copy(update={"gradient_checkpointing": True})
    lora.train(WEIGHTS, plan(), frugal, 0, tmp_path / "frugal", unseen)
    hook.remove()
    assert len(called) - usually > 1.5 * usually, "what was not kept is computed again"
    usual, less = (
        load_file(tmp_path / n / "adapter_model.safetensors") for n in ("usual", "frugal")
    )
    assert all(torch.allclose(usual[name], less[name], atol=1e-5) for name in usual)


def test_loss_is_on_the_completion_alone() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    row = encoding.encode(tokenizer, SAMPLES[3])
    pairs = zip(row["input_ids"], row["labels"], strict=True)
    learnt = [token for token, label in pairs if label != encoding.IGNORED]
    # This tokenizer knows no capitals.
    assert tokenizer.decode(learnt).strip() == "lamp 3: hall. so: hall.<|end|>"


def test_a_batch_without_the_logits_of_prompts_has_the_same_loss() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    longer = encoding.Sample(
        (Message(role="user", content="The hall has seven lamps. Which?"),), "So: none."
    )
    rows = [encoding.encode(tokenizer, sample) for sample in (*SAMPLES[:3], longer)]
    batch = encoding.collate(0, [rows])
    whole = batch["input_ids"].clone()
    labels = torch.full_like(whole, encoding.IGNORED)
    for place, row in enumerate(rows):
        labels[place, : len(row["labels"])] = torch.tensor(row["labels"])
    kept = batch["logits_to_keep"]
    assert kept < whole.shape[1]
    assert (labels[:, :-kept] == encoding.IGNORED).all()
    with torch.no_grad():
        short = model(**batch).loss
        full = model(input_ids=whole, attention_mask=batch["attention_mask"], labels=labels).loss
    assert short.item() == pytest.approx(full.item(), rel=1e-5)


def test_a_text_without_a_prompt_is_learnt_whole() -> None:
    (row,) = encoding.encoded(WEIGHTS, [encoding.Sample((), "The hall has seven lamps.")])
    assert row["labels"] == row["input_ids"]
    assert encoding.tokens([[row, row], [row]]) == 3 * len(row["input_ids"])


def test_training_sees_the_tokens_that_asking_sees() -> None:
    """The prompt of a training sample is token for token what the student is asked with."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    messages = [m.model_dump() for m in SAMPLES[0].prompt]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    row = encoding.encode(tokenizer, SAMPLES[0])
    assert row["input_ids"][: len(asked)] == asked
    assert row["labels"][: len(asked)] == [encoding.IGNORED] * len(asked)


def test_samples_over_the_limit_are_known_before_training() -> None:
    longer = encoding.Sample(SAMPLES[0].prompt, "Hall. " * 30)
    config = CONFIG.model_copy(update={"max_tokens": 40})
    assert encoding.too_long(WEIGHTS, [*SAMPLES[:2], longer], config) == [False, False, True]
    with pytest.raises(ValueError, match="max_tokens"):
        plan([longer], config)


def test_a_training_ends_where_what_is_held_out_gets_worse(tmp_path: Path) -> None:
    """What it is trained on contradicts it; the weights are those before it got worse."""
    apart = [
        encoding.Sample(s.prompt, "No lamp is there, as far as anybody knows.") for s in SAMPLES
    ]
    held_out = encoding.in_order(encoding.encoded(WEIGHTS, apart), CONFIG)
    long = CONFIG.model_copy(update={"epochs": 12})
    lora.train(WEIGHTS, plan(config=long), long, 0, tmp_path / "out", unseen, held_out=held_out)
    rows = json.loads((tmp_path / "out" / "curve.json").read_text("utf-8"))
    read = [(row["step"], row["eval_loss"]) for row in rows if "eval_loss" in row]
    assert read[-1][1] > read[-2][1] and lora.steps_of(tmp_path / "out") == read[-1][0] < 24
    found = likelihoods(WEIGHTS, apart, tmp_path / "out")
    assert -sum(found) / len(found) == pytest.approx(min(loss for _, loss in read), abs=0.02)
    assert not list((tmp_path / "out").glob("checkpoint-*"))
