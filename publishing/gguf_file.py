"""Writes a model of the Llama and Qwen families as GGUF, which llama.cpp and its kin run.

llama.cpp's own converter is in no package. Tensors get their names from the package `gguf`, and
nothing is quantised. What this cannot write as it is, it refuses: another family, a tokenizer that
llama.cpp would cut texts with otherwise.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus import runs
from elenchus.errors import UserError
from models.pretrained import load_tokenizer

FAMILIES = ("llama", "qwen2", "qwen3")  # by `model_type`; gguf calls them the same
# What readers of GGUF pass over in these families.
UNREAD = ("attention_bias", "mlp_bias", "use_sliding_window")
DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
REMEDY = (
    "export it with --format merged, and convert that folder with convert_hf_to_gguf.py of a "
    "checkout of llama.cpp"
)
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_AFTER_DIGITS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|"
# How tokenizers cut a text into words, as llama.cpp names it: by kind and pattern of each step.
CUTS = {
    (("ByteLevel", "words"),): "gpt-2",
    (("Digits", "each"), ("ByteLevel", "words")): "smollm",
    (("Split", rf"{_WORDS}\p{{N}}{{1,3}}{_AFTER_DIGITS}"), ("ByteLevel", "")): "llama-bpe",
    (("Split", rf"{_WORDS}\p{{N}}{_AFTER_DIGITS}"), ("ByteLevel", "")): "qwen2",
}
Weights = NDArray[Any]


def write(model: Path, out: Path, dtype: str) -> None:
    """Write the model in a folder as a GGUF file, all of it or nothing.

    Args:
        dtype: of the matrices: float32, float16 or bfloat16; vectors are kept in single precision.

    Raises:
        UserError: it is a model, or has a tokenizer, that this cannot write.
    """
    import gguf

    config = json.loads((model / "config.json").read_bytes())
    family = _family(config)
    tokens = _Tokens(model, int(config["vocab_size"]))
    partial = out.with_name(f"{out.name}.partial")
    with runs.explained(out.parent, "--to"):
        writer = gguf.GGUFWriter(partial, family)
        _add_shape(writer, config, dtype)
        tokens.add_to(writer)
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[family.upper()], _blocks(config))
        for name, weights in _tensors(model):  # sizes first: a model may be larger than memory
            written, kind = _as_written(name, names, weights, dtype)
            size = weights.size * (4 if kind.name == "F32" else 2)
            writer.add_tensor_info(written, weights.shape, weights.dtype, size, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, weights in _tensors(model):
            _, kind = _as_written(name, names, weights, dtype)
            turned = _turned(name, weights, config) if family == "llama" else weights
            writer.write_tensor_data(gguf.quants.quantize(turned.astype(np.float32), kind))
        writer.close()
        partial.replace(out)


def _family(config: Mapping[str, Any]) -> str:
    """Return the family of a model; UserError for one that this cannot write."""
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise UserError(
            f"GGUF of {family} models is not written here, but of {', '.join(FAMILIES)}: {REMEDY}"
        )
    own = [name for name in UNREAD if config.get(name)]
    if own:
        raise UserError(f"GGUF of models with {own[0]} is not written here: {REMEDY}")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise UserError(f"GGUF of models with {kind} positions is not written here: {REMEDY}")
    return family


def _blocks(config: Mapping[str, Any]) -> int:
    return int(config["num_hidden_layers"])


def _heads(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the heads of queries, those of keys, and how wide each is."""
    heads = int(config["num_attention_heads"])
    of_keys = int(config.get("num_key_value_heads") or heads)
    return heads, of_keys, int(config.get("head_dim") or config["hidden_size"] // heads)


def _add_shape(writer: Any, config: Mapping[str, Any], dtype: str) -> None:
    """Add what tells how to compute with the tensors."""
    import gguf

    heads, of_keys, wide = _heads(config)
    theta = (config.get("rope_parameters") or config).get("rope_theta", 10_000.0)
    writer.add_file_type(getattr(gguf.LlamaFileType, _FILE_TYPES[dtype]))
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(_blocks(config))
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(of_keys)
    writer.add_key_length(wide)
    writer.add_value_length(wide)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(theta))
    writer.add_rope_dimension_count(wide)
    writer.add_vocab_size(config["vocab_size"])


_FILE_TYPES = {"float32": "ALL_F32", "float16": "MOSTLY_F16", "bfloat16": "MOSTLY_BF16"}


def _tensors(model: Path) -> Iterator[tuple[str, Weights]]:
    """Yield the tensors of a folder, one after another, in single precision."""
    from safetensors import safe_open

    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  # it is no mapping
                yield name, opened.get_tensor(name).float().numpy()


def _as_written(name: str, names: Any, weights: Weights, dtype: str) -> tuple[str, Any]:
    """Return the name that gguf has for a tensor, and how its numbers are kept."""
    import gguf

    written = names.get_name(name, try_suffixes=(".weight", ".bias"))
    if written is None:
        raise UserError(f"gguf has no name for the tensor {name}: {REMEDY}")
    kept = DTYPES[dtype] if weights.ndim > 1 else "F32"
    return written, gguf.GGMLQuantizationType[kept]


def _turned(name: str, weights: Weights, config: Mapping[str, Any]) -> Weights:
    """Return queries and keys of a Llama in llama.cpp's order: pairs that rotate side by side."""
    heads, of_keys, _ = _heads(config)
    found = re.search(r"\.(q|k)_proj\.", name)
    if not found:
        return weights
    count = heads if found[1] == "q" else of_keys
    halves = weights.reshape(count, 2, weights.shape[0] // count // 2, *weights.shape[1:])
    return halves.swapaxes(1, 2).reshape(weights.shape)


class _Tokens:
    """The vocabulary of a folder, as llama.cpp reads it."""

    def __init__(self, model: Path, size: int) -> None:
        self._tokenizer, self._size = load_tokenizer(model), size
        try:
            self._tree = json.loads((model / "tokenizer.json").read_bytes())
        except OSError as error:
            raise UserError(f"{model} has no tokenizer.json: {REMEDY}") from error
        self._cut = _cut(self._tree)

    def add_to(self, writer: Any) -> None:
        """Add tokens, merges, special tokens and the chat template."""
        kinds = {token["id"]: _kind(token) for token in self._tree["added_tokens"]}
        texts = {place: text for text, place in self._tokenizer.get_vocab().items()}
        padding = _kinds().UNUSED
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self._cut)
        writer.add_token_list([texts.get(n, f"[PAD{n}]") for n in range(self._size)])
        writer.add_token_types(
            [kinds.get(n, _kinds().NORMAL if n in texts else padding) for n in range(self._size)]
        )
        merges = self._tree["model"]["merges"]
        writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
        self._add_special(writer)

    def _add_special(self, writer: Any) -> None:
        own = self._tokenizer
        for name in ("bos", "eos", "unk", "pad"):
            if (place := getattr(own, f"{name}_token_id")) is not None:
                getattr(writer, f"add_{name}_token_id")(place)
        ids = own("a").input_ids
        writer.add_add_bos_token(own.bos_token_id is not None and ids[0] == own.bos_token_id)
        writer.add_add_eos_token(own.eos_token_id is not None and ids[-1] == own.eos_token_id)
        if isinstance(own.chat_template, str):
            writer.add_chat_template(own.chat_template)


def _kinds() -> Any:
    import gguf

    return gguf.TokenType


def _kind(token: Mapping[str, Any]) -> Any:
    return _kinds().CONTROL if token["special"] else _kinds().USER_DEFINED


def _cut(tree: Mapping[str, Any]) -> str:
    """Return llama.cpp's name for how a tokenizer cuts texts; UserError where it has none."""
    before = tree.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    cut = CUTS.get(tuple(map(_step, steps)))
    changed = (tree.get("normalizer") or {"type": "NFC"})["type"] != "NFC"  # Qwen's; a rare change
    if cut is None or changed or tree["model"]["type"] != "BPE":
        raise UserError(
            "GGUF is not written of a model with this tokenizer, which is none that llama.cpp is "
            f"known here to cut texts like: {REMEDY}"
        )
    return cut


def _step(step: Mapping[str, Any]) -> tuple[str, str]:
    """Return the kind of a step that cuts texts, with what decides where it cuts."""
    kind = str(step.get("type"))
    if kind == "ByteLevel":
        usual = step.get("use_regex", True)
        return kind, ("prefixed" if step.get("add_prefix_space") else "words" if usual else "")
    if kind == "Digits":
        return kind, "each" if step.get("individual_digits") else "runs"
    return kind, str(step.get("pattern", {}).get("Regex"))
