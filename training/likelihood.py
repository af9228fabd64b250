"""How likely a model holds texts to be: what it learnt, measured without a judge."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.pretrained import SINGLE, Precision, load_causal, load_tokenizer, usual_device
from training.encoding import IGNORED, Row, Sample, collate, encoded, pad_token

AT_ONCE = 16  # rows of like length in a batch


def likelihoods(
    weights: Path,
    samples: Sequence[Sample],
    adapter: Path | None = None,
    precision: Precision = SINGLE,
) -> list[float]:
    """Return the mean log-likelihood of a token of each completion, after its prompt.

    Args:
        weights: the folder of a model.
        adapter: of a LoRA on it.
        precision: in which it computes.
    """
    import torch

    model = load_causal(weights, precision)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    model = model.to(usual_device()).eval()
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


def answer_logits(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Return logits of shape (rows, places, vocabulary), and labels of shape (rows, places)."""
    placed = {n: v.to(model.device) if hasattr(v, "to") else v for n, v in batch.items()}
    labels = placed.pop("labels")[:, 1:]
    return model(**placed).logits[:, :-1].float(), labels


def summed(odds: Any, labels: Any) -> Any:
    """Return the log-likelihood of the labels of each row, of shape (rows,).

    Args:
        odds: log-probabilities, of shape (rows, places, vocabulary).
    """
    chosen = odds.gather(2, labels.clamp(min=0)[..., None])[..., 0]
    return (chosen * (labels != IGNORED)).sum(1)


def _means(model: Any, pad: int, rows: list[Row]) -> list[float]:
    """Return the mean log-likelihood of the labels of each row."""
    logits, labels = answer_logits(model, collate(pad, [rows]))
    means: list[float] = (
        summed(logits.log_softmax(-1), labels) / (labels != IGNORED).sum(1)
    ).tolist()
    return means
