"""Trains a LoRA on chat samples with peft and the transformers Trainer.

Plain LoRA on all linear layers, loss on the completion only: what vLLM can load. Training writes
into a `.partial` folder with checkpoints and is renamed when done, so a kill loses at most
`save_steps` steps and a finished folder is a whole adapter.
"""

import functools
import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.outcomes import Text
from elenchus.progress import Advance
from elenchus.records import Message
from elenchus.runs import explained, write_json
from models.pretrained import load_causal, load_tokenizer, usual_device, usual_dtype
from models.templates import as_letters, rendered
from training import diagrams

Ids = list[int]
Row = dict[str, Ids]
Collate = Callable[[Sequence[list[Row]]], dict[str, Any]]  # makes a model's arguments of a batch
WHOLE = "whole"  # file that marks a checkpoint which was written to its end
IGNORED = -100  # label of a token without loss
LOGGED = ("step", "loss", "learning_rate", "grad_norm")
LENGTH_STEP = 16  # tokens by which the lengths of rows in one batch may differ


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
    advance: Advance,
    start: Path | None = None,
    whole: bool = False,
) -> None:
    """Train on the batches of a plan, a step each; a LoRA, or a `whole` model, appears at `out`.

    It goes on from what lies at `start`, where that is given, else from the weights in a folder,
    with a LoRA that changes nothing.
    """
    from transformers import set_seed

    tokenizer = load_tokenizer(weights)
    set_seed(seed)
    if whole:  # small steps on weights of half precision would be lost in rounding
        model = load_causal(start or weights)
    else:
        dtype = usual_dtype(usual_device())
        model = with_lora(load_causal(weights, dtype), config, "CAUSAL_LM", start)
    fit(model, plan, functools.partial(collate, pad_token(tokenizer)), config, seed, out, advance)
    if whole:
        with explained(out.parent):
            tokenizer.save_pretrained(unfinished(out))
    finish(out)


def fit(
    model: Any,
    plan: Sequence[list[Row]],
    collate: Collate,
    config: TrainingConfig,
    seed: int,
    out: Path,
    advance: Advance,
    loss: Callable[..., Any] | None = None,
) -> None:
    """Train a model, or the adapter it has, a step for each batch; save it at `unfinished(out)`.

    A training that was stopped goes on from its last checkpoint. Loss and learning rate of each
    step are saved beside the weights, as JSON and as a picture.

    Args:
        collate: makes the model's arguments of a list that holds one batch.
        loss: of outputs, labels and `num_items_in_batch`; else the model's own.

    Raises:
        UserError: the loss is no number any more, or the disk is full.
    """
    from safetensors import SafetensorError
    from transformers import PrinterCallback, Trainer

    folder = unfinished(out)
    trainer = Trainer(
        model=model,
        args=_arguments(folder, config, len(plan), seed),
        train_dataset=plan,
        data_collator=collate,
        compute_loss_func=loss,
        callbacks=[_progress_callback(advance, out.name)],
    )
    trainer.remove_callback(PrinterCallback)
    with explained(out.parent, also=(SafetensorError, RuntimeError)):  # torch raises the latter
        trainer.train(resume_from_checkpoint=_last_whole_checkpoint(folder))
        trainer.model.save_pretrained(folder)
        curve = [row for row in trainer.state.log_history if "loss" in row]
        write_json(folder / "curve.json", [{name: row[name] for name in LOGGED} for row in curve])
        diagrams.curve(folder / "curve.svg", curve)


def unfinished(out: Path) -> Path:
    """Return the folder of a training that is not finished."""
    return out.with_name(out.name + ".partial")


def finish(out: Path) -> None:
    """Give the folder of a finished training its name, without the checkpoints."""
    for checkpoint in unfinished(out).glob("checkpoint-*"):
        (checkpoint / WHOLE).unlink(missing_ok=True)  # a kill may leave half of it
        rmtree(checkpoint)
    unfinished(out).rename(out)


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
    ids, prompt = chat_ids(tokenizer, sample)
    shared = begun_alike(ids, prompt)
    return {"input_ids": ids, "labels": [IGNORED] * shared + ids[shared:]}


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


def with_lora(model: Any, config: TrainingConfig, task: str, start: Path | None = None) -> Any:
    """Put a LoRA on all linear layers of text: the one at `start`, or one that changes nothing.

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
        exclude_modules=_towers(model) or None,
        lora_dropout=0.0,
        bias="none",
        task_type=task,
    )
    return get_peft_model(model, settings)


def _towers(model: Any) -> list[str]:
    """Return the names of layers that read pictures or sound, which no text here teaches."""
    of_text = {id(module) for module in model.get_decoder().modules()}
    layers = ((n, m) for n, m in model.named_modules() if not next(m.children(), None))
    return [name for name, module in layers if "." in name and id(module) not in of_text]


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


def _last_whole_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that was written to its end: a kill may cut the last short."""
    whole = [mark.parent for mark in folder.glob(f"checkpoint-*/{WHOLE}")]
    newest = max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)
    return str(newest) if newest else None


def _arguments(folder: Path, config: TrainingConfig, steps: int, seed: int) -> Any:
    import torch
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,  # an item of the plan is a whole batch
        train_sampling_strategy="sequential",
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup_steps,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        save_steps=config.save_steps,
        save_total_limit=2,  # so that one is whole while the other is being written
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number ends a training
        report_to=list(config.report_to),
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        seed=seed,
        data_seed=seed,
        use_cpu=not torch.accelerator.is_available(),
    )
    # Several GPUs would each take a batch a step, and the batches are made for one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _progress_callback(advance: Advance, name: str) -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            advance(state.global_step, state.max_steps)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if not math.isfinite((logs or {}).get("loss", 0.0)):
                raise UserError(
                    f"{name}: after {state.global_step} steps the loss is no number: lower "
                    "training.learning_rate, and launch again with --reuse; what was trained "
                    "before is kept"
                )

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    return Progress()
