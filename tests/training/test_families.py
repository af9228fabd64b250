"""Families of open models, each with random weights: they train, are saved, load and answer."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file

from elenchus.progress import unseen
from elenchus.sections import ModelConfig
from models import pretrained
from models.backend import make_model
from models.decoding import Wanted, decode
from offline.nano.chat import WEIGHTS
from tests.training.test_lora import CONFIG, SAMPLES
from training import encoding, lora

TOKENIZER = transformers.AutoTokenizer.from_pretrained(WEIGHTS)
WIDTH = 32
COMMON = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
}
HEADS = {"head_dim": 16}
# With what the text's configuration has beside the common settings, and the layers to be trained.
ATTENTION, MLP = {"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}
FAMILIES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "Llama": ({}, ATTENTION | MLP),
    "Qwen3": (HEADS, ATTENTION | MLP),
    "Gemma3": (HEADS, ATTENTION | MLP),
    "Granite": ({}, ATTENTION | MLP),
    "Olmo2": ({}, ATTENTION | MLP),
    "Smollm3": ({"name": "SmolLM3"}, ATTENTION | MLP),
    "Lfm2": (
        {"layer_types": ["conv", "full_attention"]},
        {"q_proj", "k_proj", "v_proj", "out_proj", "in_proj", "w1", "w2", "w3"},
    ),
    "GPT2": ({}, {"c_attn", "c_proj", "c_fc"}),
}


# Layers that have attention and a state; peft refuses a LoRA on them.
HYBRID = {"mamba_d_ssm": 32, "mamba_n_heads": 2, "mamba_d_head": 16, "mamba_d_state": 8}


def made(family: str, folder: Path, **changes: Any) -> Any:
    """Save a model of a family with random weights, and the tokenizer of the nano."""
    ids = {"pad_token_id": TOKENIZER.pad_token_id, "eos_token_id": TOKENIZER.eos_token_id}
    known, _ = FAMILIES.get(family, (HYBRID, set()))
    more = {k: v for k, v in known.items() if k != "name"}
    name = known.get("name", family)
    text = {"Gemma3": "Gemma3TextConfig"}.get(family, f"{name}Config")
    settings = COMMON | more | ids | {"vocab_size": len(TOKENIZER), "bos_token_id": 0}
    if family == "GPT2":
        settings = {"n_embd": WIDTH, "n_layer": 2, "n_head": 2, "n_positions": 256} | ids
        settings["vocab_size"] = len(TOKENIZER)
    settings |= changes
    torch.manual_seed(0)
    head = "GPT2LMHeadModel" if family == "GPT2" else f"{name}ForCausalLM"
    model = getattr(transformers, head)(getattr(transformers, text)(**settings))
    model.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return model


def assert_decodes_as_generate(folder: Path, step: int = 3) -> None:
    """Rows of unlike length, some of which end early, continue as each does by itself."""
    model = pretrained.load_causal(folder).eval()
    prompts = [[5, 6, 7, *range(20, 40), *range(50, 50 + step * n)] for n in range(5)]
    alone = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
                              max_new_tokens=12, eos_token_id=None, pad_token_id=0)  # fmt: skip
        alone.append(made[0, len(prompt) :].tolist())
    end = alone[2][3]
    expected = [one[: one.index(end)] if end in one else one for one in alone]
    wanted = [Wanted(tuple(prompt), 12) for prompt in prompts]
    made = decode(model, wanted, ends=frozenset([end]), pad=0)
    assert [one.tokens for one in made] == expected
    assert all(one.likelihood < 0 for one in made)


def test_layers_with_a_state_beside_their_past_are_read_as_they_are(tmp_path: Path) -> None:
    made("FalconH1", tmp_path)
    assert_decodes_as_generate(tmp_path)


def test_a_window_is_filled_by_a_rows_own_tokens(tmp_path: Path) -> None:
    """Rows whose lengths differ by more than the window, with a beginning in common."""
    made("Gemma3", tmp_path, sliding_window=24)
    assert_decodes_as_generate(tmp_path, step=9)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_and_answers(family: str, tmp_path: Path) -> None:
    folder, adapter = tmp_path / "model", tmp_path / "adapter"
    made(family, folder)
    plan = encoding.batches(encoding.encoded(folder, SAMPLES), CONFIG, 0)
    lora.train(folder, plan, CONFIG, 0, adapter, unseen, precision=pretrained.HALF)
    student = ModelConfig(model=f"hf:{folder}", options={"dtype": "bfloat16", "max_new_tokens": 8})
    assert make_model(student, adapter).chat.invoke("Where?").usage_metadata["input_tokens"] > 0
    tensors = load_file(adapter / "adapter_model.safetensors")
    assert {name.split(".")[-3] for name in tensors} == FAMILIES[family][1]
    assert any(bool(tensor.any()) for name, tensor in tensors.items() if "lora_B" in name)
    config = ModelConfig(model=f"hf:{folder}", options={"max_new_tokens": 8})
    before, after = make_model(config), make_model(config, adapter)
    assert before.identity != after.identity
    question = SAMPLES[0].prompt[0].content
    assert after.chat.invoke(question).usage_metadata["input_tokens"] > 0
    assert_decodes_as_generate(folder)
    again = PeftModel.from_pretrained(pretrained.load_causal(folder), adapter)
    assert any("lora_A" in name for name, _ in again.named_parameters())


def test_towers_of_a_model_that_sees_are_left_as_they_are(tmp_path: Path) -> None:
    text = transformers.Gemma3TextConfig(
        **COMMON, **HEADS, vocab_size=len(TOKENIZER), pad_token_id=TOKENIZER.pad_token_id
    )
    sight = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 1}
    sight |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    config = transformers.Gemma3Config(text_config=text, vision_config=sight, mm_tokens_per_image=4)
    folder, adapter = tmp_path / "model", tmp_path / "adapter"
    transformers.Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    plan = encoding.batches(encoding.encoded(folder, SAMPLES), CONFIG, 0)
    lora.train(folder, plan, CONFIG, 0, adapter, unseen)
    trained = load_file(adapter / "adapter_model.safetensors")
    assert trained and all(".language_model." in name for name in trained)
    config_ = ModelConfig(model=f"hf:{folder}", options={"max_new_tokens": 8})
    assert make_model(config_, adapter).chat.invoke("Where?").usage_metadata["input_tokens"] > 0


def test_weights_of_half_precision_are_trained_on_as_they_are_asked(tmp_path: Path) -> None:
    """The LoRA itself is in single precision."""
    folder, adapter = tmp_path / "model", tmp_path / "adapter"
    made("Llama", folder)
    plan = encoding.batches(encoding.encoded(folder, SAMPLES), CONFIG, 0)
    lora.train(folder, plan, CONFIG, 0, adapter, unseen, precision=pretrained.HALF)
    student = ModelConfig(model=f"hf:{folder}", options={"dtype": "bfloat16", "max_new_tokens": 8})
    assert make_model(student, adapter).chat.invoke("Where?").usage_metadata["input_tokens"] > 0
    tensors = load_file(adapter / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
