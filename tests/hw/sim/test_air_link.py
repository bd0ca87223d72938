"""The weather on the air: seeded, in order, at connection events, and never an endless loss."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.sim.air_link import Forecast, Weather


@pytest.mark.parametrize(
    ("weather", "complaint"),
    [
        ({"loss": 1.0, "interval": 0.03}, "0 to 0.9"),
        ({"loss": -0.1, "interval": 0.03}, "0 to 0.9"),
        ({"interval": -1.0}, "0 to 4"),
        ({"interval": 5.0}, "0 to 4"),
        ({"loss": 0.1}, "needs an interval"),
    ],
)
def test_impossible_weather_is_refused(weather: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Weather(**weather)  # type: ignore[arg-type]


def test_packets_arrive_at_connection_events() -> None:
    forecast = Forecast(Weather(interval=0.25))
    assert forecast.arrival("a", "b", now=10.1) == 10.25
    assert forecast.arrival("c", "b", now=10.25) == 10.25


def test_packets_of_one_moment_keep_their_order() -> None:
    forecast = Forecast(Weather(interval=0.25))
    arrivals = [forecast.arrival("a", "b", now=10.1) for _ in range(100)]
    assert all(earlier < later for earlier, later in pairwise(arrivals))
    assert arrivals[-1] < 10.251


def test_clear_weather_hears_everything() -> None:
    forecast = Forecast(Weather())
    assert forecast.clear
    assert all(forecast.heard() for _ in range(100))


def test_a_loss_is_a_delay_of_whole_intervals() -> None:
    forecast = Forecast(Weather(interval=1.0, loss=0.5, seed=1))
    delays = [forecast.arrival(f"phone {n}", "b", now=100.0) - 100.0 for n in range(1000)]
    assert {delay % 1 for delay in delays} == {0.0}
    assert 0.8 < sum(delays) / 1000 < 1.2


@given(st.integers(), st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_order_is_kept_and_the_seed_decides(seed: int, pauses: list[float]) -> None:
    def arrivals() -> list[float]:
        forecast = Forecast(Weather(interval=0.03, loss=0.3, seed=seed))
        now, result = 1000.0, []
        for pause in pauses:
            now += pause
            result.append(forecast.arrival("a", "b", now))
            assert result[-1] >= now - 1e-9
        return result

    first = arrivals()
    assert first == sorted(first)
    assert first == arrivals()


def test_what_is_known_about_a_radio_is_forgotten_with_it() -> None:
    forecast = Forecast(Weather(interval=1.0))
    for n in range(10):
        forecast.arrival(f"phone {n}", "door", now=5.5)
        forecast.forget(f"phone {n}")
    assert forecast._last == {}
