"""The memory that a training wants, reckoned from a model's configuration, beside what is free.

An estimate of the upper end. Without checkpointing, each block keeps for each token about eight
times its width and four times that of its feed-forward layer; with it, its input alone. The logits
of answers are there three times in single precision: as they are, as shares, and as gradients.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from models.pretrained import SINGLE, Precision, load, usual_device

GB = 1e9
MOMENTS = 16  # bytes for each weight that is learnt: itself, its gradient and Adam's two moments
OF_WIDTH, OF_MLP, INNER = 8, 4, 4.0  # numbers kept for a token; and a feed-forward's usual width
FOUR_BIT = 0.52  # bytes for each number, with the scale of its block
LOGITS = 12  # bytes for each logit


class Memory(NamedTuple):
    """Bytes: of weights and LoRA, and of the longest batch that the settings allow."""

    model: float
    batch: float

    @property
    def all(self) -> float:
        """Return the sum."""
        return self.model + self.batch


class Manner(NamedTuple):
    """How a model is trained, and what to set where its memory is too small.

    Attributes:
        learns: a LoRA, all weights, or a LoRA with a head for classes.
        smaller: the settings that make a batch smaller.
        instead: a setting that does without such a training; "" where there is none.
    """

    learns: Literal["lora", "all", "classes"] = "lora"
    smaller: str = "training.batch_size or training.max_tokens"
    instead: str = "set training.enabled=false for a dataset to train it on elsewhere"


LORA = Manner()


def wanted(
    weights: Path, config: TrainingConfig, precision: Precision = SINGLE, manner: Manner = LORA
) -> Memory:
    """Return what training on a model wants at most; no weight of it is loaded.

    It is that of one GPU, where there are any, else of the machine.

    Raises:
        UserError: there is no model that can be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    classes = manner.learns == "classes"
    settings = load(AutoConfig, weights)
    text = settings.get_text_config()
    size = getattr(torch, precision.dtype).itemsize
    with torch.device("meta"):  # shapes without numbers
        kind = AutoModelForSequenceClassification if classes else AutoModelForCausalLM
        model = kind.from_config(settings)
    count = sum(parameter.numel() for parameter in model.parameters())
    adapted = sum(config.rank * sum(shape) for shape in _matrices(model))
    answers = 2 if config.objective == "dpo" and not classes else 1  # of each example, at once
    tokens = answers * config.batch_size * config.max_tokens
    width, layers = text.hidden_size, text.num_hidden_layers
    mlp = getattr(text, "intermediate_size", None) or INNER * width
    block = width if config.gradient_checkpointing else OF_WIDTH * width + OF_MLP * mlp
    activations = size * tokens * layers * block
    if precision.four_bit:
        matrices = sum(math.prod(shape) for shape in _matrices(model))
        count -= round(matrices * (1 - FOUR_BIT / size))
    kept = size * count + MOMENTS * adapted
    logits = 0 if classes else LOGITS * tokens * text.vocab_size
    here, parts = (1, config.processes) if usual_device() == "cuda" else (config.processes, 1)
    return Memory(
        here * (MOMENTS * count if manner.learns == "all" else kept),
        (activations + logits) / parts,
    )


def free() -> float:
    """Return the bytes that are free where models run."""
    import torch

    if usual_device() == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    return min(float(psutil.virtual_memory().available), _in_container())


def _in_container(folder: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the bytes that a container may still take (cgroup v2), which are others' to limit."""
    try:
        most, used = ((folder / f"memory.{name}").read_text() for name in ("max", "current"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(most) - int(used) + int(stat["inactive_file"])  # cached files make room
    except (OSError, ValueError, KeyError):  # no container, no limit ("max"), or another system
        return math.inf


def check_memory(
    weights: Path,
    config: TrainingConfig,
    precision: Precision = SINGLE,
    room: float | None = None,
    manner: Manner = LORA,
) -> str:
    """Compare what a training wants with what is free; what to mind, or "".

    Args:
        room: bytes, where not what is free now.

    Raises:
        UserError: there is no room for the model alone.
    """
    need = wanted(weights, config, precision, manner)
    room = free() if room is None else room
    if need.model > room:
        what = "all weights" if manner.learns == "all" else "weights and LoRA"
        remedies = "take a smaller student, or end other programs"
        if manner.instead:
            remedies = f"take a smaller student, end other programs, or {manner.instead}"
        raise UserError(
            f"student.model: training {what} wants {need.model / GB:.1f} GB, and {room / GB:.1f} "
            f"are free: {remedies}"
        )
    if need.all <= room:
        return ""
    smaller = "training.gradient_checkpointing=true, or lower"
    if config.gradient_checkpointing:
        smaller = "lower"
    return (
        f"a batch of the longest examples would want {need.all / GB:.1f} GB, and "
        f"{room / GB:.1f} are free: if the training ends for lack of memory, launch again with "
        f"--reuse and {smaller} {manner.smaller}"
    )


@contextlib.contextmanager
def enough(name: str) -> Iterator[None]:
    """Say how to go on where a training has no room on the GPU: a resume would have no more.

    Raises:
        UserError: the GPU's memory gave out.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"{name}: the GPU has no memory left ({str(error).partition('. ')[0]}): launch again "
            "with --reuse, so that no call is paid again, and --set "
            "training.gradient_checkpointing=true or a smaller batch (docs/students.md, Memory)"
        ) from error


def _matrices(model: Any) -> list[tuple[int, ...]]:
    """Return the shapes of the matrices that a LoRA lies on: all but embeddings and the head."""
    from torch.nn import Embedding

    head = model.get_output_embeddings()
    layers = [m for m in model.modules() if m is not head and not isinstance(m, Embedding)]
    shapes = [tuple(m.weight.shape) for m in layers if hasattr(m, "weight")]
    return [shape for shape in shapes if len(shape) == 2]
