"""The built-in student as a chat model, with the shipped weights."""

import asyncio
import shutil
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models.backend import make_model
from offline.language.questions import verdict
from offline.nano import codes
from offline.nano.chat import WEIGHTS, NanoChatModel, sentence_case
from offline.nano.checksums import verify_checksums

QUESTION = "The petrol cans came to 45 litres. Is this a breach?"
BOOK = (
    "The petrol cans must not exceed 40 litres. A breach of this is a sore breach.\n"
    "A sore breach costs 300 crowns."
)


def test_it_answers_in_the_canonical_form() -> None:
    reply = NanoChatModel().invoke(QUESTION)
    assert isinstance(reply, AIMessage)
    assert verdict(str(reply.content)) in ("breach", "no breach")
    assert reply.content[0].isupper() and " So: " in reply.content
    usage = reply.usage_metadata
    assert usage is not None
    assert usage["input_tokens"] > 10 and usage["output_tokens"] > 10
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_it_reads_a_passage_that_it_never_saw() -> None:
    book = codes.open_book(BOOK, QUESTION)
    assert verdict(str(NanoChatModel().invoke(book).content)) == "breach"
    fine = codes.open_book(BOOK, "The petrol cans came to 45 litres. What is the fine?")
    assert verdict(str(NanoChatModel().invoke(fine).content)) == "300 crowns"


def test_system_messages_are_left_out() -> None:
    bare = NanoChatModel().invoke(QUESTION)
    beside_system = NanoChatModel().invoke(
        [SystemMessage("# Student: answer"), HumanMessage(QUESTION)]
    )
    assert beside_system.content == bare.content
    assert beside_system.usage_metadata == bare.usage_metadata


def test_an_answer_depends_on_messages_temperature_and_seed_alone() -> None:
    model = NanoChatModel(temperature=1.5)

    async def answers(seeds: list[int]) -> list[str]:
        replies = await asyncio.gather(*(model.ainvoke(QUESTION, seed=s) for s in seeds))
        return [str(reply.content) for reply in replies]

    together = asyncio.run(answers(list(range(12))))
    alone = [asyncio.run(answers([seed]))[0] for seed in range(12)]
    assert together == alone
    assert len(set(together)) > 1
    assert NanoChatModel(temperature=1.5, seed=5).invoke(QUESTION).content == together[5]


def test_a_batch_of_mixed_lengths_answers_as_each_alone() -> None:
    model = NanoChatModel()
    chats = [messages[0]["content"] for messages, _ in codes.general_exam(12, 9)]
    together = model.batch(chats)
    assert [r.content for r in together] == [model.invoke(chat).content for chat in chats]


def test_stop_and_length() -> None:
    short = NanoChatModel(max_new_tokens=5).invoke(QUESTION)
    assert short.usage_metadata is not None and short.usage_metadata["output_tokens"] == 5
    assert "So:" not in NanoChatModel().invoke(QUESTION, stop=["So:"]).content


def test_what_it_cannot_read_is_refused() -> None:
    with pytest.raises(ValueError, match="shorten the messages"):
        NanoChatModel().invoke("long " * 2000)
    with pytest.raises(ValueError, match="not 'tool'"):
        NanoChatModel().invoke([ToolMessage("x", tool_call_id="1")])


def test_an_adapter_changes_the_answers(tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter")
    adapted = NanoChatModel(adapter=adapter)
    assert adapted.invoke(QUESTION).content != NanoChatModel().invoke(QUESTION).content
    assert NanoChatModel(adapter=adapter).load() is adapted.load()
    data = (adapter / "adapter_model.safetensors").read_bytes()
    (adapter / "adapter_model.safetensors").write_bytes(data[:100])
    for folder in (adapter, tmp_path / "none"):
        with pytest.raises(UserError, match="no adapter of this model"):
            NanoChatModel(adapter=folder).load()


def _adapter(folder: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    settings = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(model, settings).save_pretrained(folder)
    return folder


def test_shipped_weights_are_whole_and_small() -> None:
    verify_checksums(WEIGHTS)
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 10_000_000


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_damaged_weights_are_named_with_the_remedy(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    victim = folder / "model.safetensors"
    if harm == "damaged":
        data = bytearray(victim.read_bytes())
        data[-1] ^= 1
        victim.write_bytes(bytes(data))
    else:
        victim.unlink()
    with pytest.raises(UserError, match=rf"model.safetensors: {harm}.*restore it"):
        make_model(ModelConfig(model="builtin:nano", options={"model_path": str(folder)}))


def test_weights_without_check_sums_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no SHA256 file; restore it"):
        verify_checksums(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model can be loaded"):
        NanoChatModel(model=str(tmp_path)).load()


def test_sentence_case() -> None:
    assert (
        sentence_case(" trench: at least 3 metres. so: no.") == "Trench: at least 3 metres. So: no."
    )
