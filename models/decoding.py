"""Decodes in batches: what prompts begin with alike is read once, and rows that end leave.

`generate` of transformers keeps every row until the last one has ended, and answers differ much in
length.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

LEAST_SHARED = 16  # tokens of a beginning that is worth a pass of its own
ROOM = 64  # tokens by which the cache grows
KEPT = 0.7  # share of unfinished rows at which the others leave: copying the cache costs, too


class Wanted(NamedTuple):
    """A prompt's tokens, and how to go on from it: at most `limit` tokens.

    The likeliest ones at temperature 0, else draws that `seed` decides, whatever else is in the
    batch.
    """

    prompt: tuple[int, ...]
    limit: int
    temperature: float = 0.0
    seed: int = 0


class Continuation(NamedTuple):
    """The tokens that follow a prompt, without the end mark.

    `likelihood` is the mean log-likelihood of a token at temperature 1, the end mark included.
    """

    tokens: list[int]
    likelihood: float


def decode(
    model: Any, wanted: Sequence[Wanted], *, ends: frozenset[int], pad: int
) -> list[Continuation]:
    """Continue every prompt up to an end mark, or its limit.

    Args:
        model: a causal language model.
        ends: the tokens that end an answer.
        pad: a token to fill rows up with.
    """
    import torch

    batch = _Batch(model, wanted, pad)
    draws = [random.Random(one.seed) for one in wanted]
    tokens: list[list[int]] = [[] for _ in wanted]
    odds = [0.0] * len(wanted)
    counts = [0] * len(wanted)
    with torch.inference_mode():
        logits = batch.read()
        while batch.rows:
            heat = [wanted[row].temperature for row in batch.rows]
            chosen = _chosen(logits, heat, [draws[row].random() for row in batch.rows])
            likely = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0].tolist()
            for row, token, odd in zip(batch.rows, chosen.tolist(), likely, strict=True):
                if row in batch.finished:
                    continue
                odds[row] += odd
                counts[row] += 1
                if token not in ends:
                    tokens[row].append(token)
                if token in ends or counts[row] >= wanted[row].limit:
                    batch.finished.add(row)
            logits = batch.step(chosen)
    return [
        Continuation(written, odd / count)
        for written, odd, count in zip(tokens, odds, counts, strict=True)
    ]


def written(model: Any, wanted: Wanted, *, ends: frozenset[int], pad: int) -> Iterator[int]:
    """Yield the tokens that follow one prompt as they are chosen, those that `decode` returns.

    Between two of them the model may be asked for something else.
    """
    import torch

    batch, draw = _Batch(model, [wanted], pad), random.Random(wanted.seed)
    with torch.inference_mode():
        logits = batch.read()
    for _ in range(wanted.limit):
        chosen = _chosen(logits, [wanted.temperature], [draw.random()])
        if (token := int(chosen)) in ends:
            return
        yield token
        with torch.inference_mode():
            logits = batch.step(chosen)


class _Batch:
    """The rows under way, and what the model keeps of them.

    Attributes:
        rows: places of the prompts that are still in the batch.
        finished: places of those that are done, some of which are still in it.
    """

    def __init__(self, model: Any, wanted: Sequence[Wanted], pad: int) -> None:
        self._model, self._pad = model, pad
        self._prompts = [one.prompt for one in wanted]
        self._cache = _cache(model.config)
        # Layers that keep a state, instead of their past or beside it, are not copied or cut here.
        self._by_row = all(
            hasattr(one, "batch_select_indices") and not hasattr(one, "conv_states")
            for one in self._cache.layers
        )
        windows = [getattr(one, "sliding_window", None) for one in self._cache.layers]
        longest = max(map(len, self._prompts)) + max(one.limit for one in wanted)
        self._in_sight = longest <= min(filter(None, windows), default=longest)
        self.rows = list(range(len(wanted)))
        self.finished: set[int] = set()
        self._mask: Any = None

    def read(self) -> Any:
        """Read each prompt once; return the logits of what follows, (rows, vocabulary)."""
        import torch

        prompts = list(dict.fromkeys(self._prompts)) if self._by_row else self._prompts
        # What fills up the rests lies behind what is shared, and would take places of a window.
        several = self._by_row and self._in_sight and len(prompts) > 1
        shared = shared_by(prompts) if several else 0
        if shared < LEAST_SHARED:
            shared = 0
        else:
            begin = torch.tensor([prompts[0][:shared]])
            self._forward(begin, torch.ones_like(begin))
            self._cache.batch_repeat_interleave(len(prompts))
        rests = [list(prompt[shared:]) for prompt in prompts]
        width = max(map(len, rests))
        pads = [width - len(rest) for rest in rests]
        ids = torch.tensor([[self._pad] * n + rest for n, rest in zip(pads, rests, strict=True)])
        seen = [[1] * shared + [0] * n + [1] * (width - n) for n in pads]
        logits = self._forward(ids, torch.tensor(seen))
        if len(prompts) == len(self._prompts):
            return logits
        places = {prompt: n for n, prompt in enumerate(prompts)}
        samples = torch.tensor([places[prompt] for prompt in self._prompts], device=logits.device)
        self._keep(samples)
        return logits[samples]

    def step(self, chosen: Any) -> Any:
        """Read one more token of each row; rows that are finished leave when they are many."""
        import torch

        going = [n for n, row in enumerate(self.rows) if row not in self.finished]
        if not going:
            self.rows = []
            return None
        if self._by_row and len(going) <= KEPT * len(self.rows):
            keep = torch.tensor(going, device=chosen.device)
            self._keep(keep)
            chosen = chosen[keep]
            self.rows = [self.rows[n] for n in going]
        one = torch.ones_like(self._mask[:, :1])
        return self._forward(chosen[:, None], torch.cat([self._mask, one], 1))

    def _keep(self, rows: Any) -> None:
        self._cache.batch_select_indices(rows)
        self._mask = self._mask[rows]

    def _forward(self, ids: Any, mask: Any) -> Any:
        device = self._model.device
        self._mask = mask.to(device)
        positions = (self._mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        out = self._model(
            input_ids=ids.to(device),
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float()


def _cache(config: Any) -> Any:
    """Make a cache whose plain layers grow in steps of `ROOM`: each growth copies all they hold."""
    import torch
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    class Growing(DynamicLayer):  # type: ignore[misc]
        room: Any = ()  # keys and values, with places for tokens to come

        def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> Any:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
            held = (self.keys, self.values)
            start, end = held[0].shape[2], held[0].shape[2] + key_states.shape[2]
            # Rows that left, or were repeated, have made copies without room.
            fits = self.room and self.room[0].data_ptr() == held[0].data_ptr()
            if not fits or end > self.room[0].shape[2]:
                self.room = [torch.empty(*old.shape[:2], end + ROOM, old.shape[3],
                                         dtype=old.dtype, device=old.device)
                             for old in held]  # fmt: skip
                for new, old in zip(self.room, held, strict=True):
                    new[:, :, :start] = old
            for new, states in zip(self.room, (key_states, value_states), strict=True):
                new[:, :, start:end] = states
            self.keys, self.values = (new[:, :, :end] for new in self.room)
            return self.keys, self.values

        def batch_select_indices(self, indices: Any) -> None:
            super().batch_select_indices(indices)
            self.room = ()  # else the copy and what was copied are both in memory, in all layers

        def batch_repeat_interleave(self, repeats: int) -> None:
            super().batch_repeat_interleave(repeats)
            self.room = ()

    cache = DynamicCache(config=config)
    cache.layers = [Growing() if type(one) is DynamicLayer else one for one in cache.layers]
    return cache


def shared_by(prompts: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all prompts begin with; of each, one is left."""
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _chosen(logits: Any, temperatures: Sequence[float], draws: Sequence[float]) -> Any:
    """Return the next token of each row; `draws` are from [0, 1), one a row."""
    import torch

    likeliest = logits.argmax(-1)
    if not any(temperatures):
        return likeliest
    heat = torch.tensor(temperatures, device=logits.device)
    shares = torch.softmax(logits / heat.clamp(min=1e-6)[:, None], -1).cumsum(-1)
    places = torch.tensor(draws, device=logits.device) * shares[:, -1]
    drawn = torch.searchsorted(shares, places[:, None], right=True)[:, 0]
    return torch.where(heat > 0, drawn.clamp(max=logits.shape[-1] - 1), likeliest)
