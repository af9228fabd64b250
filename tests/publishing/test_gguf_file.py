"""GGUF files: transformers reads the same model out of one; what cannot be written is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from elenchus.errors import UserError
from models.pretrained import load_causal, load_tokenizer
from offline.nano.chat import WEIGHTS
from publishing import gguf_file
from tests.publishing.making import TEXT, greedy, tiny

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"tie_word_embeddings": True, "rope_parameters": {"rope_theta": 5e4}}),
    ("llama", {"head_dim": 8}),
    ("qwen2", {}),
    ("qwen3", {"head_dim": 128}),
]


def back(file: Path) -> tuple[Any, Any]:
    """Return the model and the tokenizer in a GGUF file, as transformers reads them."""
    source = {"gguf_file": file.name}
    return (
        AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source),
        AutoTokenizer.from_pretrained(file.parent, **source),
    )


@pytest.mark.parametrize(
    ("family", "settings"), FAMILIES, ids=lambda x: x if isinstance(x, str) else ""
)
def test_transformers_reads_the_same_model(
    family: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = tiny(tmp_path / "model", family, **settings)
    gguf_file.write(folder, tmp_path / "m.gguf", "float32")
    model, tokenizer = load_causal(folder), load_tokenizer(folder)
    read, read_tokenizer = back(tmp_path / "m.gguf")
    before, after = model.state_dict(), read.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for text in TEXT:
        assert tokenizer(text).input_ids == read_tokenizer(text).input_ids
        assert greedy(model, tokenizer, text) == greedy(read, read_tokenizer, text)
    assert read_tokenizer.chat_template == tokenizer.chat_template
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.gguf", "model"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_matrices_are_rounded_and_vectors_are_not(dtype: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path / "model", "qwen2")
    gguf_file.write(folder, tmp_path / "m.gguf", dtype)
    kinds = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "m.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == gguf_file.DTYPES[dtype]
    assert kinds["blk.0.attn_q.bias"] == kinds["output_norm.weight"] == "F32"
    read, _ = back(tmp_path / "m.gguf")
    rounded = load_causal(folder).to(getattr(torch, dtype)).float().state_dict()
    name = "model.layers.1.mlp.down_proj.weight"
    assert torch.equal(read.state_dict()[name], rounded[name])


def changed(folder: Path, file: str, **values: Any) -> Path:
    tree = json.loads((folder / file).read_bytes())
    (folder / file).write_text(json.dumps(tree | values), encoding="utf-8")
    return folder


def test_what_cannot_be_written_as_it_is_is_refused_by_name(tmp_path: Path) -> None:
    folder, out = tiny(tmp_path / "model", "llama"), tmp_path / "m.gguf"
    with pytest.raises(UserError, match=r"with this tokenizer.*--format merged"):
        gguf_file.write(WEIGHTS, out, "float32")  # it changes capitals
    with pytest.raises(UserError, match=r"GGUF of gemma3_text models.*convert_hf_to_gguf"):
        gguf_file.write(changed(folder, "config.json", model_type="gemma3_text"), out, "float32")
    with pytest.raises(UserError, match="with attention_bias"):
        biased = changed(folder, "config.json", model_type="llama", attention_bias=True)
        gguf_file.write(biased, out, "float32")
    rope = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}
    changed(folder, "config.json", attention_bias=False, rope_parameters=rope)
    with pytest.raises(UserError, match="with yarn positions"):
        gguf_file.write(folder, out, "float32")
    assert not list(tmp_path.glob("m.gguf*"))


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([{"type": "Digits", "individual_digits": True}, LEVEL], "smollm"),
        ([{"type": "Digits", "individual_digits": False}, LEVEL], None),
        ([LEVEL | {"add_prefix_space": True}], None),
        ([SPLIT | {"pattern": {"Regex": r"\s+"}}, LEVEL], None),
    ],
)
def test_a_tokenizer_is_known_by_how_it_cuts(
    steps: list[dict[str, Any]], name: str | None, tmp_path: Path
) -> None:
    folder = tiny(tmp_path / "model", "llama")
    before = {"type": "Sequence", "pretokenizers": steps}
    changed(folder, "tokenizer.json", pre_tokenizer=before)
    if name is None:
        with pytest.raises(UserError, match="with this tokenizer"):
            gguf_file.write(folder, tmp_path / "m.gguf", "float32")
        return
    gguf_file.write(folder, tmp_path / "m.gguf", "float32")
    field = GGUFReader(tmp_path / "m.gguf").fields["tokenizer.ggml.pre"]
    assert field.contents() == name
