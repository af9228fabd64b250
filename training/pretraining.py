"""Continued pre-training: texts packed into blocks, learnt whole, by a LoRA or by all weights.

Texts are tokenised once, as they stream by, into a file of tokens; training reads blocks of it as
it needs them, so what is learnt may be larger than memory.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.records import Message
from elenchus.runs import explained
from models.pretrained import load
from models.templates import rendered
from training import lora
from training.config import PretrainingConfig
from training.lora import Row

AT_ONCE = 256  # texts tokenised together
TOKEN = np.uint32
Tokens = NDArray[np.uint32]


def check(weights: Path, config: PretrainingConfig, longest: Sequence[Message], room: int) -> None:
    """Find what would end a training on these weights, or the exams after it, late.

    Args:
        longest: the longest prompt of an exam; empty for none.
        room: tokens that an answer may have.

    Raises:
        UserError: the tokenizer or the model's context does not allow it.
    """
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = load(AutoTokenizer, weights)
    if tokenizer.eos_token is None:
        raise UserError(f"student.model: the tokenizer in {weights} has no end mark (eos_token)")
    context = getattr(load(AutoConfig, weights), "max_position_embeddings", None)
    if context is None:
        return
    if config.block > context:
        raise UserError(f"pretraining.block is {config.block}: the student reads {context} tokens")
    chat = [message.model_dump() for message in longest]
    read = len(rendered(tokenizer, chat, return_dict=False)) if chat else 0
    if read + room > context:
        raise UserError(
            f"a prompt of the exam has {read} tokens and an answer up to {room}, but the student "
            f"reads {context}: lower pretraining.shots, or the student's max_new_tokens"
        )


def pack(weights: Path, texts: Iterable[str], out: Path, chats: bool = False) -> int:
    """Write the tokens of all texts, each with the model's end mark, to a file; how many they are.

    A file that is there is whole, and is left as it is. 4 bytes a token. In `chats`, which
    `as_chats` made, marks are the model's own; in other texts they are letters as any others.
    """
    from transformers import AutoTokenizer

    if not out.exists():
        tokenizer = load(AutoTokenizer, weights)
        begin = [] if chats else _beginning(tokenizer)
        partial = out.with_name(out.name + ".partial")
        with explained(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                stream = iter(texts)
                while some := list(islice(stream, AT_ONCE)):
                    made = tokenizer(
                        some, add_special_tokens=False, split_special_tokens=not chats
                    ).input_ids
                    for text, ids in zip(some, made, strict=True):
                        closed = chats and text.rstrip().endswith(tokenizer.eos_token)
                        end = [] if closed else [tokenizer.eos_token_id]
                        file.write(np.array([*begin, *ids, *end], TOKEN).tobytes())
            partial.rename(out)
    return out.stat().st_size // TOKEN().itemsize


def _beginning(tokenizer: Any) -> list[int]:
    """The mark that the tokenizer puts before a text by itself, if it does."""
    made: list[int] = tokenizer("a").input_ids
    return [tokenizer.bos_token_id] if made[:1] == [tokenizer.bos_token_id] else []


def as_chats(weights: Path, chats: Iterable[Sequence[Message]]) -> Iterator[str]:
    """Chats as texts, by the model's own template."""
    from transformers import AutoTokenizer

    tokenizer = load(AutoTokenizer, weights)
    for chat in chats:
        yield rendered(tokenizer, [m.model_dump() for m in chat], tokenize=False)


def packed(file: Path) -> Tokens:
    """The tokens of a packed file, read as they are needed."""
    if not file.stat().st_size:  # which cannot be mapped
        return np.zeros(0, TOKEN)
    return np.memmap(file, TOKEN, "r")


class Plan(Sequence[list[Row]]):
    """The batches of a training: blocks of packed texts and whole rows, in a random order.

    Args:
        parts: packed texts, with the tokens to see of each; None to see all of it once. A text is
            seen as often as that takes, in another order each time.
        rows: samples that are mixed in, each once.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Tokens, int | None]],
        rows: Sequence[Row],
        config: PretrainingConfig,
        seed: int,
    ) -> None:
        self._rows, self._size, self._batch = list(rows), config.block, config.batch_size
        self._parts = [tokens for tokens, _ in parts]
        rng = np.random.default_rng(seed)
        drawn = [np.stack([np.full(len(rows), -1), np.arange(len(rows))], axis=1)]
        for place, (tokens, wanted) in enumerate(parts):
            blocks = math.ceil(len(tokens) / self._size)
            many = blocks if wanted is None else math.ceil(wanted / self._size)
            order = _repeated(blocks, many, rng)
            drawn.append(np.stack([np.full(len(order), place), order], axis=1))
        self._order: NDArray[np.int64] = rng.permutation(np.concatenate(drawn))
        self.tokens = sum(self._length(*entry) for entry in self._order.tolist())

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch)

    def __getitem__(self, step: Any) -> Any:
        if step >= len(self):
            raise IndexError(step)
        start = step * self._batch
        return [self._row(*entry) for entry in self._order[start : start + self._batch].tolist()]

    def _row(self, part: int, place: int) -> Row:
        if part < 0:
            return self._rows[place]
        block = self._parts[part][place * self._size : (place + 1) * self._size].tolist()
        return {"input_ids": block, "labels": block}

    def _length(self, part: int, place: int) -> int:
        if part < 0:
            return len(self._rows[place]["input_ids"])
        return min(self._size, len(self._parts[part]) - place * self._size)


def _repeated(blocks: int, many: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """So many places of blocks: all of them in a random order before any comes again."""
    if not blocks:
        return np.zeros(0, np.int64)
    passes = [rng.permutation(blocks) for _ in range(math.ceil(many / blocks))]
    return np.concatenate([*passes, np.zeros(0, np.int64)])[:many]


def train(
    weights: Path,
    plan: Plan,
    config: PretrainingConfig,
    training: TrainingConfig,
    seed: int,
    out: Path,
    progress: Callable[[int, int], None],
    start: Path | None = None,
) -> None:
    """Train on the batches of a plan, a step each; a LoRA or a whole model appears at `out`.

    It goes on from what lies at `start`, where that is given, else from the weights. A training
    that was stopped goes on from its last checkpoint. `progress` is told steps done and to do.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    tokenizer = load(AutoTokenizer, weights)
    whole = config.weights == "all"
    set_seed(seed)
    base = start if whole and start is not None else weights
    model = load(AutoModelForCausalLM, base, dtype=torch.float32, use_safetensors=True)
    if not whole:
        model = lora.with_lora(model, training, "CAUSAL_LM", start)
    settings = training.model_copy(update={"learning_rate": config.learning_rate})
    padding = lora.Padding(lora.pad_token(tokenizer))
    lora.fit(model, plan, padding, settings, seed, out, progress)
    if whole:
        with explained(out.parent):
            tokenizer.save_pretrained(lora.partial(out))
    lora.finish(out)
