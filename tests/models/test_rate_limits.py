"""Rate limits, which errors pass, and prices."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anthropic
import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ollama import ResponseError

from elenchus.config import LimitsConfig
from elenchus.errors import UserError
from models import retries
from models.prices import Prices
from models.protocol import refusal
from models.rate_limits import BURST, ROW, Outcome, RateLimits, Window, _a_minute

ANSWERED, BUSY, BROKEN = Outcome(answered=True), Outcome(busy=True), Outcome()


def run(most: int, busy: list[bool]) -> Window:
    """Make one call after another, each answered or refused."""
    window = Window(most)

    async def all_() -> None:
        for refused in busy:
            window.leave(await window.enter(), BUSY if refused else ANSWERED)

    asyncio.run(all_())
    return window


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=60))
def test_the_window_stays_within_its_bounds(most: int, busy: list[bool]) -> None:
    assert 1 <= run(most, busy).size <= most


def test_a_busy_server_halves_and_successes_in_a_row_double() -> None:
    assert run(64, [True]).size == 32
    assert run(64, [True, True]).size == 16
    assert run(64, [True, True] + [False] * (ROW - 1)).size == 16
    assert run(64, [True, True] + [False] * ROW).size == 32
    assert run(64, [True, True] + [False] * 3 * ROW).size == 64


def test_refusals_of_one_burst_count_once() -> None:
    window = Window(8)

    async def burst() -> None:
        entries = [await window.enter() for _ in range(8)]
        for entry in entries:
            window.leave(entry, BUSY)

    asyncio.run(burst())
    assert window.size == 4


def test_a_call_that_is_cancelled_while_it_waits_leaves_no_gap() -> None:
    window = Window(1)

    async def go() -> None:
        first = await window.enter()
        waiting = [asyncio.create_task(window.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        window.leave(first, ANSWERED)
        second = await waiting[1]
        assert not waiting[2].done(), "one place, one inside"
        window.leave(second, ANSWERED)
        await waiting[2]
        assert waiting[0].cancelled()

    asyncio.run(asyncio.wait_for(go(), 5))


def test_a_broken_connection_is_no_success() -> None:
    window = Window(64)

    async def go() -> None:
        for outcome in [BUSY] + [BROKEN] * 3 * ROW:
            window.leave(await window.enter(), outcome)

    asyncio.run(go())
    assert window.size == 32


async def answered(rates: RateLimits, tokens: int, written: int = 0, within: float = 5.0) -> None:
    """Make one call, which is answered; TimeoutError where it may not begin in time."""
    async with asyncio.timeout(within), rates.slot(tokens) as outcome:
        outcome.answered, outcome.written = True, written


def test_tokens_a_minute_hold_calls_back() -> None:
    rates = RateLimits(LimitsConfig(tokens_per_minute=100))

    async def go() -> None:
        await answered(rates, 9)
        with pytest.raises(TimeoutError):
            await answered(rates, 5, within=0.05)
        assert not rates._window._inside
        # The place of the one that gave up is free again.
        await answered(rates, 0)

    asyncio.run(go())


def test_answers_count_as_tokens_too() -> None:
    rates = RateLimits(LimitsConfig(tokens_per_minute=100))

    async def go() -> None:
        await answered(rates, 1, written=720)
        with pytest.raises(TimeoutError):
            await answered(rates, 1, within=0.05)

    asyncio.run(go())


@given(st.integers(1, 5000))
def test_no_minute_has_more_than_its_share(count: int) -> None:
    """What goes at once and what comes back in a minute, together."""
    limiter = _a_minute(count)
    assert limiter is not None
    back = 60 * limiter.max_rate / limiter.time_period if count > 1 else 0
    assert limiter.max_rate + back == pytest.approx(count)
    assert limiter.max_rate <= max(count / BURST, 1)


def answer(status: int, headers: dict[str, str] | None = None) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError("", request=request, response=response)


@pytest.mark.parametrize(
    ("status", "passes"), [(429, True), (503, True), (400, False), (401, False)]
)
def test_what_passes_by_itself(status: int, passes: bool) -> None:
    assert retries.is_transient(answer(status)) is passes
    assert retries.is_busy(answer(status)) is (status == 429)


def test_a_spent_quota_does_not_pass() -> None:
    error = answer(429)
    error.code = "insufficient_quota"  # as the openai package has it
    assert not retries.is_transient(error)
    assert retries.is_final(error)
    assert not retries.is_final(answer(429))
    assert retries.is_final(answer(402))


def test_errors_that_langchain_lets_through() -> None:
    assert issubclass(ResponseError, retries.failed())
    assert retries.is_transient(ResponseError("loading", 503))
    assert retries.is_final(ResponseError("no such model", 404))
    assert retries.is_transient(httpx.ReadError("cut"))
    assert retries.is_transient(json.JSONDecodeError("half a body", "{", 1))


@pytest.mark.parametrize("package", [openai, anthropic])
@pytest.mark.parametrize(("status", "final"), [(402, True), (409, False), (413, None)])
def test_statuses_that_langchain_does_not_translate(package, status: int, final) -> None:
    error = package.APIStatusError("no", response=answer(status).response, body=None)
    assert isinstance(error, retries.failed())
    assert retries.is_final(error) is (final is True)
    assert retries.is_transient(error) is (final is False)


def test_an_account_that_is_used_up_does_not_pass() -> None:
    message = "Your credit balance is too low to access the Anthropic API."
    response = answer(400).response
    error = anthropic.BadRequestError(message, response=response, body=None)
    assert retries.is_final(error)
    assert not retries.is_transient(error)
    assert not retries.is_final(anthropic.BadRequestError("no", response=response, body=None))


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retries.delay(answer(429, {"Retry-After": "7"}), 0) == 7
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60))
    assert 55 < retries.delay(answer(429, {"Retry-After": later}), 0) <= 60
    assert retries.delay(answer(429, {"Retry-After": "soon"}), 0) <= retries.FIRST
    for absurd in ("Fri, 31 Dec 9999 23:59:59 -1200", "1e400", "nan", "-5", "9999999999"):
        assert retries.delay(answer(429, {"Retry-After": absurd}), 0) <= retries.FIRST
    none = [retries.delay(answer(429, {"Retry-After": "0"}), 9) for _ in range(9)]
    assert max(none) > 1, "nought seconds do not stop the pauses from growing"


@given(st.integers(0, 100_000))
def test_pauses_grow_to_a_bound(tried: int) -> None:
    assert 0 <= retries.delay(ConnectionError(), tried) <= retries.LONGEST


def test_configured_prices_go_before_published_ones() -> None:
    prices = Prices({"openai:gpt-5": LimitsConfig(usd_in=1, usd_out=2), "openai:x": LimitsConfig()})
    assert prices.usd("openai:gpt-5", 1_000_000, 1_000_000) == 3
    assert prices.usd("mock:plain+abc", 10, 10) == 0
    with pytest.raises(UserError, match="openai:x"):
        prices.demand("openai:x")


@pytest.mark.parametrize(
    ("text", "status", "setting"),
    [
        (
            "Unsupported value: 'temperature' does not support 0.0 with this model.",
            400,
            "temperature",
        ),
        ("temperature must be in (0, 2]", 422, "temperature"),
        ("`temperature` is deprecated for this model.", 400, "temperature"),
        ("Extra inputs are not permitted: max_tokens", 400, "max_tokens"),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", 400, "max_tokens"),
        ("max_tokens is too large: 90000. It supports at most 16384.", 400, "max_tokens"),
        ("The maximum context length is 4096, and max_tokens is too large", 400, ""),
        ("This prompt was filtered.", 400, ""),
        ("temperature is too high", 500, ""),
    ],
)
def test_a_setting_that_is_refused_is_named(text: str, status: int, setting: str) -> None:
    error = refusal(status, json.dumps({"error": {"message": text}}))
    assert retries.refused_setting(error, ("temperature", "max_tokens")) == setting
