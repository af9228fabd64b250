"""Keeps batches within a GPU's memory: where one has no room, its halves are done in turn."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from elenchus.errors import RunStopped
from models.decoding import Wanted

One = TypeVar("One")
Made = TypeVar("Made")


class Room(Generic[One]):
    """What has room at once on a GPU, found out where its memory gives out.

    Attributes:
        most: tokens that a batch may have, as `tokens_of` counts them.
    """

    def __init__(self, tokens_of: Callable[[Sequence[One]], int]) -> None:
        self.most = math.inf
        self._tokens_of = tokens_of

    def done(self, do: Callable[[Sequence[One]], list[Made]], batch: Sequence[One]) -> list[Made]:
        """Do a batch, in parts where it must be: what is made of one does not depend on others.

        Raises:
            RunStopped: there is no room for one alone.
        """
        import torch

        if len(batch) == 1:
            with enough(self._tokens_of(batch)):
                return do(batch)
        try:
            return do(batch)
        except torch.OutOfMemoryError:
            pass  # the halves are done below, where no error holds on to what the batch had taken
        self.most = min(self.most, self._tokens_of(batch) / 2)
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return [*self.done(do, batch[:half]), *self.done(do, batch[half:])]


@contextlib.contextmanager
def enough(tokens: int) -> Iterator[None]:
    """Say how to go on where a model has no room on the GPU for one prompt and its answer.

    Raises:
        RunStopped: the GPU's memory gave out.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunStopped(
            f"the GPU has no memory left for a prompt and its answer, {tokens} tokens together: "
            "end other programs on it and go on, or launch again with --reuse and a smaller "
            "model, or with four_bit=true or fewer max_new_tokens in the options of its role"
        ) from error


def tokens_of(batch: Sequence[Wanted]) -> int:
    """Return the tokens that a batch comes to at most: all its rows are as long as the longest."""
    return len(batch) * max(len(one.prompt) + one.limit for one in batch)


def kept_bytes(model: Any) -> int:
    """Return the bytes of keys and values that a model keeps of a token, in all its layers."""
    text = model.config.get_text_config()
    heads = getattr(text, "num_attention_heads", None) or 1
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    kept = getattr(text, "num_key_value_heads", None) or heads
    return int(2 * text.num_hidden_layers * kept * width * model.dtype.itemsize)
