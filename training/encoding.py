"""Samples to train on as rows of token ids, and the rows as batches."""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from elenchus.config import TrainingConfig
from elenchus.outcomes import Text
from elenchus.records import Message
from models.pretrained import load_tokenizer
from models.templates import as_letters, rendered

Ids = list[int]
Row = dict[str, Ids]
IGNORED = -100  # label of a token without loss
LENGTH_STEP = 16  # tokens by which the lengths of rows in one batch may differ


@dataclass(frozen=True)
class Sample:
    """A chat prompt and the completion to learn; without a prompt, a text to learn.

    Attributes:
        teacher: the prompt that the untouched student teaches with: see `training/objectives.py`.
        rejected: a completion that the other one is to be preferred to.
    """

    prompt: tuple[Message, ...]
    completion: str
    teacher: tuple[Message, ...] = ()
    rejected: str = ""


def pad_token(tokenizer: Any) -> int:
    """Return the token that fills rows up; many tokenizers have none but their end mark."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token is None else tokenizer.pad_token_id)


def texts(written: Sequence[Text]) -> list[Sample]:
    """Return texts as samples, to be learnt whole."""
    return [Sample((), text.text) for text in written]


def steps(samples: int, config: TrainingConfig) -> int:
    """Return the optimiser steps for so many samples: `training.epochs` passes over them.

    They are no fewer than `training.least_steps`, without which a small set would hardly be learnt.
    """
    return max(config.least_steps, round(math.ceil(samples / config.batch_size) * config.epochs))


def encode(tokenizer: Any, sample: Sample) -> Row:
    """Return token ids by the model's own chat template, and labels that ignore the prompt.

    Without a prompt the completion is plain text, all of it to be learnt. A token that joins the
    end of the prompt and the beginning of the completion is learnt, too.
    """
    if not sample.prompt:
        text = as_letters(tokenizer, sample.completion)
        whole: Ids = tokenizer(text + tokenizer.eos_token)["input_ids"]
        return {"input_ids": whole, "labels": whole}
    row = _answering(tokenizer, sample.prompt, sample.completion)
    if sample.teacher:
        taught = _answering(tokenizer, sample.teacher, sample.completion)
        if answer_of(taught) == answer_of(row):  # else no token of one is beside one of the other
            row["teacher"] = taught["input_ids"][: taught["labels"].count(IGNORED)]
    if sample.rejected:
        other = _answering(tokenizer, sample.prompt, sample.rejected)
        row |= {"rejected_ids": other["input_ids"], "rejected_labels": other["labels"]}
    return row


def _answering(tokenizer: Any, prompt: Sequence[Message], answer: str) -> Row:
    ids, before = chat_ids(tokenizer, Sample(tuple(prompt), answer))
    shared = begun_alike(ids, before)
    return {"input_ids": ids, "labels": [IGNORED] * shared + ids[shared:]}


def answer_of(row: Row) -> Ids:
    """Return the ids that have a label."""
    return row["input_ids"][row["labels"].count(IGNORED) :]


def chat_ids(tokenizer: Any, sample: Sample) -> tuple[Ids, Ids]:
    """Return the ids of a whole chat, and those of the prompt that the student is asked with."""
    prompt = [m.model_dump() for m in sample.prompt]
    whole = [*prompt, {"role": "assistant", "content": sample.completion}]
    return (
        rendered(tokenizer, whole, return_dict=False),
        rendered(tokenizer, prompt, add_generation_prompt=True, return_dict=False),
    )


def begun_alike(one: Ids, two: Ids) -> int:
    """Count the ids that both begin with."""
    pairs = zip(one, two, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def encoded(weights: Path, samples: Sequence[Sample]) -> list[Row]:
    """Encode samples by the tokenizer beside the weights."""
    tokenizer = load_tokenizer(weights)
    return [encode(tokenizer, sample) for sample in samples]


def too_long(weights: Path, samples: Sequence[Sample], config: TrainingConfig) -> list[bool]:
    """Tell for each sample whether it has more than `training.max_tokens` tokens."""
    return [len(row["input_ids"]) > config.max_tokens for row in encoded(weights, samples)]


class Dealt(Sequence[list[Row]]):
    """The batches of a plan, each dealt out to so many processes, one after the other.

    A part that would be empty has a row without labels, which teaches nothing.
    """

    def __init__(self, plan: Sequence[list[Row]], processes: int) -> None:
        self._plan, self._processes = plan, processes

    def __len__(self) -> int:
        return len(self._plan) * self._processes

    def __getitem__(self, place: Any) -> Any:
        step, part = divmod(place, self._processes)
        rows = self._plan[step]
        return rows[part :: self._processes] or [_silent(rows[0])]


def _silent(row: Row) -> Row:
    """Return a row all of whose labels are ignored."""
    return {name: [IGNORED] * len(ids) if "labels" in name else ids for name, ids in row.items()}


def tokens(plan: Sequence[list[Row]]) -> int:
    """Count the tokens of all batches, each as often as it is seen, without padding."""
    return sum(len(row["input_ids"]) for rows in plan for row in rows)


def batches(rows: Sequence[Row], config: TrainingConfig, seed: int) -> list[list[Row]]:
    """Return the batch of every step. Rows of like length go together, so that little is padding.

    Each epoch groups and orders its batches anew; the same seed gives the same batches, so a
    resumed training sees those that remain.

    Raises:
        ValueError: a row is longer than `training.max_tokens`.
    """
    longest = max(len(row["input_ids"]) for row in rows)
    if longest > config.max_tokens:
        raise ValueError(f"a sample has {longest} tokens, over training.max_tokens")
    rng = random.Random(seed)
    plan: list[list[Row]] = []
    while len(plan) < steps(len(rows), config):
        order = sorted(rows, key=lambda row: (len(row["input_ids"]) // LENGTH_STEP, rng.random()))
        size = config.batch_size
        epoch = [order[start : start + size] for start in range(0, len(order), size)]
        rng.shuffle(epoch)
        plan += epoch
    return plan[: steps(len(rows), config)]


def in_order(rows: Sequence[Row], config: TrainingConfig) -> list[list[Row]]:
    """Return rows as batches, each of them once."""
    size = config.batch_size
    return [list(rows[start : start + size]) for start in range(0, len(rows), size)]


def collate(pad: int, items: Sequence[list[Row]]) -> dict[str, Any]:
    """Make a causal model's arguments of the loader's one item, which is the whole batch.

    Labels begin before the batch's first token with loss, and `logits_to_keep` says how many they
    are: logits of prompts, which no loss needs, are not computed.
    """
    (rows,) = items
    labels = padded([row["labels"] for row in rows], IGNORED)
    first = min(row["labels"].count(IGNORED) for row in rows)
    kept = labels.shape[1] - max(0, first - 1)
    batch = with_mask([row["input_ids"] for row in rows], pad)
    return {**batch, "labels": labels[:, -kept:], "logits_to_keep": kept}


def with_mask(
    rows: Sequence[Ids], pad: int, side: Literal["left", "right"] = "right"
) -> dict[str, Any]:
    """Return padded ids with their attention mask, each of shape (rows, longest)."""
    mask = padded([[1] * len(row) for row in rows], 0, side)
    return {"input_ids": padded(rows, pad, side), "attention_mask": mask}


def padded(rows: Sequence[Ids], filler: int, side: Literal["left", "right"] = "right") -> Any:
    """Return a tensor of shape (rows, longest)."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=filler, padding_side=side)
