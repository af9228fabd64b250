"""Several runs keep one set of weights in memory, and their adapters beside it."""

import asyncio
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage
from peft import LoraConfig, get_peft_model

from models import local
from models.pretrained import load_causal
from offline.nano.chat import WEIGHTS, NanoChatModel

ASKED = [
    HumanMessage("within how many days must a swimming cap be handed back?"),
    HumanMessage("may a towel fight be held?"),
    HumanMessage("what does a sharp breach cost?"),
]


def made(folder: Path, seed: int, rank: int) -> Path:
    """Save a LoRA that changes what the nano says."""
    torch.manual_seed(seed)
    settings = LoraConfig(r=rank, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_causal(WEIGHTS), settings).save_pretrained(folder)
    return folder


async def answers(chats: list[NanoChatModel]) -> list[list[str]]:
    """Ask all of them at the same time."""

    async def ask(chat: NanoChatModel) -> list[str]:
        said = await asyncio.gather(*(chat.ainvoke([asked]) for asked in ASKED))
        return [one.text for one in said]

    return await asyncio.gather(*map(ask, chats))


def test_all_answer_as_alone_from_one_set_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [made(tmp_path / str(n), n, 2 + n) for n in range(2)]
    chats = [NanoChatModel(adapter=adapter, max_new_tokens=12) for adapter in (None, *adapters)]
    alone = [asyncio.run(answers([chat]))[0] for chat in chats]
    assert len({tuple(said) for said in alone}) == 3
    loaded = []

    def counted(*given: object) -> object:
        loaded.append(given)
        return load_causal(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(local, "load_causal", counted)
    with local.one_base():
        for _ in range(2):
            assert asyncio.run(answers(chats)) == alone
        assert len(loaded) == 1
        local.forget()  # as before a training
        assert asyncio.run(answers(chats[::-1])) == alone[::-1]
        assert len(loaded) == 2
    assert [asyncio.run(answers([chat]))[0] for chat in chats] == alone


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    from elenchus.errors import UserError

    adapter = made(tmp_path / "one", 0, 2)
    (adapter / "adapter_model.safetensors").write_bytes(b"no weights")
    with local.one_base(), pytest.raises(UserError, match="no adapter of this model"):
        asyncio.run(answers([NanoChatModel(adapter=adapter)]))
