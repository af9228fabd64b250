"""Decoding in batches: limits, samples, and what a row's company may change."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decoding import decode
from models.pretrained import load_causal
from offline.nano.chat import WEIGHTS

MODEL = load_causal(WEIGHTS).eval()
TOKENS = st.integers(5, 200)
PROMPTS = st.lists(st.lists(TOKENS, min_size=1, max_size=12), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(PROMPTS, st.lists(TOKENS, max_size=30), st.integers(1, 8))
def test_a_batch_continues_each_prompt_as_alone(
    prompts: list[list[int]], begin: list[int], limit: int
) -> None:
    """Whatever they begin with alike."""
    whole = [begin + prompt for prompt in prompts]
    ends = frozenset(range(60))  # so that rows end at different times
    together = decode(MODEL, whole, limit=limit, temperature=0.0, ends=ends, pad=0)
    for prompt, made in zip(whole, together, strict=True):
        (alone,) = decode(MODEL, [prompt], limit=limit, temperature=0.0, ends=ends, pad=0)
        assert made.tokens == alone.tokens and len(made.tokens) <= limit
        assert abs(made.likelihood - alone.likelihood) < 1e-3


def test_samples_of_a_prompt_differ_and_are_less_likely() -> None:
    prompts = [[5, 6, 7, 8]] * 12
    torch.manual_seed(0)
    drawn = decode(MODEL, prompts, limit=6, temperature=3.0, ends=frozenset(), pad=0)
    best = decode(MODEL, prompts, limit=6, temperature=0.0, ends=frozenset(), pad=0)
    assert len({tuple(made.tokens) for made in drawn}) > 6
    assert len({tuple(made.tokens) for made in best}) == 1
    assert all(len(made.tokens) == 6 for made in (*drawn, *best))
    assert min(m.likelihood for m in best) > max(m.likelihood for m in drawn)
