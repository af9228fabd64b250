"""Stopping rules: functions of the state alone."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from elenchus.errors import UserError
from graphs import exams
from graphs.adaptation.config import AdaptationTree
from graphs.adaptation.stopping import (
    StoppingRule,
    failures_below,
    no_gain,
    rounds_reached,
    stopping_rule,
)
from graphs.rewriting import graph as rewriting


def config(rounds: int = 3, **adaptation: Any) -> AdaptationTree:
    sizes = tuple(range(10, 10 * rounds + 1, 10))
    return AdaptationTree(domain="d", title="t", adaptation={"examples": sizes, **adaptation})


def state(*shares: float, fresh: int = 100) -> dict:
    failed = [round(share * fresh) for share in shares]
    return {"round": len(shares), "failed": failed, "fresh": [fresh] * len(shares)}


ROUNDS = rounds_reached(config(3))
FAILURES = failures_below(config(stop_failure_share=0.1))
NO_GAIN = no_gain(config(stop_patience=2))


@pytest.mark.parametrize(
    ("rule", "shares", "stops"),
    [
        (ROUNDS, (0.5, 0.5), False),
        (ROUNDS, (0.5, 0.5, 0.5), True),
        (FAILURES, (), False),
        (FAILURES, (0.05, 0.2), False),
        (FAILURES, (0.5, 0.09), True),
        (NO_GAIN, (0.7, 0.7), False),
        (NO_GAIN, (0.7, 0.69, 0.68), True),
        (NO_GAIN, (0.7, 0.7, 0.5), False),
        (NO_GAIN, (0.7, 0.3, 0.3), False),
        (NO_GAIN, (1.0, 1.0), False),
        (NO_GAIN, (1.0, 1.0, 1.0), True),
    ],
)
def test_rules(rule: StoppingRule, shares: tuple[float, ...], stops: bool) -> None:
    assert bool(rule(state(*shares))) is stops


def test_more_questions_make_a_small_gain_significant() -> None:
    rule = no_gain(config(stop_patience=1))
    assert rule(state(0.7, 0.66, fresh=100)) is not None
    assert rule(state(0.7, 0.66, fresh=10_000)) is None


def test_the_first_reason_counts() -> None:
    rule = stopping_rule(config(1, stopping=["failures"], stop_failure_share=0.9))
    assert "fresh" in rule(state(0.5))
    assert "done" in rule(state(0.95))


def test_the_configuration_decides() -> None:
    assert stopping_rule(config(1))(state(0.9)) == "the one round is done"
    assert stopping_rule(config(2, stopping=[]))(state(0.05)) is None
    with pytest.raises(UserError, match="no stopping rule 'failure'; did you mean 'failures'"):
        stopping_rule(config(stopping=["failure"]))


def test_no_rule_decides_about_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_exam(*_: object) -> float:
        return 0.5

    monkeypatch.setattr(exams, "run_exam", run_exam)
    run = SimpleNamespace(progress=SimpleNamespace(say=lambda text: None))
    monkeypatch.setattr(rewriting, "services", lambda runtime: run)
    learnt = {"round": 1, "adapter": "a", "stopped": "the texts are learnt"}
    update = asyncio.run(rewriting.evaluate(learnt, SimpleNamespace()))
    assert (learnt | update)["stopped"] == "the texts are learnt"
