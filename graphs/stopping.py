"""When the outer loop ends: small functions of the state, combined with `first_of`.

A rule returns the reason to stop, or None to go on. Rules keep nothing themselves: whatever they
count is in the checkpointed state, so resuming changes no decision. None looks at the held-out
exam, so nothing is chosen on what is reported.
"""

import math
from collections.abc import Callable

from elenchus.config import DomainConfig
from graphs.state import AdaptationState, failure_shares

StoppingRule = Callable[[AdaptationState], str | None]


def rounds_reached(most: int) -> StoppingRule:
    """Stop after a number of rounds."""

    def rule(state: AdaptationState) -> str | None:
        return f"all {most} rounds are done" if state["round"] >= most else None

    return rule


def failures_below(share: float) -> StoppingRule:
    """Stop when the adapted student fails fewer of the fresh questions than `share`."""

    def rule(state: AdaptationState) -> str | None:
        shares = failure_shares(state)
        if shares and shares[-1] < share:
            return f"the student fails {shares[-1]:.0%} of fresh questions, under {share:.0%}"
        return None

    return rule


def no_gain(patience: int) -> StoppingRule:
    """Stop when for `patience` rounds the failure share fell by no more than its noise.

    The noise is two standard errors of the difference of the two shares.
    """

    def rule(state: AdaptationState) -> str | None:
        rounds = list(zip(failure_shares(state), state.get("fresh", []), strict=True))
        if len(rounds) <= patience:
            return None
        (best, n), (recent, m) = min(rounds[:-patience]), min(rounds[-patience:])
        noise = 2 * math.sqrt(best * (1 - best) / n + recent * (1 - recent) / m)
        if best - recent <= noise:  # both are 0 for a student that always fails
            return f"no significant gain in {patience} rounds"
        return None

    return rule


def first_of(*rules: StoppingRule) -> StoppingRule:
    """The first reason that any of the rules gives."""

    def rule(state: AdaptationState) -> str | None:
        return next((reason for each in rules if (reason := each(state))), None)

    return rule


def stopping_rule(config: DomainConfig) -> StoppingRule:
    """The rule that a configuration asks for."""
    settings = config.adaptation
    return first_of(
        failures_below(settings.stop_failure_share),
        no_gain(settings.stop_patience),
        rounds_reached(len(config.sizes)),
    )
