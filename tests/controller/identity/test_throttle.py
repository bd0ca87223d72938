"""Guessing is slow, stops nobody else, and costs the guesser's memory, not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.identity.throttle import (
    SOURCE_BURST,
    SOURCE_PER_SECOND,
    Throttle,
    source_of,
)

ONE, OTHER = "192.0.2.1", "192.0.2.2"


def fill(throttle: Throttle, source: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.count(source, now)


class TestOneSource:
    def test_a_few_mistakes_cost_nothing(self) -> None:
        throttle = Throttle()
        fill(throttle, ONE, int(SOURCE_BURST) - 1)
        assert throttle.wait(ONE, 0.0) == 0

    def test_then_every_try_must_wait(self) -> None:
        throttle = Throttle()
        fill(throttle, ONE, int(SOURCE_BURST))
        wait = throttle.wait(ONE, 0.0)
        assert wait == pytest.approx(1 / SOURCE_PER_SECOND)
        assert throttle.wait(ONE, wait - 1) > 0
        assert throttle.wait(ONE, wait + 0.001) == 0

    def test_others_do_not_wait(self) -> None:
        throttle = Throttle()
        fill(throttle, ONE, 50)
        assert throttle.wait(OTHER, 0.0) == 0

    def test_going_on_makes_it_longer(self) -> None:
        throttle = Throttle()
        fill(throttle, ONE, 20)
        assert throttle.wait(ONE, 0.0) == pytest.approx(11 / SOURCE_PER_SECOND)

    def test_a_clock_that_steps_back_frees_nobody(self) -> None:
        throttle = Throttle()
        fill(throttle, ONE, 20, now=100.0)
        assert throttle.wait(ONE, 0.0) == pytest.approx(11 / SOURCE_PER_SECOND)

    @given(gaps=st.lists(st.floats(0, 100), min_size=1, max_size=200))
    def test_no_rhythm_gets_more_tries_than_burst_and_drain(self, gaps: list[float]) -> None:
        throttle, now, tries = Throttle(), 0.0, 0
        for gap in gaps:
            now += gap
            if throttle.wait(ONE, now) == 0:
                throttle.count(ONE, now)
                tries += 1
        assert tries <= SOURCE_BURST + now * SOURCE_PER_SECOND + 1e-6


class TestForgiving:
    def test_right_tries_cost_nothing(self) -> None:
        throttle = Throttle()
        for _ in range(1_000):
            throttle.count(ONE, 5.0)
            throttle.forgive(ONE, 5.0)
        assert throttle.wait(ONE, 5.0) == 0

    def test_tries_under_way_count(self) -> None:
        throttle = Throttle()
        fill(throttle, ONE, int(SOURCE_BURST))
        assert throttle.wait(ONE, 0.0) > 0
        throttle.forgive(ONE, 0.0)
        assert throttle.wait(ONE, 0.0) == 0

    def test_one_that_was_forgotten_meanwhile_is_forgiven_too(self) -> None:
        throttle = Throttle(max_sources=1)
        throttle.count(ONE, 0.0)
        throttle.count(OTHER, 0.0)
        throttle.forgive(ONE, 0.0)
        assert throttle.wait(ONE, 0.0) == 0

    @given(wrong=st.integers(0, 30), took=st.floats(0, 1_000), later=st.floats(0, 1_000))
    def test_a_right_try_frees_nobody(self, wrong: int, took: float, later: float) -> None:
        """However long it takes: the wait is what it would be without it."""
        throttle, without = Throttle(), Throttle()
        fill(throttle, ONE, wrong)
        fill(without, ONE, wrong)
        throttle.count(ONE, 0.0)
        throttle.forgive(ONE, took)
        end = took + later
        assert throttle.wait(ONE, end) == pytest.approx(without.wait(ONE, end), abs=1e-6)


class TestManySources:
    def test_together_they_lock_out_nobody_else(self) -> None:
        throttle = Throttle()
        for number in range(5_000):
            fill(throttle, f"s{number}", int(SOURCE_BURST))
        assert throttle.wait("s0", 0.0) > 0
        assert throttle.wait("fresh", 0.0) == 0

    def test_memory_is_bounded_and_the_latest_is_remembered(self) -> None:
        throttle = Throttle(max_sources=100)
        for number in range(1_000):
            throttle.count(f"s{number}", number * 10.0)
        fill(throttle, ONE, 20, now=10_000.0)
        assert len(throttle._sources) == 100
        assert throttle.wait(ONE, 10_000.0) > 0


class TestSource:
    @pytest.mark.parametrize(
        ("address", "source"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
            ("testclient", "unknown"),
            ("", "unknown"),
        ],
    )
    def test_is_an_address_or_a_network(self, address: str, source: str) -> None:
        assert source_of(address) == source
