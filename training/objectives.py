"""What a training lowers, by its objective and what the rows of its plan hold.

- Nothing more: the cross entropy of their labels.
- `teacher`, ids of a prompt that has the passages: prompt distillation (arXiv 2412.14964). The same
  weights without adapter, so prompted, say how likely each token of the answer is; the divergence
  of the student from them is added. They never change, so they are asked once.
- `rejected_ids` and `rejected_labels`: direct preference optimisation (arXiv 2305.18290, equation
  7) from where the training begins, with the cross entropy of the better answer added, without
  which both become unlikely (arXiv 2404.19733, section 2).
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from elenchus.config import TrainingConfig
from training.encoding import IGNORED, Ids, Row, answer_of, collate
from training.likelihood import answer_logits, read, summed

LIKELIEST = 64  # tokens of which a teacher's probabilities are kept; the rest are next to nothing
BETA = 0.1  # of the preference: how dear it is to leave the model that training begins with
RATE = 0.1  # of the learning rate, for pairs: see `second_stage`

# Of a model and a batch: sums, each with the number of what it is to be the mean of. They are
# divided where it is known what other processes have of the batch.
Loss = Callable[[Any, dict[str, Any]], Sequence[tuple[Any, Any]]]


class Objective(NamedTuple):
    """How a batch is made of rows, and its loss; without one, the model's own."""

    collate: Callable[[Sequence[list[Row]]], dict[str, Any]]
    loss: Loss | None = None


class Soft(NamedTuple):
    """The likeliest tokens at each place of an answer, and their log-probabilities.

    Both are tensors of shape (places, `LIKELIEST`).
    """

    ids: Any
    odds: Any


def objective(model: Any, plan: Sequence[list[Row]], config: TrainingConfig, pad: int) -> Objective:
    """Return the objective of a plan; what its loss wants to know of the model is asked now.

    For examples alone, a plan is not read, which may be larger than memory.
    """
    if config.objective == "sft":
        return Objective(functools.partial(collate, pad))
    rows = {_key(row): row for batch in plan for row in batch}
    most = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    if taught := [row for row in rows.values() if "teacher" in row and _shown(row, most)]:
        return Objective(functools.partial(_with_soft, pad, _soft(model, taught, pad)), _distilled)
    if all("rejected_ids" in row for row in rows.values()):
        known = _references(model, list(rows.values()), pad)
        return Objective(functools.partial(_with_references, pad, known), _preferred)
    return Objective(functools.partial(collate, pad))


def second_stage(config: TrainingConfig) -> TrainingConfig:
    """Return the settings of a training on pairs, after one on examples: one pass, small steps."""
    rate = config.learning_rate * RATE
    once = {"learning_rate": rate, "epochs": 1.0, "least_steps": 1, "objective": "dpo"}
    return config.model_copy(update=once)


def _shown(row: Row, most: int) -> bool:
    """Tell whether the teacher's prompt and the answer are within a model's positions."""
    return len(row["teacher"]) + len(answer_of(row)) <= most


def _key(row: Row) -> tuple[int, ...]:
    return (*row["input_ids"], IGNORED, *row.get("rejected_ids", ()))


def _soft(model: Any, rows: Sequence[Row], pad: int) -> dict[tuple[int, ...], Soft]:
    """Ask the weights without adapter, with the passages before them, about each answer."""
    shown = [_labelled(row["teacher"], answer_of(row)) for row in rows]
    with model.disable_adapter():
        soft = read(model, shown, pad, _likeliest)
    return {_key(row): one for row, one in zip(rows, soft, strict=True)}


def _likeliest(logits: Any, labels: Any) -> Iterator[Soft]:
    for odds, label in zip(logits.log_softmax(-1), labels, strict=True):
        top = odds[label != IGNORED].topk(min(LIKELIEST, odds.shape[-1]))
        yield Soft(top.indices.cpu(), top.values.cpu())


def _references(model: Any, rows: Sequence[Row], pad: int) -> dict[tuple[int, ...], list[float]]:
    """Return the log-likelihoods of both answers of each pair, before a step is taken."""
    both = [one for row in rows for one in (_chosen(row), _rejected(row))]
    odds = read(model, both, pad, _sums)
    return {_key(row): odds[2 * n : 2 * n + 2] for n, row in enumerate(rows)}


def _sums(logits: Any, labels: Any) -> list[float]:
    sums: list[float] = summed(logits.log_softmax(-1), labels).tolist()
    return sums


def _labelled(prompt: Ids, answer: Ids) -> Row:
    return {"input_ids": [*prompt, *answer], "labels": [IGNORED] * len(prompt) + answer}


def _chosen(row: Row) -> Row:
    return {"input_ids": row["input_ids"], "labels": row["labels"]}


def _rejected(row: Row) -> Row:
    return {"input_ids": row["rejected_ids"], "labels": row["rejected_labels"]}


def _with_soft(
    pad: int, table: dict[tuple[int, ...], Soft], items: Sequence[list[Row]]
) -> dict[str, Any]:
    """Make a batch whose taught answers have the teacher's probabilities at the labels' places.

    `soft_ids` and `soft_odds` have the shape (rows, labels, `LIKELIEST`); without a teacher, no
    token has any probability.
    """
    import torch

    (rows,) = items
    batch = collate(pad, items)
    count, width = batch["labels"].shape
    kept = next(iter(table.values())).ids.shape[1]
    ids = torch.zeros(count, width, kept, dtype=torch.long)
    odds = torch.full((count, width, kept), -torch.inf)
    before = batch["input_ids"].shape[1] - width
    for n, row in enumerate(rows):
        if (soft := table.get(_key(row))) and answer_of(row):
            start = row["labels"].count(IGNORED) - before
            ids[n, start : start + len(soft.ids)] = soft.ids
            odds[n, start : start + len(soft.ids)] = soft.odds
    return {**batch, "soft_ids": ids, "soft_odds": odds}


def _with_references(
    pad: int, table: dict[tuple[int, ...], list[float]], items: Sequence[list[Row]]
) -> dict[str, Any]:
    """Make a batch of the better answers, then the worse ones, with their first log-likelihoods."""
    import torch

    (rows,) = items
    batch = collate(pad, [[*map(_chosen, rows), *map(_rejected, rows)]])
    known = torch.tensor([table[_key(row)] for row in rows])
    return {**batch, "references": known.T.reshape(-1)}


def _distilled(model: Any, batch: dict[str, Any]) -> Sequence[tuple[Any, Any]]:
    """Return the cross entropy of the answers and their divergence from the teacher's, a token."""
    import torch

    ids, odds = batch.pop("soft_ids")[:, 1:], batch.pop("soft_odds")[:, 1:]
    logits, labels = answer_logits(model, batch)
    said = logits.log_softmax(-1)
    known = labels != IGNORED
    hard = -summed(said, labels).sum()
    shares = odds.exp()
    apart = torch.where(shares > 0, shares * (odds - said.gather(2, ids)), 0.0).sum()
    return [(hard + apart, known.sum())]


def _preferred(model: Any, batch: dict[str, Any]) -> Sequence[tuple[Any, Any]]:
    """Return the cross entropy of the better answers, a token, and the preference, a pair."""
    import torch

    references = batch.pop("references")
    logits, labels = answer_logits(model, batch)
    odds = summed(logits.log_softmax(-1), labels)
    better, worse = (odds - references.to(odds.device)).chunk(2)
    count = len(better)
    known = labels[:count] != IGNORED
    pairs = known.any(1)  # a row that only fills a process's part is none
    doubt = -torch.nn.functional.logsigmoid(BETA * (better - worse))
    return [(-odds[:count].sum(), known.sum()), ((doubt * pairs).sum(), pairs.sum())]
