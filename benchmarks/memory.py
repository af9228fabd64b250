"""The memory that training a LoRA wants, by size, precision and rank, without loading a weight.

    python -m benchmarks.memory

Reckoned as a launch does it (`training/memory.py`) from the shapes that the models' own pages give.
GB, as 1e9 bytes. Key of the JSON: `gb`, by model: `parameters`; `model`, weights with the LoRA and
its moments, by precision and rank; `batch`, 8 examples of 1,024 tokens at most, by precision, and
with checkpointing.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks import harness, tables
from elenchus.config import TrainingConfig
from models.pretrained import HALF, SINGLE, Precision
from training.memory import GB, wanted


class Shape(NamedTuple):
    """The shape of a model, under its family's name in transformers."""

    family: str
    width: int
    layers: int
    heads: int
    key_heads: int
    head: int
    feed_forward: int
    vocabulary: int
    tied: bool = True


SHAPES = {
    "SmolLM2-135M": Shape("llama", 576, 30, 9, 3, 64, 1536, 49_152),
    "Qwen3-0.6B": Shape("qwen3", 1024, 28, 16, 8, 128, 3072, 151_936),
    "Llama-3.2-1B": Shape("llama", 2048, 16, 32, 8, 64, 8192, 128_256),
    "Gemma-3-1B": Shape("gemma3_text", 1152, 26, 4, 1, 256, 6912, 262_144),
    "Qwen3-1.7B": Shape("qwen3", 2048, 28, 16, 8, 128, 6144, 151_936),
    "Qwen3-4B": Shape("qwen3", 2560, 36, 32, 8, 128, 9728, 151_936),
    "Qwen3-8B": Shape("qwen3", 4096, 36, 32, 8, 128, 12_288, 151_936, tied=False),
}
PRECISIONS = {
    "float32": SINGLE,
    "bfloat16": HALF,
    "4 bits": Precision(HALF.dtype, four_bit=True),
}
RANKS = (16, 64)
BATCH = TrainingConfig(batch_size=8, max_tokens=1024)


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What training a LoRA wants of the memory.")
    parser.add_argument("--quick", action="store_true", help="the smallest two models")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    options = parser.parse_args(arguments)
    shapes = dict(list(SHAPES.items())[:2]) if options.quick else SHAPES
    figures = {"gb": {name: reckoned(shape) for name, shape in shapes.items()}}
    if options.json:
        print(json.dumps(figures))
    else:
        tables.wide().print(_table(figures["gb"]))
    return 0


def reckoned(shape: Shape) -> dict[str, Any]:
    """Return what training a model of a shape wants, in GB."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(_config(shape)), encoding="utf-8")
        bare = wanted(folder, BATCH.model_copy(update={"rank": 0}), SINGLE)
        model = {
            f"{precision}, rank {rank}": wanted(
                folder, BATCH.model_copy(update={"rank": rank}), kept
            ).model
            for precision, kept in PRECISIONS.items()
            for rank in RANKS
        }
        saving = BATCH.model_copy(update={"gradient_checkpointing": True})
        batch = {
            f"{precision}{how}": wanted(folder, config, PRECISIONS[precision]).batch
            for precision in ("float32", "bfloat16")
            for how, config in (("", BATCH), (", checkpointing", saving))
        }
    return {
        "parameters": round(bare.model / 4),
        "model": {name: round(size / GB, 1) for name, size in model.items()},
        "batch": {name: round(size / GB, 1) for name, size in batch.items()},
    }


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "model_type": shape.family,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": shape.head,
        "intermediate_size": shape.feed_forward,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.tied,
    }


def _table(found: dict[str, dict[str, Any]]) -> Table:
    first = next(iter(found.values()))
    table = Table(
        "GB", "parameters", *first["model"], *(f"batch, {name}" for name in first["batch"])
    )
    for name, sizes in found.items():
        cells = [*sizes["model"].values(), *sizes["batch"].values()]
        table.add_row(name, f"{sizes['parameters'] / 1e6:,.0f}M", *map(str, cells))
    return table


if __name__ == "__main__":
    harness.run_program(main)
