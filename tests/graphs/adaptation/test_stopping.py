"""Stopping rules: functions of the state alone."""

import asyncio
from types import SimpleNamespace

import pytest

from graphs import exams, rewriting
from graphs.adaptation.stopping import (
    failures_below,
    first_of,
    no_gain,
    rounds_reached,
    stopping_rule,
)
from graphs.config import DomainConfig


def state(*shares: float, fresh: int = 100) -> dict:
    failed = [round(share * fresh) for share in shares]
    return {"round": len(shares), "failed": failed, "fresh": [fresh] * len(shares)}


@pytest.mark.parametrize(
    ("rule", "shares", "stops"),
    [
        (rounds_reached(3), (0.5, 0.5), False),
        (rounds_reached(3), (0.5, 0.5, 0.5), True),
        (failures_below(0.1), (), False),
        (failures_below(0.1), (0.05, 0.2), False),
        (failures_below(0.1), (0.5, 0.09), True),
        (no_gain(2), (0.7, 0.7), False),
        (no_gain(2), (0.7, 0.69, 0.68), True),
        (no_gain(2), (0.7, 0.7, 0.5), False),
        (no_gain(2), (0.7, 0.3, 0.3), False),
        (no_gain(2), (1.0, 1.0), False),
        (no_gain(2), (1.0, 1.0, 1.0), True),
    ],
)
def test_rules(rule, shares: tuple[float, ...], stops: bool) -> None:
    assert bool(rule(state(*shares))) is stops


def test_more_questions_make_a_small_gain_significant() -> None:
    assert no_gain(1)(state(0.7, 0.66, fresh=100)) is not None
    assert no_gain(1)(state(0.7, 0.66, fresh=10_000)) is None


def test_the_first_reason_counts() -> None:
    rule = first_of(failures_below(0.9), rounds_reached(1))
    assert "fresh" in rule(state(0.5))
    assert "rounds" in rule(state(0.95))
    assert first_of()(state(0.5)) is None


def test_the_configuration_decides() -> None:
    config = DomainConfig(domain="d", title="t", adaptation={"examples": [10]})
    assert stopping_rule(config)(state(0.9)) == "all 1 rounds are done"


def test_no_rule_decides_about_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sit(*_: object) -> float:
        return 0.5

    monkeypatch.setattr(exams, "sit", sit)
    context = SimpleNamespace(progress=SimpleNamespace(say=lambda text: None))
    learnt = {"round": 1, "adapter": "a", "stopped": "the texts are learnt"}
    update = asyncio.run(rewriting.evaluate(learnt, SimpleNamespace(context=context)))
    assert (learnt | update)["stopped"] == "the texts are learnt"
