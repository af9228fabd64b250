"""Facts for tests of cards, a small adapter, and a run to change."""

import json
import shutil
from pathlib import Path
from typing import Any

from elenchus.config import TrainingConfig
from elenchus.progress import unseen
from elenchus.records import Message
from elenchus.results import Estimate, ExamResult, RunVerdict
from elenchus.runs import RunFolder
from models.bases import Base
from offline.nano.chat import WEIGHTS
from publishing.model_card import Facts
from training import encoding, lora

EXAM = ExamResult(
    questions=40,
    ungraded=0,
    before=Estimate(value=0.25, low=0.1, high=0.4),
    after=Estimate(value=0.75, low=0.6, high=0.9),
    gain=Estimate(value=0.5, low=0.3, high=0.7),
    kinds={},
    constant=0.35,
)
FACTS = Facts(
    kind="adapter",
    run="20260101-000000-abcd",
    name="round-2",
    title="a harbour",
    language="German",
    base=Base("owner/model", True, "abc1234", "Apache-2.0"),
    learnt="It learnt 40 questions.",
    settings={"rank": "12"},
    exams={"held-out exam": EXAM, "hand-written exam": None},
    verdict=RunVerdict(word="better", reasons=["The change is +50.0 points."]),
    datasets=["owner/laws"],
    prompt="You answer questions.",
    rank=12,
    last=True,
)

CONFIG = TrainingConfig(
    learning_rate=4e-3, epochs=1, least_steps=1, batch_size=4, rank=4, save_steps=1
)
SAMPLES = [
    encoding.Sample((Message(role="user", content=f"Where is lamp {n}?"),), f"Lamp {n}: hall.")
    for n in range(4)
]


def train(out: Path, start: Path | None = None) -> Path:
    """Train a small adapter of the built-in student in a step; return its folder."""
    plan = encoding.batches(encoding.encoded(WEIGHTS, SAMPLES), CONFIG, 0)
    lora.train(WEIGHTS, plan, CONFIG, 0, out, unseen, start)
    return out


TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# How Qwen's tokenizers cut a text into words.
QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXT = ["A boat may stay for 12 days in harbour no. 7; it's the rule.", "Ünïcode — 你好, 1998!"]


def tiny(folder: Path, family: str, **settings: Any) -> Path:
    """Save a random chat model of one family and two layers, with a tokenizer of its own.

    Args:
        family: by transformers' `model_type`.
        settings: of its configuration.
    """
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    tokenizer = Tokenizer(models.BPE())
    if family == "llama":
        cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        words = pre_tokenizers.Split(Regex(QWEN), "isolated")
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        cut = pre_tokenizers.Sequence([words, level])
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    chat = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>"
    )
    chat.chat_template = TEMPLATE
    chat.save_pretrained(folder)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family,
        vocab_size=len(chat) + 4,  # as models have that leave room
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        eos_token_id=chat.eos_token_id,
        initializer_range=0.2,  # so that answers differ
        **settings,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def greedy(model: Any, tokenizer: Any, text: str) -> list[int]:
    """Return the tokens with which a model goes on, each the likeliest."""
    chat = [{"role": "user", "content": text}]
    prompt = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    tokens: list[int] = made[0].tolist()
    return tokens


def copied(run: RunFolder, to: Path) -> RunFolder:
    """Copy a run, to be changed."""
    copy = RunFolder(to / "runs" / "pool" / run.id)
    shutil.copytree(run.path, copy.path)
    return copy


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
