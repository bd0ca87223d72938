"""Schedules, against the calendar and against a naive model of every pattern."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.credential.aliro.documents.encoding import read_date
from shared.credential.aliro.documents.recurrence import (
    DAY,
    LATEST,
    Moment,
    Pattern,
    Recurrence,
    Schedule,
)
from shared.credential.tlv import Malformed
from tests.shared.credential.aliro.documents import naive_calendar
from tests.shared.credential.keys import QUICK

HOUR = 3600
MON, TUE, WED, THU, FRI, SAT, SUN = (1 << n for n in range(7))
WEEK = 0x7F
JAN, FEB, MAR = (1 << n for n in range(7, 10))
DEC = 1 << 18
ALL_MONTHS = 0xFFF << 7


def at(text: str) -> int:
    return read_date(f"{text}:00Z")


def utc(start: str, rule: Recurrence | None = None, end: str | None = None) -> Schedule:
    return Schedule(at(start), at(end) if end else None, rule, is_utc=True)


def days_of(schedule: Schedule, first: str, count: int) -> list[str]:
    """On which of `count` days from `first` on the schedule is active at noon."""
    noons = [at(f"{first}T12:00") + n * DAY for n in range(count)]
    return [
        datetime.datetime.fromtimestamp(noon, datetime.UTC).strftime("%m-%d")
        for noon in noons
        if schedule.is_active(Moment(noon))
    ]


ORDINALS = {
    Pattern.DAILY: st.just(0),
    Pattern.WEEKLY: st.just(0),
    Pattern.MONTHLY_BY_DAY: st.integers(-5, 5).filter(bool),
    Pattern.MONTHLY_BY_DATE: st.integers(-31, 31),
    Pattern.YEARLY_BY_DAY: st.integers(-5, 5).filter(bool),
    Pattern.YEARLY_BY_DATE: st.integers(-31, 31).filter(bool),
    Pattern.YEARLY_BY_WEEK: st.integers(-53, 53).filter(bool),
    Pattern.YEARLY_BY_MONTH_AND_WEEK: st.integers(-5, 5).filter(bool),
}


@st.composite
def rules(draw: st.DrawFn, pattern: Pattern) -> Recurrence:
    ordinal = draw(ORDINALS[pattern])
    weekdays, months = draw(st.integers(1, WEEK)), draw(st.integers(1, 0xFFF)) << 7
    if pattern is Pattern.DAILY:
        mask = 0
    elif pattern is Pattern.MONTHLY_BY_DATE and not ordinal:
        mask = draw(st.integers(1, 2**31 - 1))
    else:
        mask = weekdays | (months if pattern >= Pattern.YEARLY_BY_DAY else 0)
    interval = draw(st.integers(1, 3 if pattern >= Pattern.YEARLY_BY_DAY else 6))
    duration = draw(st.one_of(st.integers(1, 2 * DAY), st.integers(1, 60 * DAY)))
    return Recurrence(duration, mask, pattern, interval, ordinal)


FIRST = st.dates(datetime.date(1971, 1, 1), datetime.date(2060, 1, 1))


@pytest.mark.parametrize("pattern", Pattern)
@settings(QUICK, max_examples=40)
@given(st.data())
def test_against_the_naive_model(pattern: Pattern, data: st.DataObject) -> None:
    """Around every occurrence of 800 days, and anywhere."""
    rule, first = data.draw(rules(pattern)), data.draw(FIRST)
    time_of_day = data.draw(st.integers(0, DAY - 1))
    midnight = (first - datetime.date(1970, 1, 1)).days * DAY
    schedule = Schedule(midnight + time_of_day, None, rule, is_utc=True)
    last = first + datetime.timedelta(days=800)
    numbers = (rule.duration, rule.mask, int(rule.pattern), rule.interval, rule.ordinal)
    begun = [
        midnight + (day - first).days * DAY + time_of_day
        for day in naive_calendar.occurrences(numbers, first, last)
    ]
    edges = [each + shift for each in begun for shift in (-1, 0, rule.duration - 1, rule.duration)]
    picked = data.draw(st.lists(st.sampled_from(edges), max_size=12)) if edges else []
    picked += data.draw(st.lists(st.integers(midnight, midnight + 799 * DAY), max_size=12))
    for now in picked:
        if now < midnight + 799 * DAY:
            expected = any(each <= now < each + rule.duration for each in begun)
            assert schedule.is_active(Moment(now)) is expected


class TestWithoutARule:
    def test_the_end_is_exclusive(self) -> None:
        schedule = utc("2026-11-17T08:00", end="2026-11-17T18:00")
        moments = ["2026-11-17T07:59", "2026-11-17T08:00", "2026-11-17T17:59", "2026-11-17T18:00"]
        active = [schedule.is_active(Moment(at(each))) for each in moments]
        assert active == [False, True, True, False]

    def test_without_an_end_it_is_open(self) -> None:
        assert utc("2026-11-17T08:00").is_active(Moment(at("2999-01-01T00:00")))

    def test_it_may_begin_before_and_after_all_time(self) -> None:
        assert Schedule(0, None, None).is_active(Moment(at("2026-11-17T08:00")))
        assert not Schedule(2**64 - 1).is_active(Moment(at("2026-11-17T08:00")))
        assert Schedule(0, 2**64 - 1).is_active(Moment(LATEST))


class TestLocalTime:
    def test_local_times_are_of_the_wall_clock(self) -> None:
        rule = Recurrence(8 * HOUR, 0, Pattern.DAILY)
        schedule = Schedule(at("2026-11-01T08:00"), None, rule)
        now = at("2026-11-17T07:30")
        assert not schedule.is_active(Moment(now))
        assert schedule.is_active(Moment(now, offset=HOUR))
        assert not schedule.is_active(Moment(now, offset=-HOUR))

    def test_utc_times_know_no_offset(self) -> None:
        schedule = utc("2026-11-01T08:00", Recurrence(8 * HOUR, 0, Pattern.DAILY))
        now = at("2026-11-17T07:30")
        assert not any(schedule.is_active(Moment(now, offset)) for offset in (-HOUR, 0, HOUR))

    def test_the_day_is_the_local_one(self) -> None:
        """Friday 23:00 UTC is Saturday in Berlin."""
        schedule = Schedule(at("2026-11-01T00:00"), None, Recurrence(DAY, SAT, Pattern.WEEKLY))
        assert schedule.is_active(Moment(at("2026-11-20T23:00"), offset=HOUR))

    @pytest.mark.parametrize(("utc", "offset"), [(0, 0), (LATEST + 1, 0), (DAY, DAY), (DAY, -DAY)])
    def test_a_clock_gone_mad(self, utc: int, offset: int) -> None:
        with pytest.raises(ValueError):
            Moment(utc, offset)

    def test_at_the_edges_of_time(self) -> None:
        for pattern in Pattern:
            mask = {Pattern.DAILY: 0}.get(pattern, WEEK | ALL_MONTHS)
            if pattern in (Pattern.WEEKLY, Pattern.MONTHLY_BY_DAY, Pattern.MONTHLY_BY_DATE):
                mask = WEEK
            ordinal = 0 if pattern in (Pattern.DAILY, Pattern.WEEKLY) else -1
            rule = Recurrence(0xFFFFFFFF, mask, pattern, 1, ordinal)
            for offset in (1 - DAY, 0, DAY - 1):
                Schedule(0, None, rule).is_active(Moment(LATEST, offset))
                Schedule(0, None, rule).is_active(Moment(DAY, offset))


class TestPatterns:
    """One example each, as a person reads it; the naive model has the rest."""

    def test_daily_every_third_day(self) -> None:
        schedule = utc("2026-11-02T08:00", Recurrence(8 * HOUR, 0, Pattern.DAILY, 3))
        assert days_of(schedule, "2026-11-01", 10) == ["11-02", "11-05", "11-08"]

    def test_over_midnight(self) -> None:
        schedule = utc("2026-11-02T22:00", Recurrence(8 * HOUR, FRI, Pattern.WEEKLY))
        moments = ["2026-11-20T21:59", "2026-11-20T22:00", "2026-11-21T05:59", "2026-11-21T06:00"]
        active = [schedule.is_active(Moment(at(each))) for each in moments]
        assert active == [False, True, True, False]

    def test_nothing_begins_before_the_start(self) -> None:
        """The start is a Wednesday at ten; Tuesday night is none of its occurrences."""
        schedule = utc("2026-11-18T22:00", Recurrence(12 * HOUR, TUE | WED, Pattern.WEEKLY))
        assert not schedule.is_active(Moment(at("2026-11-18T05:00")))
        assert schedule.is_active(Moment(at("2026-11-19T05:00")))

    def test_the_end_cuts_an_occurrence_short(self) -> None:
        rule = Recurrence(10 * HOUR, 0, Pattern.DAILY)
        schedule = utc("2026-11-01T08:00", rule, end="2026-11-17T12:00")
        assert schedule.is_active(Moment(at("2026-11-17T11:59")))
        assert not schedule.is_active(Moment(at("2026-11-17T12:00")))

    def test_every_second_week_counts_weeks_from_monday(self) -> None:
        """It starts on a Thursday: the Monday after is of the next week, which is left out."""
        rule = Recurrence(12 * HOUR, MON | THU, Pattern.WEEKLY, 2)
        schedule = utc("2026-11-05T08:00", rule)
        expected = ["11-05", "11-16", "11-19", "11-30"]
        assert days_of(schedule, "2026-11-01", 30) == expected

    def test_second_tuesday_of_the_month(self) -> None:
        schedule = utc("2026-01-01T08:00", Recurrence(8 * HOUR, TUE, Pattern.MONTHLY_BY_DAY, 1, 2))
        assert days_of(schedule, "2026-10-01", 92) == ["10-13", "11-10", "12-08"]

    def test_last_friday_of_every_other_month(self) -> None:
        rule = Recurrence(8 * HOUR, FRI, Pattern.MONTHLY_BY_DAY, 2, -1)
        schedule = utc("2026-09-01T08:00", rule)
        assert days_of(schedule, "2026-09-01", 122) == ["09-25", "11-27"]

    def test_first_and_fifteenth(self) -> None:
        rule = Recurrence(8 * HOUR, 1 | 1 << 14, Pattern.MONTHLY_BY_DATE)
        schedule = utc("2026-01-01T08:00", rule)
        assert days_of(schedule, "2026-11-01", 40) == ["11-01", "11-15", "12-01"]

    def test_last_day_of_the_month_if_it_is_a_working_day(self) -> None:
        rule = Recurrence(8 * HOUR, 0x1F, Pattern.MONTHLY_BY_DATE, 1, -1)
        schedule = utc("2026-01-01T08:00", rule)
        assert days_of(schedule, "2026-08-01", 153) == ["08-31", "09-30", "11-30", "12-31"]

    def test_first_monday_of_march(self) -> None:
        rule = Recurrence(8 * HOUR, MON | MAR, Pattern.YEARLY_BY_DAY, 1, 1)
        schedule = utc("2026-01-01T08:00", rule)
        assert days_of(schedule, "2026-01-01", 730) == ["03-02", "03-01"]

    def test_leap_day_comes_in_leap_years(self) -> None:
        rule = Recurrence(8 * HOUR, WEEK | FEB, Pattern.YEARLY_BY_DATE, 1, 29)
        schedule = utc("2024-01-01T08:00", rule)
        assert days_of(schedule, "2024-01-01", 5 * 366) == ["02-29", "02-29"]

    def test_the_first_week_of_the_year_begins_in_the_old_one(self) -> None:
        """2026 begins on a Thursday: its first week begins on 29 December, and is January's."""
        rule = Recurrence(8 * HOUR, MON | FRI | JAN, Pattern.YEARLY_BY_WEEK, 1, 1)
        schedule = utc("2025-01-06T08:00", rule)
        assert days_of(schedule, "2025-12-01", 60) == ["12-29", "01-02"]

    def test_the_last_week_of_a_long_year(self) -> None:
        rule = Recurrence(8 * HOUR, THU | DEC, Pattern.YEARLY_BY_WEEK, 1, 53)
        schedule = utc("2024-01-01T08:00", rule)
        assert days_of(schedule, "2024-01-01", 3 * 366) == ["12-31"]  # of 2026 alone

    def test_last_week_of_march(self) -> None:
        """2026: its last Thursday is the 26th, so that the 30th is April's."""
        rule = Recurrence(8 * HOUR, MON | SUN | MAR, Pattern.YEARLY_BY_MONTH_AND_WEEK, 1, -1)
        schedule = utc("2026-01-01T08:00", rule)
        assert days_of(schedule, "2026-03-01", 40) == ["03-23", "03-29"]

    def test_every_fourth_year(self) -> None:
        rule = Recurrence(8 * HOUR, WEEK | JAN, Pattern.YEARLY_BY_DATE, 4, 1)
        schedule = utc("2024-01-01T08:00", rule)
        active = [
            year
            for year in range(2024, 2034)
            if schedule.is_active(Moment(at(f"{year}-01-01T12:00")))
        ]
        assert active == [2024, 2028, 2032]


class TestReading:
    SCHEDULE = Schedule(5, 9, Recurrence(60, MON, Pattern.WEEKLY, 2), is_utc=True)

    @pytest.mark.parametrize("schedule", [SCHEDULE, Schedule(0), Schedule(2**40, 2**41)])
    def test_round_trip(self, schedule: Schedule) -> None:
        assert Schedule.read(schedule.plain) == schedule

    def test_layout(self) -> None:
        assert self.SCHEDULE.plain == {0: 5, 1: 9, 2: [60, 1, 2, 2, 0], 3: 1}
        assert Schedule.read({0: 5}) == Schedule(5)

    @pytest.mark.parametrize(
        "wrong",
        [
            [],
            {},
            {0: -1},
            {0: "5"},
            {0: 5, 1: None},
            {0: 5, 3: 2},
            {0: 5, 3: True},
            {0: 5, 4: 0},
            {0: 5, 2: {}},
            {0: 5, 2: [60, 1, 2, 2]},
            {0: 5, 2: [60, 1, 2, 2, 0, 0]},
        ],
    )
    def test_wrong_schedules(self, wrong: Any) -> None:
        with pytest.raises(Malformed):
            Schedule.read(wrong)

    @pytest.mark.parametrize(
        "wrong",
        [
            [0, 0, 1, 1, 0],  # no duration
            [2**32, 0, 1, 1, 0],
            [60, 0, 1, 0, 0],  # no interval
            [60, 0, 1, 256, 0],
            [60, 0, 0, 1, 0],  # no pattern
            [60, 0, 9, 1, 0],
            [60, 1, 1, 1, 0],  # bits without a meaning
            [60, 0x80, 2, 1, 0],
            [60, 0x81, 2, 1, 0],
            [60, 0x81, 3, 1, 1],
            [60, 1 << 31, 4, 1, 0],
            [60, 0x81, 4, 1, 1],
            [60, 1 << 19 | 0x81, 5, 1, 1],
            [60, 0, 2, 1, 0],  # no day at all
            [60, 0, 3, 1, 1],
            [60, 0, 4, 1, 0],
            [60, 0, 4, 1, 1],
            [60, 1, 5, 1, 1],
            [60, 0x80, 6, 1, 1],
            [60, 0, 7, 1, 1],
            [60, 1, 1, 1, 1],  # ordinals that are not the pattern's
            [60, 1, 2, 1, 1],
            [60, 1, 3, 1, 0],
            [60, 1, 3, 1, 6],
            [60, 1, 3, 1, -6],
            [60, 1, 4, 1, 32],
            [60, 0x81, 5, 1, 0],
            [60, 0x81, 6, 1, -32],
            [60, 0x81, 7, 1, 54],
            [60, 0x81, 8, 1, 6],
            [60, 0x81, 8, 1, -129],
            [60, 0x81, 8, 1, True],
            [60.0, 1, 2, 1, 0],
            [True, 1, 2, 1, 0],
            ["60", 1, 2, 1, 0],
        ],
    )
    def test_wrong_rules(self, wrong: Any) -> None:
        with pytest.raises(Malformed):
            Recurrence.read(wrong)
