"""The built-in student as a chat model, with the shipped weights."""

import asyncio
import shutil
from pathlib import Path
from statistics import fmean

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from offline.language.questions import verdict
from offline.nano import codes
from offline.nano.chat import WEIGHTS, NanoChatModel
from offline.nano.checksums import verify_checksums
from offline.nano.engine import _groups, load_engine, sentence_case
from offline.nano.generate import Decoder, decode

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
    with pytest.raises(ValueError, match="not \\['tool'\\]"):
        NanoChatModel().invoke([ToolMessage("x", tool_call_id="1")])


def test_decoding_equals_that_of_transformers() -> None:
    import torch
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    prompts = [[1, 300, 41, 3, 2], [1, 20, 500, 600, 700, 21, 22, 3, 2]]
    continuations = decode(
        Decoder(model),
        prompts,
        limits=[12, 12],
        temperatures=[0.0, 0.0],
        seeds=[0, 0],
        pad=0,
        end=-1,
    )
    for prompt, (tokens, likelihood) in zip(prompts, continuations, strict=True):
        ids, odds = torch.tensor([prompt]), []
        with torch.inference_mode():
            for token in tokens:
                logits = model(ids).logits[0, -1]
                assert int(logits.argmax()) == token
                odds.append(float(logits.log_softmax(-1)[token]))
                ids = torch.cat([ids, torch.tensor([[token]])], 1)
        assert likelihood == pytest.approx(fmean(odds), abs=1e-4)


def test_the_decoder_refuses_another_architecture() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    with pytest.raises(ValueError, match="grouped queries"):
        Decoder(LlamaForCausalLM(config))


def test_an_adapter_changes_the_answers(tmp_path: Path) -> None:
    adapter = _adapter(tmp_path / "adapter")
    adapted = NanoChatModel(adapter=adapter)
    assert adapted.invoke(QUESTION).content != NanoChatModel().invoke(QUESTION).content
    assert load_engine(WEIGHTS, adapter) is adapted.load()
    data = (adapter / "adapter_model.safetensors").read_bytes()
    (adapter / "adapter_model.safetensors").write_bytes(data[:100])
    with pytest.raises(ValueError, match="the adapter is damaged"):
        NanoChatModel(adapter=adapter).load()
    with pytest.raises(ValueError, match="no adapter there"):
        NanoChatModel(adapter=tmp_path / "none").load()


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
    with pytest.raises(ValueError, match=f"model.safetensors: {harm}.*restore it"):
        NanoChatModel(model_path=folder).load()


def test_weights_without_check_sums_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no SHA256 file; restore it"):
        verify_checksums(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model weights there"):
        NanoChatModel(model_path=tmp_path).load()


def test_like_lengths_go_together() -> None:
    assert _groups([200, 20, 25, 210]) == [[1, 2], [0, 3]]
    assert [len(group) for group in _groups([10] * 150)] == [64, 64, 22]


def test_sentence_case() -> None:
    assert (
        sentence_case(" trench: at least 3 metres. so: no.") == "Trench: at least 3 metres. So: no."
    )
