"""Wall-clock time from compiled offsets, against the time zone database."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.access.calendar import DAY, Holiday, LocalTime, OffsetFrom, holiday_kind, local_time
from shared.access.rows import Calendar, decode_row, encode_row
from shared.cbor import Malformed
from tests.shared.access import strategies
from tests.shared.access.wallclock import (
    EPOCH,
    ERAS,
    ONE_DAY,
    Era,
    begins,
    changes,
    compiled,
    ends,
    shown_at,
)

eras = pytest.mark.parametrize("era", ERAS, ids=lambda era: era.zone)


def expected(era: Era, instant: int) -> LocalTime:
    shown = shown_at(era, instant)
    days = (shown.date() - EPOCH).days
    return LocalTime(days, shown.weekday(), shown.hour * 60 + shown.minute)


@eras
def test_the_wall_clock_is_right_at_random(era: Era) -> None:
    calendar, rng = compiled(era), random.Random(1)
    for _ in range(2_000):
        instant = rng.randrange(begins(era), ends(era))
        assert calendar.local(instant) == expected(era, instant)


@eras
def test_the_wall_clock_is_right_at_every_second_around_a_change(era: Era) -> None:
    calendar = compiled(era)
    for change in changes(era):
        for instant in [*range(change - 70, change + 70), change - DAY, change + DAY]:
            assert calendar.local(instant) == expected(era, instant)


def test_the_eras_are_worth_testing() -> None:
    jumps = {era.zone: len(changes(era)) for era in ERAS}
    assert jumps == {
        "Europe/Berlin": 4,
        "America/New_York": 4,
        "Australia/Lord_Howe": 4,
        "Asia/Kolkata": 0,
        "America/Sao_Paulo": 7,
        "Pacific/Apia": 5,
        "Africa/Casablanca": 4,
        "UTC": 0,
    }
    apia = next(era for era in ERAS if era.zone == "Pacific/Apia")
    days = {compiled(apia).local(instant) for instant in range(begins(apia), ends(apia), 43_200)}
    # 2011-12-30 was skipped.
    assert 15_338 not in {local.day for local in days if local}
    assert {15_337, 15_339} <= {local.day for local in days if local}


@eras
def test_outside_the_compiled_range_there_is_no_time(era: Era) -> None:
    calendar = compiled(era)
    assert calendar.local(begins(era) - 1) is None
    assert calendar.local(begins(era)) is not None
    assert calendar.local(ends(era) - 1) is not None
    assert calendar.local(ends(era)) is None


@given(strategies.calendars(), st.integers(-(2**70), 2**70))
def test_every_second_gives_a_minute_of_a_day_or_none(calendar: Calendar, now: int) -> None:
    local = calendar.local(now)
    if local is not None:
        assert 0 <= local.minute < 1440
        assert local.weekday == (EPOCH + local.day * ONE_DAY).weekday()


def test_a_day_before_1970_is_a_day() -> None:
    assert local_time((OffsetFrom(0, -60),), 10, 0) == LocalTime(-1, 2, 1439)


def test_an_offset_holds_from_its_very_second() -> None:
    offsets = (OffsetFrom(100, 0), OffsetFrom(200, 3600))
    assert [local_time(offsets, 300, now) for now in (99, 100, 199, 200, 299, 300)] == [
        None,
        LocalTime(0, 3, 1),
        LocalTime(0, 3, 3),
        LocalTime(0, 3, 63),
        LocalTime(0, 3, 64),
        None,
    ]


def test_offsets_with_seconds_do_not_round_up() -> None:
    # Liberia kept UTC less 44:30 until 1972.
    assert local_time((OffsetFrom(0, -2670),), DAY, 2670 + 59) == LocalTime(0, 3, 0)
    assert local_time((OffsetFrom(0, -2670),), DAY, 2670 + 60) == LocalTime(0, 3, 1)


def test_of_overlapping_holidays_the_lowest_kind_counts() -> None:
    days = (Holiday(10, 20, 5), Holiday(12, 12, 2), Holiday(12, 30, 9), Holiday(40, 40, 1))
    kinds = {day: holiday_kind(days, day) for day in (9, 10, 12, 13, 20, 21, 30, 31, 40, 41)}
    assert kinds == {
        9: None,
        10: 5,
        12: 2,
        13: 5,
        20: 5,
        21: 9,
        30: 9,
        31: None,
        40: 1,
        41: None,
    }
    assert holiday_kind((), 10) is None


def test_a_holiday_that_ends_before_it_starts_is_refused() -> None:
    # It would silently never come, and doors would unlock on it.
    with pytest.raises(ValueError, match="a holiday from day 6 to day 5"):
        Holiday(6, 5, 1)


@pytest.mark.parametrize("starts", [(5, 5), (6, 5), (1, 3, 2)])
def test_offsets_out_of_order_are_refused(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not in order of time"):
        Calendar(100, tuple(OffsetFrom(since, 0) for since in starts))


@given(strategies.calendars())
def test_a_calendar_survives_the_wire(calendar: Calendar) -> None:
    assert decode_row(encode_row(calendar)) == calendar


def test_a_calendar_without_offsets_is_refused() -> None:
    with pytest.raises(Malformed, match="length >= 1"):
        decode_row(encode_row(Calendar(100, ())))
