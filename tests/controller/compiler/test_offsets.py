"""UTC offsets of a plan against the time zone database they come from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.compiler.offsets import (
    UnknownTimeZone,
    compile_offsets,
    time_zone,
    window_end,
)
from shared.access.calendar import OffsetFrom, local_time
from shared.access.rows import Calendar, decode_row, encode_row

NOW = int(datetime(2025, 6, 2, tzinfo=UTC).timestamp())
UNTIL = window_end(NOW)
ZONES = [
    "UTC",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",  # changes at half past
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",  # changes with Ramadan, four times a year
    "Asia/Tehran",
]


def test_the_window_reaches_ten_years_ahead_and_a_year_back() -> None:
    for month in (1, 6, 12):
        now = int(datetime(2025, month, 28, tzinfo=UTC).timestamp())
        first = compile_offsets("UTC", window_end(now))[0].since
        assert first <= now - timedelta(days=27).total_seconds()
        assert datetime.fromtimestamp(first, UTC).year == 2024
        assert window_end(now) >= now + timedelta(days=3652).total_seconds()


@given(zone=st.sampled_from(ZONES), second=st.integers(UNTIL - 13 * 365 * 86_400, UNTIL - 1))
def test_local_time_is_that_of_the_database(zone: str, second: int) -> None:
    offsets = compile_offsets(zone, UNTIL)
    local = local_time(offsets, UNTIL, second)
    wall = datetime.fromtimestamp(second, ZoneInfo(zone))
    assert local is not None
    assert local.minute == wall.hour * 60 + wall.minute
    assert local.weekday == wall.weekday()
    assert local.day == wall.date().toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_is_exact_to_the_second(zone: str) -> None:
    offsets = compile_offsets(zone, UNTIL)
    assert len(offsets) <= 200
    for before, change in pairwise(offsets):
        just_before = datetime.fromtimestamp(change.since - 1, ZoneInfo(zone)).utcoffset()
        at = datetime.fromtimestamp(change.since, ZoneInfo(zone)).utcoffset()
        assert just_before == timedelta(seconds=before.seconds)
        assert at == timedelta(seconds=change.seconds)
        assert before.seconds != change.seconds


def test_london_changes_in_march_and_october() -> None:
    offsets = compile_offsets("Europe/London", UNTIL)
    assert len(offsets) == 1 + 2 * 13
    assert offsets[1] == OffsetFrom(1_711_846_800, 3600)  # 31 March 2024, 01:00 UTC


@pytest.mark.parametrize("zone", ZONES)
def test_a_calendar_of_it_is_a_row(zone: str) -> None:
    calendar = Calendar(until=UNTIL, offsets=compile_offsets(zone, UNTIL))
    assert decode_row(encode_row(calendar)) == calendar


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../UTC", "/etc/passwd", "America", "a\0b"])
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(UnknownTimeZone, match="IANA"):
        time_zone(name)
