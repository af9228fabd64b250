"""Keeps batches within a GPU's memory: where one has no room, its halves are answered in turn."""

import math
from collections.abc import Callable, Sequence

from elenchus.errors import RunStopped
from models.decoding import Continuation, Wanted

Decode = Callable[[Sequence[Wanted]], list[Continuation]]


class Room:
    """What has room at once on a GPU, found out where its memory gives out.

    Attributes:
        most: tokens that a batch may have, as `tokens_of` counts them.
    """

    def __init__(self) -> None:
        self.most = math.inf

    def decoded(self, decode: Decode, batch: Sequence[Wanted]) -> list[Continuation]:
        """Decode a batch, in parts where it must be: an answer does not depend on its batch.

        Raises:
            RunStopped: there is no room for one prompt alone.
        """
        import torch

        try:
            return decode(batch)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise RunStopped(
                    f"the GPU has no memory left for a prompt and its answer, {tokens_of(batch)} "
                    "tokens together: end other programs on it and resume, or launch again with "
                    "--reuse and a smaller model, or with four_bit=true or fewer max_new_tokens in "
                    "the options of its role"
                ) from error
        # Outside of the handler: its error holds what the batch had taken.
        self.most = min(self.most, tokens_of(batch) / 2)
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return [*self.decoded(decode, batch[:half]), *self.decoded(decode, batch[half:])]


def tokens_of(batch: Sequence[Wanted]) -> int:
    """Return the tokens that a batch comes to at most: all its rows are as long as the longest."""
    return len(batch) * max(len(one.prompt) + one.limit for one in batch)
