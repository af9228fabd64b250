"""How likely a model holds texts to be: what it learnt, measured without a judge."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.pretrained import load_causal, load_tokenizer, usual_device, usual_dtype
from training.encoding import IGNORED, Row, Sample, collate, encoded, pad_token

AT_ONCE = 16  # rows of like length in a batch


def likelihoods(
    weights: Path,
    samples: Sequence[Sample],
    adapter: Path | None = None,
    four_bit: bool = False,
) -> list[float]:
    """Return the mean log-likelihood of a token of each completion, after its prompt.

    Args:
        weights: the folder of a model.
        adapter: of a LoRA on it.
        four_bit: whether its matrices are kept in four bits.
    """
    import torch

    device = usual_device()
    model = load_causal(weights, usual_dtype(device), four_bit)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    model = model.to(device).eval()
    rows, pad = encoded(weights, samples), pad_token(load_tokenizer(weights))
    order = sorted(range(len(rows)), key=lambda n: len(rows[n]["input_ids"]))
    found = [0.0] * len(rows)
    with torch.inference_mode():
        for start in range(0, len(order), AT_ONCE):
            places = order[start : start + AT_ONCE]
            means = _means(model, pad, [rows[n] for n in places])
            for place, mean in zip(places, means, strict=True):
                found[place] = mean
    return found


def _means(model: Any, pad: int, rows: list[Row]) -> list[float]:
    """Return the mean log-likelihood of the labels of each row."""
    batch = {name: _placed(value, model.device) for name, value in collate(pad, [rows]).items()}
    labels = batch.pop("labels")[:, 1:]
    odds = model(**batch).logits[:, :-1].float().log_softmax(-1)
    counts = labels != IGNORED
    chosen = odds.gather(2, labels.clamp(min=0)[..., None])[..., 0] * counts
    means: list[float] = (chosen.sum(1) / counts.sum(1)).tolist()
    return means


def _placed(value: Any, device: Any) -> Any:
    return value.to(device) if hasattr(value, "to") else value
