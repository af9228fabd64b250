"""Batches that have no room on a GPU are answered in parts; here memory gives out by count."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from elenchus.errors import RunStopped
from elenchus.sections import ModelConfig
from models import local
from models.backend import make_model
from models.decoding import Wanted
from models.room import Room, kept_bytes, tokens_of
from offline.nano.chat import WEIGHTS


@pytest.fixture
def loaded() -> local.Loaded:
    return make_model(ModelConfig(model=f"hf:{WEIGHTS}")).chat.load()


def wanted(loaded: local.Loaded, counts: Sequence[int]) -> list[Wanted]:
    """Return prompts about so many things."""
    asked = ("What is the limit for " + "a toy and " * n + "a boat?" for n in counts)
    return [Wanted(loaded.prompt([{"role": "user", "content": text}]), 8) for text in asked]


def with_memory_for(tokens: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let larger batches find no memory; return the list that will say how large all were."""
    tried, usual = [], local.decode

    def decode(model: Any, batch: Sequence[Wanted], **settings: Any) -> Any:
        tried.append(tokens_of(batch))
        if tried[-1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. ...")
        return usual(model, batch, **settings)

    monkeypatch.setattr(local, "decode", decode)
    return tried


def test_parts_are_answered_as_the_whole_and_the_next_are_smaller(
    loaded: local.Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = wanted(loaded, [n % 5 for n in range(24)])
    expected = [text for text, _ in local.answered(loaded.model, loaded.tokenizer, asked)]
    most = tokens_of(asked) // 3
    tried = with_memory_for(most, monkeypatch)
    room = Room(tokens_of)
    for first in (True, False):
        said = local.answered(loaded.model, loaded.tokenizer, asked, room)
        assert [text for text, _ in said] == expected
        assert (max(tried) > most) == first
        tried.clear()


def test_what_has_no_room_alone_stops_the_run(
    loaded: local.Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_memory_for(10, monkeypatch)
    with pytest.raises(RunStopped, match=r"no memory left for a prompt.*--reuse"):
        local.answered(loaded.model, loaded.tokenizer, wanted(loaded, [1, 2, 3]))


def test_what_is_kept_of_a_token_is_what_the_cache_holds(loaded: local.Loaded) -> None:
    model = loaded.model
    cache = model(torch.tensor([[1, 2, 3]]), use_cache=True).past_key_values
    held = [one.nbytes for layer in cache.layers for one in (layer.keys, layer.values)]
    assert kept_bytes(model) * 3 == sum(held)
