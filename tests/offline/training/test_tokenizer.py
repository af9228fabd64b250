"""The tokenizer of the nano."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from offline.training import lessons
from offline.training.tokenizer import train_tokenizer


def test_the_tokenizer_keeps_digits_apart_and_case_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "reading", lambda rng, n, stage: [("petrol cans 45", 1.0)])
    train_tokenizer(tmp_path, 0)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert tokenizer.tokenize(" 45 Petrol") == tokenizer.tokenize(" 45 petrol")
    assert tokenizer.tokenize(" 45") == ["Ġ4", "5"]
    text = "the café pays 450 crowns - at 3 o'clock."
    assert tokenizer.decode(tokenizer(text).input_ids) == text
