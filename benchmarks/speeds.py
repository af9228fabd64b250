"""How fast a student answers and learns, beside plain transformers and TRL on the same machine."""

import math
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.lessons import Base
from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Message
from models.decoding import Wanted
from models.local import answered, prompt_of
from models.pretrained import load_causal, load_tokenizer, usual_device
from models.templates import rendered
from training import encoding, lora
from training.encoding import Sample

PLAIN_BATCH = 16  # prompts of a batch of plain `generate`
MB = 1024  # kilobytes, in which Linux counts


class Pace(NamedTuple):
    """How much is done in a second of the CPU, and of wall time, which alone tells on a GPU."""

    per_cpu_second: float
    per_second: float

    def over(self, other: "Pace") -> "Pace":
        """Return the ratios to another."""
        return Pace(*(mine / theirs for mine, theirs in zip(self, other, strict=True)))


class Seconds(NamedTuple):
    """What something took, of the CPU and of wall time."""

    cpu: float
    wall: float

    def pace(self, done: int) -> Pace:
        """Return how fast so much was done."""
        return Pace(done / self.cpu, done / self.wall)


class Trained(NamedTuple):
    """What a training came to: tokens learnt, and the peak of its memory, in MB."""

    tokens: Pace
    peak_mb: float


def took(work: Callable[[], object]) -> Seconds:
    """Do some work; return what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def check_comparable() -> None:
    """Raise a UserError where what speeds are compared with is not installed."""
    if not find_spec("trl"):
        raise UserError("--speed compares with TRL: pip install trl")


def answering(base: Base, limit: int, prompts: Sequence[tuple[Message, ...]]) -> dict[str, float]:
    """Return the answers that a student gives in a second, and their ratio to `generate`."""
    import torch

    tokenizer = load_tokenizer(base.folder)
    model = load_causal(*base).to(usual_device()).eval()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    chats = [[m.model_dump() for m in messages] for messages in prompts]
    texts = [rendered(tokenizer, c, tokenize=False, add_generation_prompt=True) for c in chats]

    def plainly() -> None:
        for start in range(0, len(texts), PLAIN_BATCH):
            batch = tokenizer(texts[start : start + PLAIN_BATCH], return_tensors="pt", padding=True,
                              padding_side="left", add_special_tokens=False)  # fmt: skip
            with torch.inference_mode():
                model.generate(**batch.to(model.device), max_new_tokens=limit, do_sample=False)

    wanted = [Wanted(prompt_of(tokenizer, chat), limit) for chat in chats]
    ours = took(lambda: answered(model, tokenizer, wanted)).pace(len(prompts))
    ratio = ours.over(took(plainly).pace(len(prompts)))
    return {
        "answers_per_cpu_second": round(ours.per_cpu_second, 3),
        "answers_over_generate": round(ratio.per_cpu_second, 2),
        "answers_per_second": round(ours.per_second, 3),
        "answers_per_second_over_generate": round(ratio.per_second, 2),
    }


def training_beside_trl(
    base: Base, samples: Sequence[Sample], config: TrainingConfig
) -> dict[str, float]:
    """Train by Elenchus and by TRL's SFTTrainer, each in a process of its own."""
    # A GPU is done with one pass in less time than it takes to begin.
    passes = 1.0 if usual_device() == "cpu" else math.ceil(config.epochs)
    config = config.model_copy(update={"epochs": passes, "least_steps": 1})
    ours, theirs = (_apart(train, base, samples, config) for train in (_ours, _trls))
    ratio = ours.tokens.over(theirs.tokens)
    return {
        "tokens_per_cpu_second_over_trl": round(ratio.per_cpu_second, 2),
        "tokens_per_second_over_trl": round(ratio.per_second, 2),
        "peak_mb": round(ours.peak_mb),
        "peak_mb_of_trl": round(theirs.peak_mb),
    }


def _apart(
    train: Callable[[Base, Sequence[Sample], TrainingConfig, Path], Pace],
    base: Base,
    samples: Sequence[Sample],
    config: TrainingConfig,
) -> Trained:
    """Train in a new process, so that the peak of its memory is its own."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        1, mp_context=context, initializer=import_module, initargs=("peft",)
    )  # what is only imported is no training
    with pool, TemporaryDirectory() as folder:
        tokens = pool.submit(train, base, samples, config, Path(folder) / "out").result()
        return Trained(tokens, pool.submit(_peak).result())


def _peak() -> float:
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / MB**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB


def _ours(base: Base, samples: Sequence[Sample], config: TrainingConfig, out: Path) -> Pace:
    rows = encoding.encoded(base.folder, samples)
    plan = encoding.batches(rows, config, 0)
    return took(
        lambda: lora.train(base.folder, plan, config, 0, out, unseen, precision=base.precision)
    ).pace(encoding.tokens(plan))


def _trls(base: Base, samples: Sequence[Sample], config: TrainingConfig, out: Path) -> Pace:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    rows = [
        {
            "prompt": [m.model_dump() for m in sample.prompt],
            "completion": [{"role": "assistant", "content": sample.completion}],
        }
        for sample in samples
    ]
    settings = SFTConfig(
        output_dir=str(out),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        max_length=config.max_tokens,
        completion_only_loss=True,
        # As Elenchus trains: in the precision of the weights, all activations kept.
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=usual_device() == "cpu",
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    adapter = LoraConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )

    def train() -> None:
        trainer = SFTTrainer(
            model=load_causal(*base),
            args=settings,
            train_dataset=Dataset.from_list(rows),
            processing_class=load_tokenizer(base.folder),
            peft_config=adapter,
        )
        trainer.remove_callback(PrinterCallback)  # prints where figures are printed
        trainer.train()
        trainer.save_model(str(out))

    learnt = encoding.tokens([encoding.encoded(base.folder, samples)])
    return took(train).pace(learnt * int(config.epochs))
