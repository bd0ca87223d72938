"""Waits double from the first to the longest, and a success starts them over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hw.backoff import Backoff


def test_the_first_try_waits_for_nothing() -> None:
    assert Backoff(first=0.5, most=30.0).wait(now=1000.0) == 0.0


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, most=3.0)
    waits = []
    for _ in range(5):
        backoff.failed(now=100.0)
        waits.append(backoff.wait(now=100.0))
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_time_that_has_passed_counts() -> None:
    backoff = Backoff(first=2.0, most=30.0)
    backoff.failed(now=100.0)
    assert backoff.wait(now=101.5) == 0.5
    assert backoff.wait(now=200.0) == 0.0


def test_a_success_starts_over() -> None:
    backoff = Backoff(first=0.5, most=30.0)
    for _ in range(4):
        backoff.failed(now=0.0)
    backoff.succeeded()
    assert backoff.wait(now=0.0) == 0.0
    backoff.failed(now=0.0)
    assert backoff.wait(now=0.0) == 0.5


@given(st.lists(st.booleans(), max_size=40), st.floats(0, 1e9))
def test_a_wait_is_never_negative_or_longer_than_the_longest(steps: list[bool], now: float) -> None:
    backoff = Backoff(first=0.5, most=30.0)
    for failed in steps:
        if failed:
            backoff.failed(now)
        else:
            backoff.succeeded()
        assert 0.0 <= backoff.wait(now) <= 30.0 + 1e-6
