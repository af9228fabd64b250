"""One set of weights that answers with its adapter and without, each as it would alone."""

import json
from itertools import zip_longest
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from elenchus.errors import RunStopped, UserError
from models.decoding import Wanted, decode, written
from models.messages import PromptTooLong
from models.pairs import Pair
from models.pretrained import load_causal
from offline.nano.chat import WEIGHTS, NanoChatModel

QUESTIONS = ("What is the limit for the green lamp?", "May a boat be kept by the quay?")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of the nano that changes what it says."""
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(3)
    settings = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_causal(WEIGHTS), settings).save_pretrained(folder)
    return folder


def alone(adapter: Path | None, question: str, temperature: float = 0.0) -> str:
    chat = NanoChatModel(adapter=adapter, temperature=temperature)
    return str(chat.invoke([HumanMessage(question)], seed=7).text)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_each_answers_as_alone_whoever_writes_meanwhile(adapter: Path, temperature: float) -> None:
    pair = Pair(NanoChatModel(temperature=temperature), adapter)
    for question in QUESTIONS:
        both = [pair.written([HumanMessage(question)], on, seed=7) for on in (False, True)]
        texts: list[list[str]] = [[], []]
        for written_so_far in zip_longest(*both):
            for made, text in zip(texts, written_so_far, strict=True):
                made += [text] if text is not None else []
        ends = [made[-1] for made in texts]
        assert ends == [alone(one, question, temperature) for one in (None, adapter)]
        assert ends[0] != ends[1]
        assert all(len(made) > 3 and len(made[0]) < len(made[-1]) for made in texts)


def test_other_roles_get_the_model_untouched(adapter: Path) -> None:
    before = alone(None, QUESTIONS[0])
    pair = Pair(NanoChatModel(), adapter)
    list(pair.written([HumanMessage(QUESTIONS[0])], True))
    assert alone(None, QUESTIONS[0]) == before


def test_an_adapter_of_another_model_is_refused(adapter: Path, tmp_path: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file(
        {k: v[:, :2].clone() for k, v in tensors.items()}, tmp_path / "adapter_model.safetensors"
    )
    settings = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(UserError, match=r"no adapter of this model"):
        Pair(NanoChatModel(), tmp_path)


def test_a_question_without_room_for_an_answer_is_refused(adapter: Path) -> None:
    pair = Pair(NanoChatModel(), adapter)
    with pytest.raises(PromptTooLong):
        next(pair.written([HumanMessage("why " * 5000)], True))


def test_a_gpu_without_room_for_an_answer_is_said(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair(NanoChatModel(), adapter)

    def full(*given: object, **named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. ...")

    monkeypatch.setattr(pair._model, "forward", full)
    with pytest.raises(RunStopped, match=r"no memory left for a prompt and its answer, \d+ tokens"):
        next(pair.written([HumanMessage(QUESTIONS[0])], True))


def test_tokens_are_those_of_a_batch() -> None:
    model = load_causal(WEIGHTS).eval()
    for heat in (0.0, 2.0):
        for limit, ends in (
            (1, frozenset[int]()),
            (9, frozenset(range(40))),
            (9, frozenset[int]()),
        ):
            one = Wanted((5, 6, 7, 8), limit, heat, 5)
            (made,) = decode(model, [one], ends=ends, pad=0)
            assert list(written(model, one, ends=ends, pad=0)) == made.tokens
