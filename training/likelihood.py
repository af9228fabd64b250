"""How likely a model holds texts to be: what it learnt, measured without a judge."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from models.pretrained import SINGLE, Precision, load_causal, load_tokenizer, usual_device
from training.encoding import IGNORED, Row, Sample, answer_of, collate, encoded, pad_token

AT_ONCE = 8  # rows of like length in a batch, at most
LOGITS_AT_ONCE = 2e8  # in a batch at most: 0.8 GB in single precision, whatever the vocabulary

Taken = TypeVar("Taken")


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
    model = load_causal(weights, precision)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    rows, pad = encoded(weights, samples), pad_token(load_tokenizer(weights))
    return read(model.eval(), rows, pad, _means)


def read(
    model: Any, rows: Sequence[Row], pad: int, take: Callable[[Any, Any], Iterable[Taken]]
) -> list[Taken]:
    """Read rows, those of like length together; return what is taken of each, in their order.

    Args:
        take: gives one thing for each row of a batch, from its logits of shape (rows, places,
            vocabulary) and its labels of shape (rows, places).
    """
    import torch

    model.to(usual_device())
    longest = max((len(answer_of(row)) for row in rows), default=1)
    logits = longest * model.config.get_text_config().vocab_size
    size = max(1, min(AT_ONCE, int(LOGITS_AT_ONCE / logits)))
    order = sorted(range(len(rows)), key=lambda n: len(rows[n]["input_ids"]))
    found: dict[int, Taken] = {}
    for start in range(0, len(order), size):
        places = order[start : start + size]
        with torch.no_grad():  # not `inference_mode`, whose tensors no loss can use
            taken = take(*answer_logits(model, collate(pad, [[rows[n] for n in places]])))
        found.update(zip(places, taken, strict=True))
    return [found[place] for place in range(len(rows))]


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


def _means(logits: Any, labels: Any) -> list[float]:
    """Return the mean log-likelihood of the labels of each row."""
    sums = summed(logits.log_softmax(-1), labels)
    means: list[float] = (sums / (labels != IGNORED).sum(1)).tolist()
    return means
