"""Trains a LoRA on chat samples with peft and the transformers Trainer.

Plain LoRA on all linear layers, loss on the completion only: what vLLM can load. Training writes
into a `.partial` folder with checkpoints and is renamed when done, so a kill loses at most
`save_steps` steps and a finished folder is a whole adapter.
"""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.records import Message, Text
from elenchus.runs import explained
from models.pretrained import load
from models.templates import as_letters, rendered

Row = dict[str, list[int]]
WHOLE = "whole"  # name of the file that says so of a checkpoint
IGNORED = -100  # label of a token without loss
LIKE = 16  # tokens by which the lengths of rows in one batch may differ


@dataclass(frozen=True)
class Sample:
    """A chat prompt and the completion to learn; without a prompt, a text to learn."""

    prompt: tuple[Message, ...]
    completion: str


def train(
    weights: Path,
    plan: Sequence[list[Row]],
    config: TrainingConfig,
    seed: int,
    out: Path,
    progress: Callable[[int, int], None],
    start: Path | None = None,
) -> None:
    """Fit a LoRA to the weights in a folder, a step for each batch; it appears at `out`.

    It begins as the adapter at `start`, where one is given, else as one that changes nothing.
    `progress` is told the steps done and to do.

    Raises:
        ValueError: a row is longer than `training.max_tokens`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    tokenizer = load(AutoTokenizer, weights)
    if (longest := max(len(row["input_ids"]) for rows in plan for row in rows)) > config.max_tokens:
        raise ValueError(f"a sample has {longest} tokens, over training.max_tokens")
    set_seed(seed)
    model = load(AutoModelForCausalLM, weights, dtype=torch.float32, use_safetensors=True)
    padding = Padding(pad_token(tokenizer))
    fit(with_lora(model, config, "CAUSAL_LM", start), plan, padding, config, seed, out, progress)
    finish(out)


def fit(
    model: Any,
    plan: Sequence[list[Row]],
    padding: Callable[[Sequence[list[Row]]], dict[str, Any]],
    config: TrainingConfig,
    seed: int,
    out: Path,
    progress: Callable[[int, int], None],
    loss: Callable[..., Any] | None = None,
) -> None:
    """Train a model that has an adapter, a step for each batch; the adapter is saved in `partial`.

    Args:
        padding: makes the model's arguments of a list that holds one batch.
        loss: of outputs, labels and `num_items_in_batch`; else the model's own.
    """
    from safetensors import SafetensorError
    from transformers import PrinterCallback, Trainer

    folder = partial(out)
    trainer = Trainer(
        model=model,
        args=_arguments(folder, config, len(plan), seed),
        train_dataset=plan,
        data_collator=padding,
        compute_loss_func=loss,
        callbacks=[_progress_callback(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    with explained(out.parent, also=(SafetensorError, RuntimeError)):  # torch raises the latter
        trainer.train(resume_from_checkpoint=last_whole_checkpoint(folder))
        trainer.model.save_pretrained(folder)


def partial(out: Path) -> Path:
    """The folder of a training that is not finished."""
    return out.with_name(out.name + ".partial")


def finish(out: Path) -> None:
    """Give the partial folder its name, without the checkpoints."""
    for checkpoint in partial(out).glob("checkpoint-*"):
        (checkpoint / WHOLE).unlink(missing_ok=True)  # a kill may leave half of it
        _remove(checkpoint)
    partial(out).rename(out)


def pad_token(tokenizer: Any) -> int:
    """What fills rows up; many tokenizers have no token of its own for that."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token is None else tokenizer.pad_token_id)


def texts(written: Sequence[Text]) -> list[Sample]:
    """Texts as samples, to be learnt whole."""
    return [Sample((), text.text) for text in written]


def steps(samples: int, config: TrainingConfig) -> int:
    """Optimiser steps for a number of samples: `training.epochs` passes over them, and no fewer
    than `training.least_steps`, without which a small set would hardly be learnt."""
    return max(config.least_steps, round(math.ceil(samples / config.batch_size) * config.epochs))


def check(weights: Path) -> None:
    """Find out whether answers in chats can be trained on, before anything is paid for.

    Raises:
        UserError: the tokenizer has no chat template, or one that cannot be trained with.
    """
    from transformers import AutoTokenizer

    tokenizer = load(AutoTokenizer, weights)
    if tokenizer.chat_template is None:
        raise UserError(f"student.model: {weights} has no chat template: take one tuned to chat")
    chat = (Message(role="system", content="Be brief."), Message(role="user", content="Who?"))
    ids, asked = _chat(tokenizer, Sample(chat, "I."))
    if _shared(ids, asked) < len(asked):
        raise UserError(
            f"student.model: by the chat template of {weights}, a chat does not begin with its "
            "prompt, so what is trained would not be what is asked: take another model, or correct "
            "its chat_template.jinja"
        )


def encode(tokenizer: Any, sample: Sample) -> Row:
    """Token ids by the model's own chat template, and labels that ignore the prompt.

    Without a prompt the completion is plain text, all of it to be learnt. A token that joins the
    end of the prompt and the beginning of the completion is learnt, too.
    """
    if not sample.prompt:
        said = as_letters(tokenizer, sample.completion)
        text: list[int] = tokenizer(said + tokenizer.eos_token)["input_ids"]
        return {"input_ids": text, "labels": text}
    ids, asked = _chat(tokenizer, sample)
    known = _shared(ids, asked)
    return {"input_ids": ids, "labels": [IGNORED] * known + ids[known:]}


def _chat(tokenizer: Any, sample: Sample) -> tuple[list[int], list[int]]:
    """The ids of a whole chat, and of what the student is asked."""
    prompt = [m.model_dump() for m in sample.prompt]
    whole = [*prompt, {"role": "assistant", "content": sample.completion}]
    return (
        rendered(tokenizer, whole, return_dict=False),
        rendered(tokenizer, prompt, add_generation_prompt=True, return_dict=False),
    )


def _shared(one: list[int], two: list[int]) -> int:
    """How many ids both begin with."""
    pairs = zip(one, two, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def encoded(weights: Path, samples: Sequence[Sample]) -> list[Row]:
    """The rows of samples, by the tokenizer beside the weights."""
    from transformers import AutoTokenizer

    tokenizer = load(AutoTokenizer, weights)
    return [encode(tokenizer, sample) for sample in samples]


def too_long(weights: Path, samples: Sequence[Sample], config: TrainingConfig) -> list[bool]:
    """For each sample whether it has more than `training.max_tokens` tokens."""
    return [len(row["input_ids"]) > config.max_tokens for row in encoded(weights, samples)]


def tokens(plan: Sequence[list[Row]]) -> int:
    """Tokens in all batches, each as often as it is seen; padding is not counted."""
    return sum(len(row["input_ids"]) for rows in plan for row in rows)


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; a kill may have cut the last one short."""
    whole = [mark.parent for mark in folder.glob(f"checkpoint-*/{WHOLE}")]
    newest = max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)
    return str(newest) if newest else None


def batches(rows: Sequence[Row], config: TrainingConfig, seed: int) -> list[list[Row]]:
    """The batch of every step. Rows of like length go together, so that little is padding.

    Each epoch groups and orders its batches anew; the same seed gives the same batches, so a
    resumed training sees what is left of them.
    """
    rng = random.Random(seed)
    made: list[list[Row]] = []
    while len(made) < steps(len(rows), config):
        order = sorted(rows, key=lambda row: (len(row["input_ids"]) // LIKE, rng.random()))
        size = config.batch_size
        epoch = [order[start : start + size] for start in range(0, len(order), size)]
        rng.shuffle(epoch)
        made += epoch
    return made[: steps(len(rows), config)]


def with_lora(model: Any, config: TrainingConfig, task: str, start: Path | None = None) -> Any:
    """The model with a LoRA on all linear layers: the one at `start`, or one that changes nothing.

    Args:
        task: of peft; "SEQ_CLS" has the new head trained whole and saved with the LoRA.
    """
    from peft import LoraConfig, PeftModel, get_peft_model

    if start is not None:
        return PeftModel.from_pretrained(model, start, is_trainable=True)
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules="all-linear",
        lora_dropout=0.0,
        bias="none",
        task_type=task,
    )
    return get_peft_model(model, settings)


class Padding:
    """Pads a batch on the right. The loader hands over one item, which is the whole batch.

    Labels begin before the batch's first token with loss, and `logits_to_keep` says how many they
    are: logits of prompts, which no loss needs, are not made.
    """

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, items: Sequence[list[Row]]) -> dict[str, Any]:
        import torch

        (rows,) = items
        width = max(len(row["input_ids"]) for row in rows)
        first = min(row["labels"].count(IGNORED) for row in rows)
        kept = width - max(0, first - 1)

        def padded(key: str, filler: int) -> Any:
            return torch.tensor([row[key] + [filler] * (width - len(row[key])) for row in rows])

        ids = [row["input_ids"] for row in rows]
        mask = torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i in ids])
        return {
            "input_ids": padded("input_ids", self._pad),
            "labels": padded("labels", IGNORED)[:, -kept:],
            "attention_mask": mask,
            "logits_to_keep": kept,
        }


def _arguments(folder: Path, config: TrainingConfig, steps: int, seed: int) -> Any:
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,  # of `batches`
        train_sampling_strategy="sequential",
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup_steps,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        save_steps=config.save_steps,
        save_total_limit=2,  # so that one is whole while the other is being written
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        seed=seed,
        data_seed=seed,
        use_cpu=not _has_accelerator(),
    )
    # Several GPUs would each take a batch a step, and the batches are made for one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _has_accelerator() -> bool:
    import torch

    return bool(torch.accelerator.is_available())


def _progress_callback(progress: Callable[[int, int], None]) -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress(state.global_step, state.max_steps)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    return Progress()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)
