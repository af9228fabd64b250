"""Decoding in batches: limits, samples, and what a row's company may change."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decoding import Continuation, Wanted, decode
from models.pretrained import load_causal
from offline.nano.chat import WEIGHTS

MODEL = load_causal(WEIGHTS).eval()
Prompts = list[list[int]]


def continued(
    prompts: Prompts, limit: int, ends: frozenset[int] = frozenset(), heat: float = 0.0
) -> list[Continuation]:
    """Continue prompts, each with its place as the seed."""
    wanted = [Wanted(tuple(prompt), limit, heat, n) for n, prompt in enumerate(prompts)]
    return decode(MODEL, wanted, ends=ends, pad=0)


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
    together = continued(whole, limit, ends)
    for prompt, made in zip(whole, together, strict=True):
        (alone,) = continued([prompt], limit, ends)
        assert made.tokens == alone.tokens and len(made.tokens) <= limit
        assert abs(made.likelihood - alone.likelihood) < 1e-3


def test_samples_of_a_prompt_differ_and_are_less_likely() -> None:
    prompts = [[5, 6, 7, 8]] * 12
    drawn, best = continued(prompts, 6, heat=3.0), continued(prompts, 6)
    assert len({tuple(made.tokens) for made in drawn}) > 6
    assert len({tuple(made.tokens) for made in best}) == 1
    assert all(len(made.tokens) == 6 for made in (*drawn, *best))
    assert min(m.likelihood for m in best) > max(m.likelihood for m in drawn)


def test_draws_depend_on_the_seed_and_not_on_the_batch() -> None:
    one = Wanted((5, 6, 7, 8), 8, 1.5, seed=7)
    others = [Wanted((9, 10, n), n, float(n), n) for n in range(1, 6)]
    (alone,) = decode(MODEL, [one], ends=frozenset(), pad=0)
    *_, together = decode(MODEL, [*others, one], ends=frozenset(), pad=0)
    assert together.tokens == alone.tokens
    assert alone.tokens != decode(MODEL, [one._replace(seed=8)], ends=frozenset(), pad=0)[0].tokens


def test_draws_are_as_frequent_as_they_are_likely() -> None:
    prompt = (5, 6, 7, 8)
    with torch.inference_mode():
        shares = MODEL(torch.tensor([prompt])).logits[0, -1].softmax(-1)
    count = 2000
    made = decode(MODEL, [Wanted(prompt, 1, 1.0, n) for n in range(count)], ends=frozenset(), pad=0)
    drawn = torch.tensor([one.tokens[0] for one in made])
    best = int(shares.argmax())
    assert abs((drawn == best).float().mean() - shares[best]) < 4 * (0.25 / count) ** 0.5
    assert float(shares[drawn].min()) > 1e-6
