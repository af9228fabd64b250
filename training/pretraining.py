"""Continued pre-training: texts packed into blocks, learnt whole, by a LoRA or by all weights.

Texts are tokenised once, as they stream by, into a file of tokens; training reads blocks of it as
it needs them, so what is learnt may be larger than memory.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import Advance
from elenchus.records import Message
from elenchus.runs import explained
from models.pretrained import SINGLE, Precision, load, load_tokenizer
from models.templates import rendered
from training import lora
from training.config import PretrainingConfig
from training.encoding import Row

TEXTS_AT_ONCE = 256  # tokenised together
TOKEN = np.uint32
Tokens = NDArray[np.uint32]


def check(weights: Path, config: PretrainingConfig, longest: Sequence[Message], room: int) -> None:
    """Check what would else end a training on these weights, or the exams after it, late.

    Args:
        longest: the longest prompt of an exam; empty for none.
        room: tokens that an answer may have.

    Raises:
        UserError: the tokenizer or the model's context does not allow it.
    """
    from transformers import AutoConfig

    tokenizer = load_tokenizer(weights)
    if tokenizer.eos_token is None:
        raise UserError(f"student.model: the tokenizer in {weights} has no end mark (eos_token)")
    text = load(AutoConfig, weights).get_text_config()
    context = getattr(text, "max_position_embeddings", None)
    if context is None:
        return
    if config.block > context:
        raise UserError(f"pretraining.block is {config.block}: the student reads {context} tokens")
    chat = [message.model_dump() for message in longest]
    prompt = len(rendered(tokenizer, chat, return_dict=False)) if chat else 0
    if prompt + room > context:
        raise UserError(
            f"a prompt of the exam has {prompt} tokens and an answer up to {room}, but the student "
            f"reads {context}: lower pretraining.shots, or the student's max_new_tokens"
        )


def pack(weights: Path, texts: Iterable[str], out: Path, chats: bool = False) -> int:
    """Write the tokens of all texts, each with the model's end mark, to a file; count them.

    A file that is there is whole, and is left as it is. 4 bytes a token. In `chats`, which
    `as_chats` made, marks are the model's own; in other texts they are letters as any others.
    """
    if not out.exists():
        tokenizer = load_tokenizer(weights)
        partial = out.with_name(out.name + ".partial")
        with explained(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                for tokens in _tokenised(tokenizer, texts, chats):
                    file.write(tokens.tobytes())
            partial.rename(out)
    return out.stat().st_size // TOKEN().itemsize


def _tokenised(tokenizer: Any, texts: Iterable[str], chats: bool) -> Iterator[Tokens]:
    """Yield the tokens of each text, with the marks of its begin and end."""
    begin, end = [] if chats else _begin_mark(tokenizer), [tokenizer.eos_token_id]
    stream = iter(texts)
    while batch := list(islice(stream, TEXTS_AT_ONCE)):
        encoded = tokenizer(batch, add_special_tokens=False, split_special_tokens=not chats)
        for text, ids in zip(batch, encoded.input_ids, strict=True):
            ends = chats and text.rstrip().endswith(tokenizer.eos_token)
            yield np.array([*begin, *ids, *([] if ends else end)], TOKEN)


def _begin_mark(tokenizer: Any) -> list[int]:
    """Return the mark that the tokenizer puts before a text by itself, if it does."""
    first = tokenizer("a").input_ids[:1]
    return first if first == [tokenizer.bos_token_id] else []


def as_chats(weights: Path, chats: Iterable[Sequence[Message]]) -> Iterator[str]:
    """Yield chats as texts, by the model's own template."""
    tokenizer = load_tokenizer(weights)
    for chat in chats:
        yield rendered(tokenizer, [m.model_dump() for m in chat], tokenize=False)


def packed(file: Path) -> Tokens:
    """Return the tokens of a packed file, read as they are needed."""
    if not file.stat().st_size:  # an empty file cannot be mapped
        return np.zeros(0, TOKEN)
    return np.memmap(file, TOKEN, "r")


def _file_of(tokens: Tokens) -> Path | None:
    """Return the packed file that tokens are mapped from."""
    name = tokens.filename if isinstance(tokens, np.memmap) else None
    return Path(name) if name else None


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
        self.tokens = sum(len(row["input_ids"]) for row in rows)
        rng = np.random.default_rng(seed)
        entries = [_entries(-1, np.arange(len(rows)))]
        for part, (tokens, wanted) in enumerate(parts):
            blocks = math.ceil(len(tokens) / self._size)
            count = blocks if wanted is None else math.ceil(wanted / self._size)
            places = _repeated(blocks, count, rng)
            entries.append(_entries(part, places))
            self.tokens += int(np.minimum(self._size, len(tokens) - places * self._size).sum())
        self._order: NDArray[np.int64] = rng.permutation(np.concatenate(entries))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is mapped from a file: another process maps it itself."""
        parts = [_file_of(part) or part for part in self._parts]
        return self.__dict__ | {"_parts": parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the files anew."""
        parts = [packed(part) if isinstance(part, Path) else part for part in state["_parts"]]
        self.__dict__.update(state | {"_parts": parts})

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


def _entries(part: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows of a part and a place in it."""
    return np.stack([np.full(len(places), part), places], axis=1)


def _repeated(blocks: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw so many places of blocks: all of them in a random order before any comes again."""
    passes = math.ceil(count / blocks) if blocks else 0
    orders = [rng.permutation(blocks) for _ in range(passes)]
    return np.concatenate([np.zeros(0, np.int64), *orders])[:count]


def train(
    weights: Path,
    plan: Plan,
    config: PretrainingConfig,
    training: TrainingConfig,
    seed: int,
    out: Path,
    advance: Advance,
    start: Path | None = None,
    precision: Precision = SINGLE,
) -> None:
    """Train on the batches of a plan: see `lora.train`, whose learning rate is this section's."""
    own = {"learning_rate": config.learning_rate, "objective": "sft"}  # there are texts alone
    training = training.model_copy(update=own)
    whole = config.weights == "all"
    lora.train(weights, plan, training, seed, out, advance, start, whole, precision=precision)
