"""Batched decoding for the nano: left padding, one preallocated key-value cache, fused matrices.

With a model as small as this one, a general `generate` spends two thirds of its time on growing its
cache. The forward pass below is that of a Llama, written out for decoding only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class _Layer:
    """A block's weights, transposed: queries, keys and values in one matrix, gate and up too."""

    norm: Any
    qkv: Any
    out: Any
    mlp_norm: Any
    gate_up: Any
    down: Any


class Decoder:
    """A LlamaForCausalLM made ready for decoding.

    Raises:
        ValueError: it has grouped queries.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        if config.num_key_value_heads != config.num_attention_heads:
            raise ValueError("grouped queries are not supported: the nano has none")
        self.heads = int(config.num_attention_heads)
        self.size = int(config.hidden_size) // self.heads
        self.eps = float(config.rms_norm_eps)
        self.embedding = model.model.embed_tokens.weight.detach()
        self.head = model.lm_head.weight.detach().T
        self.norm = model.model.norm.weight.detach()
        self.frequencies = model.model.rotary_emb.inv_freq.detach()
        self.layers = [_layer(block) for block in model.model.layers]

    def logits(self, ids: Any, positions: Any, mask: Any, cache: Any, start: int) -> Any:
        """Return the logits after the last token of each row: [rows, vocabulary].

        Args:
            ids: the new tokens, [rows, tokens].
            positions: theirs in the row, [rows, tokens].
            mask: [rows, 1, tokens, start + tokens], True where a token is seen.
            cache: [layers, 2, rows, heads, most tokens, size]; keys and values are put in.
            start: the number of tokens that the cache holds.
        """
        rows, count = ids.shape
        hidden = self.embedding[ids]
        angles = (positions[..., None] * self.frequencies).repeat(1, 1, 2)[:, :, None]
        cos, sin = angles.cos(), angles.sin()
        for layer, (keys, values) in zip(self.layers, cache, strict=True):
            mixed = self._norm(hidden, layer.norm) @ layer.qkv
            query, key, value = mixed.view(rows, count, 3, self.heads, self.size).unbind(2)
            keys[:, :, start : start + count] = _rotate(key, cos, sin).transpose(1, 2)
            values[:, :, start : start + count] = value.transpose(1, 2)
            attended = functional.scaled_dot_product_attention(
                _rotate(query, cos, sin).transpose(1, 2),
                keys[:, :, : start + count],
                values[:, :, : start + count],
                attn_mask=mask,
            )
            hidden = hidden + attended.transpose(1, 2).reshape(rows, count, -1) @ layer.out
            gate, up = (self._norm(hidden, layer.mlp_norm) @ layer.gate_up).chunk(2, -1)
            hidden = hidden + (functional.silu(gate) * up) @ layer.down
        return self._norm(hidden[:, -1], self.norm) @ self.head

    def _norm(self, hidden: Any, weight: Any) -> Any:
        return hidden * (hidden.square().mean(-1, keepdim=True) + self.eps).rsqrt() * weight


def _layer(block: Any) -> _Layer:
    attention, mlp = block.self_attn, block.mlp

    def fused(*parts: Any) -> Any:
        return torch.cat([part.weight.detach() for part in parts]).T.contiguous()

    return _Layer(
        block.input_layernorm.weight.detach(),
        fused(attention.q_proj, attention.k_proj, attention.v_proj),
        fused(attention.o_proj),
        block.post_attention_layernorm.weight.detach(),
        fused(mlp.gate_proj, mlp.up_proj),
        fused(mlp.down_proj),
    )


def _rotate(heads: Any, cos: Any, sin: Any) -> Any:
    left, right = heads.chunk(2, -1)
    return heads * cos + torch.cat([-right, left], -1) * sin


def pick(logits: Any, temperatures: Sequence[float], generators: Sequence[Any]) -> Any:
    """Choose the next token of every row: the best one at temperature 0, else a draw."""
    tokens = logits.argmax(-1)
    for row, generator in enumerate(generators):
        if temperatures[row] > 0:
            odds = torch.softmax(logits[row] / temperatures[row], -1)
            tokens[row] = torch.multinomial(odds, 1, generator=generator)
    return tokens


def decode(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    limits: Sequence[int],
    temperatures: Sequence[float],
    seeds: Sequence[int],
    pad: int,
    end: int,
) -> list[tuple[list[int], float]]:
    """Return the continuation of every prompt, without the end token, and its likelihood.

    That is the mean log-likelihood of a token, the end token included, at temperature 1.

    Every row draws from a generator of its own, so that an answer does not depend on the batch
    that it was made in.
    """
    width = max(map(len, prompts))
    pads = torch.tensor([width - len(prompt) for prompt in prompts])
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    shape = (len(prompts), decoder.heads, width + max(limits), decoder.size)
    cache = torch.empty(len(decoder.layers), 2, *shape)
    continuations: list[list[int]] = [[] for _ in prompts]
    likelihoods = [0.0] * len(prompts)
    rows, unfinished, start = list(range(len(prompts))), set(range(len(prompts))), 0
    with torch.inference_mode():
        while unfinished:
            mask, positions = _sight(pads, start, ids.shape[1])
            logits = decoder.logits(ids, positions, mask, cache, start)
            start += ids.shape[1]
            chosen = pick(logits, [temperatures[r] for r in rows], [generators[r] for r in rows])
            odds = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0].tolist()
            tokens = chosen.tolist()
            for row, token, odd in zip(rows, tokens, odds, strict=True):
                if row not in unfinished:
                    continue
                likelihoods[row] += odd
                if token != end:
                    continuations[row].append(token)
                if token == end or len(continuations[row]) >= limits[row]:
                    likelihoods[row] /= len(continuations[row]) + (token == end)
                    unfinished.discard(row)
            if len(unfinished) <= 0.7 * len(rows):  # copying the cache pays for many rows only
                keep = [place for place, row in enumerate(rows) if row in unfinished]
                cache, pads = cache[:, :, keep], pads[keep]
                rows, tokens = [rows[i] for i in keep], [tokens[i] for i in keep]
            ids = torch.tensor(tokens)[:, None]
    return list(zip(continuations, likelihoods, strict=True))


def _sight(pads: Any, start: int, count: int) -> tuple[Any, Any]:
    """Return what each new token sees, and its position, in rows padded on the left.

    Args:
        pads: the number of pad tokens of each row.
    """
    columns = torch.arange(start + count)
    times = torch.arange(start, start + count)
    causal = columns[None, :] <= times[:, None]
    mask = causal[None] & (columns[None, None, :] >= pads[:, None, None])
    # A pad token sees itself: a row that sees nothing would turn into NaN.
    mask = mask | (columns[None, :] == times[:, None])[None]
    positions = (times[None, :] - pads[:, None]).clamp(min=0)
    return mask[:, None], positions
