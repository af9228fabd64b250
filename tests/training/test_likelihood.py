"""Likelihoods of texts: as the model itself gives them, one at a time, and after a training."""

from pathlib import Path

import pytest
import torch

from models.pretrained import load_causal, load_tokenizer
from offline.nano.chat import WEIGHTS
from tests.training.test_lora import SAMPLES, train
from training import encoding, likelihood
from training.likelihood import likelihoods


def test_they_are_those_of_the_model() -> None:
    model, tokenizer = load_causal(WEIGHTS), load_tokenizer(WEIGHTS)
    expected = []
    for sample in SAMPLES:
        row = encoding.encode(tokenizer, sample)
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        with torch.inference_mode():
            expected.append(-float(model(input_ids=ids, labels=labels).loss))
    assert likelihoods(WEIGHTS, SAMPLES) == pytest.approx(expected, abs=1e-4)


def test_their_order_and_company_do_not_matter() -> None:
    long = encoding.Sample(SAMPLES[0].prompt, "Lamp. " * 40)
    together = likelihoods(WEIGHTS, [long, *SAMPLES])
    assert together[1:] == pytest.approx(likelihoods(WEIGHTS, SAMPLES), abs=1e-4)


def test_a_large_vocabulary_makes_batches_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, sizes, collate = likelihoods(WEIGHTS, SAMPLES), [], likelihood.collate

    def counted(pad: int, items: list[list[encoding.Row]]) -> object:
        sizes.append(len(items[0]))
        return collate(pad, items)

    monkeypatch.setattr(likelihood, "collate", counted)
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 1)
    assert likelihoods(WEIGHTS, SAMPLES) == pytest.approx(usual, abs=1e-4)
    assert sizes == [1] * len(SAMPLES)


def test_what_was_trained_on_is_likelier(tmp_path: Path) -> None:
    train(tmp_path / "adapter")
    before = likelihoods(WEIGHTS, SAMPLES)
    after = likelihoods(WEIGHTS, SAMPLES, tmp_path / "adapter")
    assert all(now > then for now, then in zip(after, before, strict=True))
