"""How fast a student answers and learns, beside plain transformers and TRL on the same machine."""

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
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
from models.pretrained import load_causal, load_tokenizer
from models.templates import rendered
from training import encoding, lora
from training.encoding import Sample

PLAIN_BATCH = 16  # prompts of a batch of plain `generate`
MB = 1024  # kilobytes, in which Linux counts


class Trained(NamedTuple):
    """What a training came to: tokens learnt in a CPU second, and the peak of its memory, in MB."""

    tokens_per_cpu_second: float
    peak_mb: float


def answering(base: Base, limit: int, prompts: Sequence[tuple[Message, ...]]) -> dict[str, float]:
    """Return the answers that a student gives in a CPU second, and their ratio to `generate`."""
    import torch

    tokenizer, model = load_tokenizer(base.folder), load_causal(*base).eval()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    chats = [[m.model_dump() for m in messages] for messages in prompts]
    began = time.process_time()
    answered(model, tokenizer, [Wanted(prompt_of(tokenizer, chat), limit) for chat in chats])
    ours = len(prompts) / (time.process_time() - began)
    texts = [rendered(tokenizer, c, tokenize=False, add_generation_prompt=True) for c in chats]
    began = time.process_time()
    for start in range(0, len(texts), PLAIN_BATCH):
        batch = tokenizer(texts[start : start + PLAIN_BATCH], return_tensors="pt", padding=True,
                          padding_side="left", add_special_tokens=False)  # fmt: skip
        with torch.inference_mode():
            model.generate(**batch, max_new_tokens=limit, do_sample=False)
    plain = len(prompts) / (time.process_time() - began)
    return {
        "answers_per_cpu_second": round(ours, 3),
        "answers_over_generate": round(ours / plain, 2),
    }


def training_beside_trl(
    base: Base, samples: Sequence[Sample], config: TrainingConfig
) -> dict[str, float]:
    """Train one pass by Elenchus and by TRL's SFTTrainer, each in a process of its own.

    Raises:
        UserError: TRL is not installed.
    """
    if not find_spec("trl"):
        raise UserError("the comparison needs TRL: pip install trl")
    config = config.model_copy(update={"epochs": 1.0, "least_steps": 1})
    ours, theirs = (_apart(train, base, samples, config) for train in (_ours, _trls))
    ratio = ours.tokens_per_cpu_second / theirs.tokens_per_cpu_second
    return {
        "tokens_per_cpu_second_over_trl": round(ratio, 2),
        "peak_mb": round(ours.peak_mb),
        "peak_mb_of_trl": round(theirs.peak_mb),
    }


def _apart(
    train: Callable[[Base, Sequence[Sample], TrainingConfig, Path], float],
    base: Base,
    samples: Sequence[Sample],
    config: TrainingConfig,
) -> Trained:
    """Train in a new process, so that the peak of its memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool, TemporaryDirectory() as folder:
        speed = pool.submit(train, base, samples, config, Path(folder) / "out").result()
        return Trained(speed, pool.submit(_peak).result())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB


def _ours(base: Base, samples: Sequence[Sample], config: TrainingConfig, out: Path) -> float:
    began = time.process_time()
    plan = encoding.batches(encoding.encoded(base.folder, samples), config, 0)
    lora.train(base.folder, plan, config, 0, out, unseen, precision=base.precision)
    return encoding.tokens(plan) / (time.process_time() - began)


def _trls(base: Base, samples: Sequence[Sample], config: TrainingConfig, out: Path) -> float:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    began = time.process_time()
    rows = [
        {
            "prompt": [m.model_dump() for m in sample.prompt],
            "completion": [{"role": "assistant", "content": sample.completion}],
        }
        for sample in samples
    ]
    settings = SFTConfig(
        output_dir=str(out),
        num_train_epochs=1,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        max_length=config.max_tokens,
        completion_only_loss=True,
        # As Elenchus trains: in the precision of the weights, all activations kept.
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    adapter = LoraConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    trainer = SFTTrainer(
        model=load_causal(*base),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(base.folder),
        peft_config=adapter,
    )
    trainer.train()
    trainer.save_model(str(out))
    learnt = encoding.tokens([encoding.encoded(base.folder, samples)])
    return learnt / (time.process_time() - began)
