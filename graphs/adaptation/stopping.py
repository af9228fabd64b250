"""The seam of a stopping rule: when the outer loop ends.

A rule is a function of the state that returns the reason to stop, or None to go on. Rules keep
nothing themselves: whatever they count is in the checkpointed state, so resuming changes no
decision. None looks at the held-out exam, so nothing is chosen on what is reported.

`adaptation.stopping` names the rules of a run. A further one is a function that makes it from a
configuration, and a line here, or an entry point in the group `elenchus.stopping`.
"""

import math
from collections.abc import Callable

from elenchus.plugins import Registry
from graphs.adaptation.config import AdaptationTree
from graphs.adaptation.state import AdaptationState, failure_shares

StoppingRule = Callable[[AdaptationState], str | None]
RULES: Registry[Callable[[AdaptationTree], StoppingRule]] = Registry(
    "stopping rule",
    "elenchus.stopping",
    {
        "failures": "graphs.adaptation.stopping:failures_below",
        "no-gain": "graphs.adaptation.stopping:no_gain",
        "rounds": "graphs.adaptation.stopping:rounds_reached",
    },
)


def failures_below(config: AdaptationTree) -> StoppingRule:
    """Stop when the adapted student fails fewer of the fresh questions than a share."""
    share = config.adaptation.stop_failure_share

    def rule(state: AdaptationState) -> str | None:
        shares = failure_shares(state)
        if shares and shares[-1] < share:
            return f"the student fails {shares[-1]:.0%} of fresh questions, under {share:.0%}"
        return None

    return rule


def no_gain(config: AdaptationTree) -> StoppingRule:
    """Stop when for some rounds the failure share fell by no more than its noise.

    The noise is two standard errors of the difference of the two shares.
    """
    patience = config.adaptation.stop_patience

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


def rounds_reached(config: AdaptationTree) -> StoppingRule:
    """Stop after the last round that has a size."""
    most = len(config.sizes)

    def rule(state: AdaptationState) -> str | None:
        if state["round"] < most:
            return None
        return f"all {most} rounds are done" if most > 1 else "the one round is done"

    return rule


def stopping_rule(config: AdaptationTree) -> StoppingRule:
    """Return the rule of a configuration: the first reason that any of its rules gives.

    No run goes on after its last round.
    """
    names = [*config.adaptation.stopping, "rounds"]
    rules = [RULES.get(name)(config) for name in names]

    def first(state: AdaptationState) -> str | None:
        return next((reason for rule in rules if (reason := rule(state))), None)

    return first
