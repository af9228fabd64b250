"""The pre-training program: batches, optimiser, checkpoints, learning curve, export."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from offline.nano import skills
from offline.nano.chat import WEIGHTS, NanoChatModel
from offline.nano.checksums import verify_checksums
from offline.training import lessons
from offline.training import train as train_nano
from offline.training.muon import Muon, orthogonalise
from offline.training.train import Recipe, batch, encode, export, new_model, rate_at, train


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """Load the tokenizer of the weights that come with the program."""
    return PreTrainedTokenizerFast.from_pretrained(WEIGHTS)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokenizer: Any) -> Path:
    """Make a run folder that has a tokenizer."""
    monkeypatch.setattr(train_nano, "CHECKPOINT_EVERY", 2)
    folder = tmp_path / "run"
    folder.mkdir()
    tokenizer.save_pretrained(folder)
    return folder


def _recipe(steps: int) -> Recipe:
    return Recipe(tokens=steps * 128 * 2 + 1, window=128, rows=2)


def test_a_batch_is_a_function_of_its_step(tokenizer: Any) -> None:
    tokens, counts = batch(3, _recipe(10), tokenizer)
    again = batch(3, _recipe(10), tokenizer)
    other, _ = batch(4, _recipe(10), tokenizer)
    assert torch.equal(tokens, again[0]) and torch.equal(counts, again[1])
    assert not torch.equal(tokens, other)
    assert counts.any() and not counts[tokens == tokenizer.pad_token_id].any()


def test_lessons_are_cut_at_whole_turns(tokenizer: Any) -> None:
    for seed in range(20):
        lesson = lessons.reading(random.Random(seed), 2, lessons.STAGES[0])
        ids, weights = encode(lesson, tokenizer, 128)
        assert len(ids) == len(weights) <= 128
        assert not ids or ids[-1] == tokenizer.eos_token_id


def test_answers_always_count_and_passages_seldom(tokenizer: Any) -> None:
    ids, weights = encode(lessons.turn("How long?", "Trench. Rule: allowed.", 0.05), tokenizer, 128)
    text = tokenizer.decode([i for i, w in zip(ids, weights, strict=True) if w == 1.0])
    assert text == " trench. rule: allowed.<|end|>"
    chat = [
        {"role": "user", "content": "How long?"},
        {"role": "assistant", "content": "Trench. Rule: allowed."},
    ]
    assert tokenizer.apply_chat_template(chat, return_dict=False) == ids


def test_a_stopped_run_goes_on_to_the_same_weights(run: Path, tmp_path: Path) -> None:
    whole, tokenizer = train(_recipe(4), run)
    second = tmp_path / "second"
    second.mkdir()
    tokenizer.save_pretrained(second)
    model = new_model(0)
    optimisers = train_nano.new_optimisers(model, 3e-3)
    recipe = _recipe(4)
    for step in range(2):
        loss = train_nano.loss_of(model.model, model.lm_head, *batch(step, recipe, tokenizer))
        train_nano.update(model, loss, optimisers, rate_at(step, recipe))
    train_nano.save(second, model, optimisers, 2)
    resumed, _ = train(recipe, second)
    for left, right in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_curve_is_noted_and_the_weights_load(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_nano, "CURVE_EVERY", 2)
    monkeypatch.setattr(skills, "quick", lambda answers: {"one": 0.5})
    model, tokenizer = train(_recipe(2), run)
    assert (run / "curve.jsonl").read_text(encoding="utf-8").count("one") == 1
    export(model, tokenizer, tmp_path / "weights")
    verify_checksums(tmp_path / "weights")
    assert NanoChatModel(model=str(tmp_path / "weights"), max_new_tokens=4).invoke("Hello").content


def test_the_rate_rises_holds_and_falls() -> None:
    recipe = Recipe(tokens=1000 * Recipe().batch_tokens)
    rates = [rate_at(step, recipe) for step in (0, 300, 540, 999)]
    assert rates[0] < rates[1] == recipe.rate
    assert rates[1] == rates[2] > rates[3] > 0


def test_orthogonalise_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 16, 48)))
    assert values.min() > 0.5 and values.max() < 1.3


def test_muon_lowers_a_loss() -> None:
    torch.manual_seed(0)
    wide, tall = torch.nn.Parameter(torch.randn(4, 8)), torch.nn.Parameter(torch.randn(8, 4))
    optimiser = Muon([wide, tall], lr=0.05)

    def loss() -> torch.Tensor:
        return (wide @ tall - torch.eye(4)).square().mean()

    before = loss().item()
    for _ in range(40):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert loss().item() < before / 4
