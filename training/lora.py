"""Trains a LoRA on chat samples with peft and the transformers Trainer.

Plain LoRA on all linear layers, loss on the completion only: what vLLM can load. Training writes
into a `.partial` folder with checkpoints and is renamed when done, so a kill loses at most
`save_steps` steps and a finished folder is a whole adapter.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import Advance
from elenchus.runs import explained, write_json
from models.pretrained import LOADING, SINGLE, Precision, load_causal, load_tokenizer
from training import diagrams, processes
from training.encoding import Dealt, Row, pad_token
from training.memory import enough
from training.objectives import Loss, objective
from training.spans import step_spans

Collate = Callable[[Sequence[list[Row]]], dict[str, Any]]  # makes a model's arguments of a batch
WHOLE = "whole"  # file that marks a checkpoint which was written to its end
HELD_OUT = "eval_loss"  # as transformers calls it
LOGGED = ("step", "loss", "learning_rate", "grad_norm", HELD_OUT)
CURVE = "curve.json"


class Job(NamedTuple):
    """A training on chats: see `train`."""

    weights: Path
    plan: Sequence[list[Row]]
    config: TrainingConfig
    seed: int
    out: Path
    start: Path | None = None
    whole: bool = False
    held_out: Sequence[list[Row]] = ()
    precision: Precision = SINGLE


def train(
    weights: Path,
    plan: Sequence[list[Row]],
    config: TrainingConfig,
    seed: int,
    out: Path,
    advance: Advance,
    start: Path | None = None,
    whole: bool = False,
    held_out: Sequence[list[Row]] = (),
    precision: Precision = SINGLE,
) -> None:
    """Train on the batches of a plan, a step each; a LoRA, or a `whole` model, appears at `out`.

    It goes on from what lies at `start`, where that is given, else from the weights in a folder,
    with a LoRA that changes nothing. Batches that are held out are read after each pass: where
    their loss has risen, the training ends with what it was before. A LoRA is on weights of the
    `precision` in which the model is asked later, itself in single precision.
    """
    job = Job(weights, plan, config, seed, out, start, whole, held_out, precision)
    if (many := processes.fitting(config.processes)) == 1:
        run(job, advance)
    else:
        processes.run(run, job, many, advance)


def run(job: Job, advance: Advance) -> None:
    """Train in this process: alone, or as one of several that share each batch."""
    from transformers import set_seed

    weights, plan, config, seed, out, start, whole, held_out, precision = job
    tokenizer = load_tokenizer(weights)
    with LOADING:
        set_seed(seed)
        if whole:  # small steps on weights of half precision would be lost in rounding
            model = load_causal(start or weights)
        else:
            model = with_lora(load_causal(weights, precision), config, "CAUSAL_LM", start)
    with enough(out.name):
        collate, loss = objective(model, plan, config, pad_token(tokenizer))
    first = fit(model, plan, collate, config, seed, out, advance, loss, held_out)
    if whole and first:
        with explained(out.parent):
            tokenizer.save_pretrained(unfinished(out))
    if first:
        finish(out)


def fit(
    model: Any,
    plan: Sequence[list[Row]],
    collate: Collate,
    config: TrainingConfig,
    seed: int,
    out: Path,
    advance: Advance,
    loss: Loss | None = None,
    held_out: Sequence[list[Row]] = (),
) -> bool:
    """Train a model, or the adapter it has, a step for each batch; save it at `unfinished(out)`.

    Of several processes the first alone saves; returns whether this is the first.

    A training that was stopped goes on from its last checkpoint. Loss and learning rate of each
    step are saved beside the weights, as JSON and as a picture.

    Args:
        collate: makes the model's arguments of a list that holds one batch.
        loss: of the model and a batch; else the model's own.
        held_out: batches whose loss ends the training once it rises: see `train`.

    Raises:
        UserError: the loss is no number any more, or GPU or disk are full.
    """
    from safetensors import SafetensorError
    from transformers import EarlyStoppingCallback, PrinterCallback

    folder = unfinished(out)
    watched = _watching(max(1, round(len(plan) / config.epochs))) if held_out else {}
    callbacks = [*step_spans(out.name), _progress_callback(advance, out.name)]
    if held_out:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=1))
    trainer = _trainer(loss)(
        model=model,
        args=_arguments(folder, config, len(plan), seed, watched),
        train_dataset=Dealt(plan, processes.count()),
        eval_dataset=Dealt(held_out, processes.count()) if held_out else None,
        data_collator=collate,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    # For a full disk, torch raises a RuntimeError.
    with explained(out.parent, also=(SafetensorError, RuntimeError)), enough(out.name):
        trainer.train(resume_from_checkpoint=_last_whole_checkpoint(folder))
        if not trainer.is_world_process_zero():
            return False
        trainer.model.save_pretrained(folder)
        logged = [row for row in trainer.state.log_history if HELD_OUT in row or "loss" in row]
        curve = [{name: row[name] for name in LOGGED if name in row} for row in logged]
        write_json(folder / CURVE, curve)
        diagrams.curve(folder / "curve.svg", curve)
    return True


def steps_of(adapter: Path) -> int:
    """Return the optimiser steps that a finished training took."""
    rows = json.loads((adapter / CURVE).read_text(encoding="utf-8"))
    return max(int(row["step"]) for row in rows)


def unfinished(out: Path) -> Path:
    """Return the folder of a training that is not finished."""
    return out.with_name(out.name + ".partial")


def finish(out: Path) -> None:
    """Give the folder of a finished training its name, without the checkpoints."""
    for checkpoint in unfinished(out).glob("checkpoint-*"):
        (checkpoint / WHOLE).unlink(missing_ok=True)  # a kill may leave half of it
        rmtree(checkpoint)
    unfinished(out).rename(out)


def with_lora(model: Any, config: TrainingConfig, task: str, start: Path | None = None) -> Any:
    """Put a LoRA on all linear layers of text: the one at `start`, or one that changes nothing.

    Args:
        task: of peft; "SEQ_CLS" has the new head trained whole and saved with the LoRA.
    """
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers.pytorch_utils import Conv1D

    if start is not None:
        adapted = PeftModel.from_pretrained(model, start, is_trainable=True)
        # Else peft asks the hub for the base, by the name in the card, at each checkpoint.
        adapted.peft_config["default"].base_model_name_or_path = str(model.name_or_path)
        return adapted
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules="all-linear",
        exclude_modules=_towers(model) or None,
        lora_dropout=0.0,
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in model.modules()),  # as GPT-2's
        bias="none",
        task_type=task,
    )
    return get_peft_model(model, settings)


def _towers(model: Any) -> list[str]:
    """Return the names of layers that read pictures or sound, which no text here teaches."""
    of_text = {id(module) for module in model.get_decoder().modules()}
    layers = ((n, m) for n, m in model.named_modules() if not next(m.children(), None))
    return [name for name, module in layers if "." in name and id(module) not in of_text]


def _last_whole_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that was written to its end: a kill may cut the last short."""
    whole = [mark.parent for mark in folder.glob(f"checkpoint-*/{WHOLE}")]
    newest = max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)
    return str(newest) if newest else None


def _arguments(
    folder: Path, config: TrainingConfig, steps: int, seed: int, more: dict[str, Any]
) -> Any:
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
        save_total_limit=2,  # so that one is whole while the other is being written
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number ends a training
        report_to=list(config.report_to),
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        seed=seed,
        data_seed=seed,
        use_cpu=not torch.accelerator.is_available(),
        **({"save_steps": config.save_steps} | more),
        **(_checkpointing(TrainingArguments) if config.gradient_checkpointing else {}),
    )
    # Several GPUs would each take a batch a step, and the batches are made for one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _checkpointing(arguments: Any) -> dict[str, Any]:
    """Return the arguments of gradient checkpointing, which later transformers name otherwise."""
    later = hasattr(arguments, "activation_checkpointing")
    name = f"{'activation' if later else 'gradient'}_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def _watching(every: int) -> dict[str, Any]:
    """Return the arguments by which what is held out is read so often, and the best is kept."""
    return {
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_steps": every,
        "per_device_eval_batch_size": 1,  # an item is a whole batch
        "prediction_loss_only": True,
        "load_best_model_at_end": True,
        "metric_for_best_model": HELD_OUT,
        "greater_is_better": False,
    }


def _trainer(loss: Loss | None) -> Any:
    """Return the class of a trainer that lowers a loss; without one, the model's own."""
    from transformers import Trainer

    class Lowering(Trainer):  # type: ignore[misc]
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any
        ) -> Any:
            assert loss is not None
            processes = self.accelerator.num_processes  # whose gradients are averaged
            lowered = 0.0
            for total, many in loss(model, inputs):
                every = self.accelerator.reduce(many, "sum").clamp(min=1)  # in all processes
                lowered = lowered + total * processes / every
            return (lowered, {}) if return_outputs else lowered

    return Trainer if loss is None else Lowering


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
            if state.is_world_process_zero:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    return Progress()
