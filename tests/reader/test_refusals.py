"""A flood of wrong messages leaves a few entries, not a full journal."""

from __future__ import annotations

from reader.refusals import BURST, Refusals


def test_a_burst_is_recorded_and_then_one_a_minute() -> None:
    refusals = Refusals()
    assert sum(refusals.worth_recording(1000.0) for _ in range(500)) == BURST
    an_hour = (1000.0 + second for second in range(1, 3601))
    assert sum(refusals.worth_recording(now) for now in an_hour) in (59, 60)


def test_after_a_quiet_time_a_burst_is_recorded_again() -> None:
    refusals = Refusals()
    for _ in range(100):
        refusals.worth_recording(0.0)
    assert sum(refusals.worth_recording(3600.0) for _ in range(100)) == BURST


def test_a_long_quiet_time_saves_nothing_up() -> None:
    refusals = Refusals()
    assert sum(refusals.worth_recording(1e9) for _ in range(100)) == BURST
