"""Caps hold with many calls under way, and whatever is killed."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.config import BudgetConfig
from elenchus.errors import RunStopped
from elenchus.ledger import Call, Ledger
from models.budget import Budget

WIDE = 64  # calls that want to be under way at a time


def spent(caps: BudgetConfig, mean: int, seed: int, ledger: Ledger | None = None) -> Budget:
    """Ask until a cap is reached, with answers of many lengths; return the budget."""
    draw = random.Random(seed)
    budget = Budget(caps, price=lambda model, read, written: (read + written) / 1e4)

    async def ask() -> None:
        for _ in range(400):
            async with budget.spending("expert", "m", 300) as (_, spend):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                written = round(draw.expovariate(1 / mean))
                spend(
                    Call(id="m", role="expert", task="t", model="m", prompt_sha256="", request="",
                         input_tokens=draw.randint(200, 500), output_tokens=written)
                )  # fmt: skip

    async def all_ask() -> None:
        outcomes = await asyncio.gather(*(ask() for _ in range(WIDE)), return_exceptions=True)
        assert all(isinstance(one, RunStopped) for one in outcomes)

    asyncio.run(all_ask())
    return budget


@given(st.integers(20, 2000), st.integers(0, 10_000))
def test_tokens_and_usd_go_beyond_their_cap_by_little(mean: int, seed: int) -> None:
    most = 300 * (mean + 350)
    total = spent(BudgetConfig(tokens=most), mean, seed).total
    assert 0.9 * most <= total.tokens <= 1.05 * most
    total = spent(BudgetConfig(usd=most / 1e4), mean, seed).total
    assert 0.9 * most / 1e4 <= total.usd <= 1.05 * most / 1e4


def test_a_cap_of_a_role_holds_it_alone() -> None:
    caps = BudgetConfig.model_validate({"roles": {"expert": {"tokens": 50_000}}})
    assert spent(caps, 200, 0).total.tokens <= 1.05 * 50_000


def test_a_cap_below_one_call_lets_none_begin() -> None:
    async def ask() -> None:
        async with Budget(BudgetConfig(tokens=100)).spending("expert", "m", 300):
            raise AssertionError("no call begins")

    with pytest.raises(RunStopped, match=r"0 of 100\); another call may go beyond it"):
        asyncio.run(ask())


def test_calls_that_a_kill_cost_are_counted(tmp_path: Path) -> None:
    """Four kills with thirty calls under way each: the cap of ninety lets no more begin."""
    begun = 0
    for _ in range(4):
        ledger = Ledger(tmp_path / "ledger.sqlite")
        budget = Budget(BudgetConfig(calls=90), ledger.answered(), ledger.unanswered())

        async def begin(ledger: Ledger = ledger, budget: Budget = budget) -> int:
            count = 0
            for _ in range(30):
                way = budget.spending("expert", "m", 10)
                try:
                    expected, _ = await way.__aenter__()
                except RunStopped:
                    break
                ledger.send("expert", "m", expected.read, expected.written)
                count += 1  # and never answered: the process is killed
            return count

        begun += asyncio.run(begin())
        ledger.close()
    assert begun == 90
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert [(one.calls, one.input_tokens) for one in ledger.spent()] == [(90, 900)]
    assert ledger.usage() == (0, 0)
    ledger.close()


def answer(number: int, read: int, written: int) -> Call:
    return Call(id=f"m{number}", role="expert", task="t", model="m", prompt_sha256="", request="",
                input_tokens=read, output_tokens=written)  # fmt: skip


def test_a_resumed_run_knows_how_long_answers_are(ledger: Ledger) -> None:
    for number in range(100):
        ledger.write_call(answer(number, 300, 2000))

    async def expected() -> int:
        async with Budget(None, ledger.answered()).spending("expert", "m", 300) as (about, _):
            return about.written

    assert 1.0 <= asyncio.run(expected()) / 2000 <= 1.3


def test_what_a_kill_cost_is_told_by_later_answers(ledger: Ledger) -> None:
    """Ten calls were under way when nothing was known of answers, which have 2,000 tokens each."""
    for _ in range(10):
        ledger.send("expert", "m", 300, 250)
    most, begun = 100_000, 0

    async def ask() -> None:
        nonlocal begun
        budget = Budget(BudgetConfig(tokens=most), ledger.answered(), ledger.unanswered())
        while True:
            async with budget.spending("expert", "m", 300) as (_, spend):
                begun += 1
                spend(answer(begun, 300, 2000))

    with pytest.raises(RunStopped, match=r"budget.tokens is used up"):
        asyncio.run(ask())
    assert 0.9 * most <= (10 + begun) * 2300 <= most


def paid_with_kills(caps: BudgetConfig, mean: int, draw: random.Random, path: Path) -> int:
    """Ask until a cap is reached, killed four times on the way; return the tokens paid for."""
    paid = sent = answered = 0
    kills = [*sorted(draw.uniform(0, 400) for _ in range(4)), float("inf"), float("inf")]
    for kill in kills:
        ledger = Ledger(path)
        budget = Budget(caps, ledger.answered(), ledger.unanswered())

        async def ask(kill: float = kill, ledger: Ledger = ledger, budget: Budget = budget) -> None:
            nonlocal paid, sent, answered
            while answered < kill:
                async with budget.spending("expert", "m", 300) as (about, spend):
                    number = ledger.send("expert", "m", about.read, about.written)
                    sent += 1
                    call = answer(sent, draw.randint(200, 500), round(draw.expovariate(1 / mean)))
                    paid += call.input_tokens + call.output_tokens
                    for _ in range(draw.randint(1, 6)):
                        await asyncio.sleep(0)
                    if answered >= kill:
                        return
                    ledger.write_call(call, number)
                    spend(call)
                    answered += 1

        async def all_ask() -> None:
            await asyncio.gather(*(ask() for _ in range(WIDE // 2)), return_exceptions=True)

        asyncio.run(all_ask())
        ledger.close()
    return paid


@pytest.mark.parametrize("mean", [50, 500, 4000])
def test_a_cap_holds_over_kills(mean: int, tmp_path: Path) -> None:
    """Each kill costs up to 32 calls, of the 500 or so that the cap has room for."""
    most = 500 * (mean + 350)
    caps = BudgetConfig(tokens=most)
    shares = [
        paid_with_kills(caps, mean, random.Random(seed), tmp_path / f"{seed}.sqlite") / most
        for seed in range(5)
    ]
    assert min(shares) >= 0.9 and max(shares) <= 1.08
    assert sum(shares) / len(shares) <= 1.02


def test_what_is_answered_or_refused_is_no_more_under_way(ledger: Ledger) -> None:
    ledger.withdraw(ledger.send("expert", "m", 10, 20))
    assert ledger.spent() == []
    call = Call(id="m", role="expert", task="t", model="m", prompt_sha256="", request="",
                input_tokens=5, output_tokens=6)  # fmt: skip
    ledger.write_call(call, ledger.send("expert", "m", 10, 20))
    (one,) = ledger.spent()
    assert (one.calls, one.input_tokens, one.output_tokens) == (1, 5, 6)
