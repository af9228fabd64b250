"""The nano's tokenizer: byte-level BPE, lower case, every digit a token of its own.

Text is put in lower case because a topic must have the same tokens at the start of an answer as
within a passage; offline/nano/chat.py puts the capitals back.
"""

import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from offline.language import stock
from offline.nano.chat import WEIGHTS
from offline.training import lessons

VOCABULARY = 2048
SPECIAL = ["<|pad|>", lessons.USER, lessons.ASSISTANT, lessons.END]
_PIECES = r" ?[0-9]| ?[a-z]+| ?[^\sa-z0-9]+|\s+"


def train_tokenizer(folder: Path, seed: int) -> None:
    """Train the tokenizer on lessons and on the bare stock; write it to the folder."""
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_texts(seed), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|pad|>", eos_token=lessons.END, padding_side="left"
    )
    tokenizer.model_max_length = 1024
    template = WEIGHTS / "chat_template.jinja"
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    tokenizer.save_pretrained(folder)


def _texts(seed: int) -> list[str]:
    """Return what the tokenizer is trained on."""
    rng = random.Random(f"tokenizer {seed}")
    stage = lessons.STAGES[0]
    texts = [
        "".join(t for t, _ in lessons.reading(rng, rng.randint(1, 5), stage)) for _ in range(4000)
    ]
    words = stock.THINGS + stock.PAPERS + stock.AMOUNTS + stock.DEEDS + stock.MODIFIERS
    # Without bare words and made-up ones, whole words would be learnt and hardly any pieces.
    for _ in range(40):
        rng.shuffle(words)
        texts.append(" " + " ".join(words))
    texts += [" " + " ".join(stock.nonce(rng) for _ in range(200)) for _ in range(200)]
    return [_plain(text) for text in texts]


def _plain(text: str) -> str:
    for mark in SPECIAL:
        text = text.replace(mark, "\n")
    return text
