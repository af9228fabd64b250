"""Rates of progress are those of the work done, whenever it is reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.progress import WINDOW, Pace, per_time

GAPS = st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40)


def paced(*reports: tuple[float, int]) -> Pace:
    pace = Pace(0.0)
    for now, done in reports:
        pace.report(now, done)
    return pace


@given(GAPS)
def test_within_the_window_a_rate_is_all_steps_over_all_time(gaps: list[float]) -> None:
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    pace, now = paced(*((at, n) for n, at in enumerate(times, 1))), times[-1] + 1.0
    if now <= WINDOW:
        assert pace.rate(now) == pytest.approx(len(gaps) / now)


def test_a_batch_that_ends_together_took_as_long_as_the_batch() -> None:
    pace = paced(*((19.0, n) for n in range(1, 45)))
    assert pace.rate(19.0) == pytest.approx(44 / 19)
    assert pace.left(19.0, 88) == pytest.approx(19.0)


def test_what_a_resumed_stage_had_done_before_counts_for_nothing() -> None:
    assert paced((2.0, 301), (4.0, 302)).rate(4.0) == pytest.approx(2 / 4)


def test_a_rate_follows_a_change_and_falls_while_nothing_comes() -> None:
    pace = paced(*((n / 10, n) for n in range(1, 100)), (200.0, 100), (230.0, 101), (260.0, 102))
    assert pace.rate(260.0) < 0.05
    assert pace.rate(500.0) < pace.rate(260.0)


def test_nothing_is_said_before_the_first_step() -> None:
    assert Pace(0.0).rate(5.0) == 0.0 and Pace(0.0).left(5.0, 10) is None
    assert paced((1.0, 1)).left(1.0, None) is None


@pytest.mark.parametrize(
    ("rate", "said"), [(44 / 19, "2.3/s"), (250.0, "250/s"), (0.2, "12/min"), (0.001, "3.6/h"),
                       (0.0, "")]
)  # fmt: skip
def test_slow_rates_are_those_of_a_minute_or_an_hour(rate: float, said: str) -> None:
    assert per_time(rate) == said
