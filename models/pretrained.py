"""Loads models and tokenizers by transformers, without code that comes with a model.

Where it is told nothing about such code, transformers asks on standard input whether to run it.
"""

import logging
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.errors import UserError

UNIT = "amx_bf16"  # of processors that are faster in half precision

# While a model is loaded, transformers changes how torch begins weights, for the whole process; and
# a LoRA begins with numbers from torch's one generator. So threads do neither at the same time.
LOADING = threading.RLock()

# Where it is installed, transformers imports bitsandbytes, which warns of kernels that a CPU lacks.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


class Precision(NamedTuple):
    """How the weights of a model are kept, in training, asking and measuring alike.

    Attributes:
        dtype: in which it computes, float32 or bfloat16.
        four_bit: whether its matrices are kept in four bits (NF4; QLoRA, arXiv 2305.14314).
    """

    dtype: str
    four_bit: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.dtype}, matrices in four bits" if self.four_bit else self.dtype


SINGLE, HALF = Precision("float32"), Precision("bfloat16")


def check_precision(precision: Precision, name: str) -> None:
    """Check that a model's weights can be kept so; UserError where a package is missing."""
    if precision.four_bit and not find_spec("bitsandbytes"):
        raise UserError(f"{name}: four_bit needs pip install -e '.[four-bit]'")


def load(kind: Any, name: str | Path, **settings: Any) -> Any:
    """Load what is at a folder or a hub's id, by one of transformers' Auto classes.

    Raises:
        UserError: there is nothing that can be loaded, or it needs code of its own.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # bars of its own would tear those of a run
    try:
        with LOADING:
            return kind.from_pretrained(name, trust_remote_code=False, **settings)
    except (OSError, ValueError, StrictDataclassError, SafetensorError) as error:
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
    """Return the precision of weights: half where that is the faster on a device, else single.

    Those of the hub are in half precision mostly. A CPU with AMX is faster so; others are slower,
    even with AVX-512's instructions for it, and many times slower without them.
    """
    import torch

    if device.startswith("cuda"):
        half = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # An older torch cannot tell.
        units: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        half = bool(units.get(UNIT))
    return (HALF if half else SINGLE).dtype


def load_tokenizer(name: str | Path) -> Any:
    """Load a tokenizer: see `load`."""
    from transformers import AutoTokenizer

    return load(AutoTokenizer, name)


def load_causal(name: str | Path, precision: Precision = SINGLE) -> Any:
    """Load a causal language model from safetensors: see `load`."""
    from transformers import AutoModelForCausalLM

    return load(AutoModelForCausalLM, name, **stored(precision))


def stored(precision: Precision) -> dict[str, Any]:
    """Return the arguments by which transformers loads weights so, and from safetensors alone."""
    dtype, four_bit = precision
    more = {"quantization_config": _four_bits(dtype)} if four_bit else {}
    return {"dtype": dtype, "use_safetensors": True} | more


def _four_bits(dtype: str) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
