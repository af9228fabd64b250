"""Batched decoding with left padding and a key-value cache, for the nano alone."""

from collections.abc import Sequence
from typing import Any


def pick(logits: Any, temperatures: Any, generators: Sequence[Any]) -> Any:
    """The next token of every row: the best one at temperature 0, else a draw of its own."""
    import torch

    best = logits.argmax(-1)
    for row, generator in enumerate(generators):
        if temperatures[row] > 0:
            odds = torch.softmax(logits[row] / temperatures[row], -1)
            best[row] = torch.multinomial(odds, 1, generator=generator)
    return best


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    limits: Sequence[int],
    temperatures: Sequence[float],
    seeds: Sequence[int],
    pad: int,
    end: int,
) -> list[list[int]]:
    """The continuation of every prompt, without the end token.

    Rows that have ended leave the batch, and every row draws from a generator of its own, so that
    an answer does not depend on the batch it was made in.
    """
    import torch

    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    done: list[list[int]] = [[] for _ in prompts]
    live = list(range(len(prompts)))
    cache = None
    with torch.inference_mode():
        while live:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            out = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            chosen = pick(
                out.logits[:, -1], [temperatures[r] for r in live], [generators[r] for r in live]
            )
            keep = []
            for place, (row, token) in enumerate(zip(live, chosen.tolist(), strict=True)):
                if token != end:
                    done[row].append(token)
                if token != end and len(done[row]) < limits[row]:
                    keep.append(place)
            if len(keep) < len(live):
                index = torch.tensor(keep, dtype=torch.long)
                cache.batch_select_indices(index)
                chosen, mask, live = chosen[index], mask[index], [live[i] for i in keep]
            ids = chosen[:, None]
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], 1)
    return done
