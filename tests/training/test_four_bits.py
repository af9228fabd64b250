"""A student whose matrices are kept in four bits, in training as in asking."""

from pathlib import Path

import pytest
import torch

from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.sections import ModelConfig
from models import pretrained
from models.backend import make_model
from models.pretrained import SINGLE
from offline.nano.chat import WEIGHTS
from tests.training.test_lora import CONFIG, plan
from training import lora
from training.memory import wanted

STUDENT = ModelConfig(model=f"hf:{WEIGHTS}", options={"four_bit": True, "max_new_tokens": 16})
FOUR_BITS = SINGLE._replace(four_bit=True)
QUESTION = "Where is lamp 3?"


def test_it_learns_and_is_asked_as_it_learnt(tmp_path: Path) -> None:
    before = make_model(STUDENT).chat
    long = CONFIG.model_copy(update={"epochs": 12})
    lora.train(
        WEIGHTS, plan(config=long), long, 0, tmp_path / "adapter", unseen, precision=FOUR_BITS
    )
    after = make_model(STUDENT, tmp_path / "adapter").chat
    asked = [chat.invoke(QUESTION) for chat in (before, after)]
    assert asked[0].content != asked[1].content
    assert "hall" in str(asked[1].content).casefold()


def test_its_matrices_are_small_and_kept() -> None:
    whole, small = (pretrained.load_causal(WEIGHTS, kept) for kept in (SINGLE, FOUR_BITS))
    kinds = {type(m).__name__ for m in small.modules() if "proj" in type(m).__name__ or
             isinstance(m, torch.nn.Linear)}  # fmt: skip
    assert "Linear4bit" in kinds
    assert small.get_memory_footprint() < 0.6 * whole.get_memory_footprint()
    known = wanted(WEIGHTS, CONFIG, FOUR_BITS).model - wanted(WEIGHTS, CONFIG).model
    saved = small.get_memory_footprint() - whole.get_memory_footprint()
    assert known == pytest.approx(saved, rel=0.1)


def test_without_the_package_it_is_refused_with_the_remedy(monkeypatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install -e '.\[four-bit\]'"):
        make_model(STUDENT)
