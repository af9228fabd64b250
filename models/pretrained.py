"""Loads models and tokenizers by transformers, without code that comes with a model.

Where it is told nothing about such code, transformers asks on standard input whether to run it.
"""

import logging
from pathlib import Path
from typing import Any

from elenchus.errors import UserError


def load(kind: Any, name: str | Path, **settings: Any) -> Any:
    """Load what is at a folder or a hub's id, by one of transformers' Auto classes.

    Raises:
        UserError: there is nothing that can be loaded, or it needs code of its own.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # bars of its own would tear those of a run
    # Where it is installed, peft imports it for every model, and it misses kernels for some CPUs.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        return kind.from_pretrained(name, trust_remote_code=False, **settings)
    except (OSError, ValueError) as error:
        raise UserError(
            f"hf:{name}: no model can be loaded from there ({str(error).partition(chr(10))[0]}): "
            "give a folder with safetensors, or the id of a model that the hub has; one that needs "
            "code of its own cannot be used"
        ) from error


def usual_device() -> str:
    """Return where models run: on a GPU, where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def usual_dtype(device: str) -> str:
    """Return the precision of weights: half of it on GPUs that compute so, single elsewhere.

    Those of the hub are in half precision mostly, and a CPU may take fifty times as long over it.
    """
    import torch

    half = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if half else "float32"


def load_tokenizer(name: str | Path) -> Any:
    """Load a tokenizer: see `load`."""
    from transformers import AutoTokenizer

    return load(AutoTokenizer, name)


def load_causal(name: str | Path, dtype: str = "float32", four_bit: bool = False) -> Any:
    """Load a causal language model from safetensors: see `load`.

    Args:
        dtype: in which it computes.
        four_bit: whether its matrices are kept in four bits (NF4; QLoRA, arXiv 2305.14314).
    """
    from transformers import AutoModelForCausalLM

    settings = {"quantization_config": _four_bits(dtype)} if four_bit else {}
    return load(AutoModelForCausalLM, name, dtype=dtype, use_safetensors=True, **settings)


def _four_bits(dtype: str) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
