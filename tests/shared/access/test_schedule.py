"""The published rules of time, each with a date and a place."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from shared import cbor
from shared.access.calendar import Holiday
from shared.access.rows import Calendar, decode_row, encode_row
from shared.access.schedule import (
    HolidayRule,
    Interval,
    Opening,
    Schedule,
    Span,
    Use,
    opening,
)
from shared.cbor import Malformed
from tests.shared.access.wallclock import EPOCH, ERAS, Era, compiled

OPEN, CLOSED, HOLIDAY = Opening.OPEN, Opening.CLOSED, Opening.HOLIDAY
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)
BERLIN, NEW_YORK, LORD_HOWE, KOLKATA, SAO_PAULO, APIA, CASABLANCA, _ = ERAS


def minutes(clock: str) -> int:
    """'26:30' is half past two on the day after."""
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def span(text: str) -> Span:
    start, end = text.split("-")
    return Span(minutes(start), minutes(end))


def weekly(*intervals: tuple[int, str], rules: tuple[HolidayRule, ...] = ()) -> Schedule:
    return Schedule(1, tuple(Interval(day, span(text)) for day, text in intervals), rules)


def holiday(on: str, kind: int = 1) -> Holiday:
    day = (date.fromisoformat(on) - EPOCH).days
    return Holiday(day, day, kind)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def asked(schedule: Schedule, calendar: Calendar, instant: int, use: Use = Use.ENTRY) -> Opening:
    local = calendar.local(instant)
    assert local is not None
    return opening(schedule, calendar.holidays, local, use)


def at(schedule: Schedule, local: str, *holidays: Holiday, use: Use = Use.ENTRY) -> Opening:
    """Ask `schedule` at the local time `local` in Berlin."""
    shown = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    return asked(schedule, compiled(BERLIN, holidays), int(shown.timestamp()), use)


def open_minutes(schedule: Schedule, era: Era, first: str, last: str) -> list[str]:
    """Return the UTC minutes, as HH:MM, from `first` to `last` at which `schedule` is open."""
    calendar = compiled(era)
    every = range(utc(first), utc(last), 60)
    return [
        datetime.fromtimestamp(now, UTC).strftime("%H:%M")
        for now in every
        if asked(schedule, calendar, now) is OPEN
    ]


# Bounds.


def test_the_first_minute_is_in_and_the_last_is_out() -> None:
    office = weekly((MONDAY, "08:00-18:00"))
    assert at(office, "2025-06-16T07:59:59") is CLOSED
    assert at(office, "2025-06-16T08:00:00") is OPEN
    assert at(office, "2025-06-16T17:59:59") is OPEN
    assert at(office, "2025-06-16T18:00:00") is CLOSED
    assert at(office, "2025-06-17T12:00:00") is CLOSED


def test_one_minute_is_the_shortest() -> None:
    blink = weekly((MONDAY, "08:00-08:01"))
    assert at(blink, "2025-06-16T08:00:00") is OPEN
    assert at(blink, "2025-06-16T08:00:59") is OPEN
    assert at(blink, "2025-06-16T08:01:00") is CLOSED


def test_a_whole_day_ends_at_midnight() -> None:
    monday = weekly((MONDAY, "00:00-24:00"))
    assert at(monday, "2025-06-15T23:59:59") is CLOSED
    assert at(monday, "2025-06-16T00:00:00") is OPEN
    assert at(monday, "2025-06-16T23:59:59") is OPEN
    assert at(monday, "2025-06-17T00:00:00") is CLOSED


def test_intervals_that_meet_leave_no_gap() -> None:
    all_week = weekly(*((day, "00:00-24:00") for day in range(7)))
    halves = weekly(*((day, text) for day in range(7) for text in ("00:00-12:00", "12:00-24:00")))
    for schedule in (all_week, halves):
        found = open_minutes(schedule, BERLIN, "2025-10-20T00:00", "2025-10-30T00:00")
        assert len(found) == 10 * 1440


def test_a_schedule_without_intervals_is_never_open() -> None:
    assert open_minutes(weekly(), BERLIN, "2025-06-16T00:00", "2025-06-23T00:00") == []
    assert at(weekly(), "2025-06-16T12:00", holiday("2025-06-16")) is CLOSED


# Over midnight.


def test_an_interval_over_midnight_belongs_to_the_day_it_starts() -> None:
    night = weekly((FRIDAY, "22:00-26:00"))
    assert at(night, "2025-06-20T21:59") is CLOSED
    assert at(night, "2025-06-20T22:00") is OPEN
    assert at(night, "2025-06-21T00:00") is OPEN
    assert at(night, "2025-06-21T01:59:59") is OPEN
    assert at(night, "2025-06-21T02:00") is CLOSED
    # The early hours of Friday would be Thursday's.
    assert at(night, "2025-06-20T01:00") is CLOSED


def test_sunday_night_runs_into_monday() -> None:
    night = weekly((SUNDAY, "23:00-30:00"))
    assert at(night, "2025-06-16T05:59") is OPEN
    assert at(night, "2025-06-16T06:00") is CLOSED
    assert at(night, "2025-06-15T05:59") is CLOSED


def test_the_longest_interval_is_a_day_from_any_minute() -> None:
    longest = weekly((MONDAY, "23:59-47:59"))
    assert at(longest, "2025-06-16T23:58") is CLOSED
    assert at(longest, "2025-06-16T23:59") is OPEN
    assert at(longest, "2025-06-17T23:58:59") is OPEN
    assert at(longest, "2025-06-17T23:59") is CLOSED


@pytest.mark.parametrize("bad", [(0, 1441), (10, 10), (10, 9), (1439, 2880)])
def test_spans_that_are_none_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a span of"):
        Span(*bad)


@pytest.mark.parametrize(
    "bad", [[-1, 5], [1440, 1500], [1, 2881], [0, 0], [True, 5], [0], ["0", 5]]
)
def test_spans_that_are_none_do_not_come_over_the_wire(bad: list[object]) -> None:
    with pytest.raises(Malformed, match=r"at `\$\[2\]\[0\]\[1\]"):
        decode_row(cbor.encode([3, 1, [[0, bad]], []]))


# Clocks that jump. Berlin, 2025-03-30: 02:00 becomes 03:00 at 01:00 UTC;
# 2025-10-26: 03:00 becomes 02:00 at 01:00 UTC.


def test_a_start_in_a_skipped_hour_moves_to_its_end() -> None:
    early = weekly((SUNDAY, "02:30-04:00"))
    found = open_minutes(early, BERLIN, "2025-03-29T23:00", "2025-03-30T22:00")
    assert (found[0], found[-1], len(found)) == ("01:00", "01:59", 60)


def test_an_end_in_a_skipped_hour_is_its_beginning() -> None:
    late = weekly((SUNDAY, "01:00-02:30"))
    found = open_minutes(late, BERLIN, "2025-03-29T23:00", "2025-03-30T22:00")
    assert (found[0], found[-1], len(found)) == ("00:00", "00:59", 60)


def test_an_interval_inside_a_skipped_hour_does_not_happen() -> None:
    lost = weekly((SUNDAY, "02:10-02:50"))
    assert open_minutes(lost, BERLIN, "2025-03-29T23:00", "2025-03-30T22:00") == []


def test_a_repeated_hour_counts_twice() -> None:
    early = weekly((SUNDAY, "02:00-03:00"))
    found = open_minutes(early, BERLIN, "2025-10-25T22:00", "2025-10-26T23:00")
    assert (found[0], found[-1], len(found)) == ("00:00", "01:59", 120)


def test_part_of_a_repeated_hour_counts_twice_with_a_pause_between() -> None:
    early = weekly((SUNDAY, "02:15-02:45"))
    found = open_minutes(early, BERLIN, "2025-10-25T22:00", "2025-10-26T23:00")
    assert found == [f"{hour}:{minute}" for hour in ("00", "01") for minute in range(15, 45)]


def test_a_night_is_an_hour_shorter_or_longer_when_the_clock_jumps() -> None:
    night = weekly((SATURDAY, "22:00-30:00"))
    lengths = {
        "2025-03-22": 480,
        "2025-03-29": 420,
        "2025-10-18": 480,
        "2025-10-25": 540,
    }
    for day, length in lengths.items():
        after = date.fromisoformat(day).replace(day=int(day[-2:]) + 1)
        assert len(open_minutes(night, BERLIN, f"{day}T12:00", f"{after}T12:00")) == length


def test_half_an_hour_of_daylight_saving() -> None:
    # Lord Howe, 2025-04-06: 02:00 becomes 01:30 at 15:00 UTC; 2025-10-05: 02:00 becomes 02:30.
    repeated = weekly((SUNDAY, "01:30-02:00"))
    found = open_minutes(repeated, LORD_HOWE, "2025-04-05T00:00", "2025-04-07T00:00")
    assert (found[0], found[-1], len(found)) == ("14:30", "15:29", 60)
    skipped = weekly((SUNDAY, "02:10-03:00"))
    found = open_minutes(skipped, LORD_HOWE, "2025-10-04T00:00", "2025-10-06T00:00")
    assert (found[0], found[-1], len(found)) == ("15:30", "15:59", 30)


def test_a_day_that_starts_at_one() -> None:
    # Sao Paulo, 2018-11-04: midnight becomes 01:00 at 03:00 UTC.
    sunday = weekly((SUNDAY, "00:00-02:00"))
    found = open_minutes(sunday, SAO_PAULO, "2018-11-03T12:00", "2018-11-05T00:00")
    assert (found[0], found[-1], len(found)) == ("03:00", "03:59", 60)
    night = weekly((SATURDAY, "23:00-26:00"))
    found = open_minutes(night, SAO_PAULO, "2018-11-03T12:00", "2018-11-05T00:00")
    assert (found[0], found[-1], len(found)) == ("02:00", "03:59", 120)


def test_a_day_that_ends_twice() -> None:
    # Sao Paulo, 2018-02-18: midnight becomes 23:00 of the 17th, a Saturday, at 02:00 UTC.
    saturday = weekly((SATURDAY, "23:00-24:00"))
    found = open_minutes(saturday, SAO_PAULO, "2018-02-17T12:00", "2018-02-19T00:00")
    assert (found[0], found[-1], len(found)) == ("01:00", "02:59", 120)
    over = weekly((SATURDAY, "23:30-24:30"))
    found = open_minutes(over, SAO_PAULO, "2018-02-17T12:00", "2018-02-19T00:00")
    assert found == [
        *(f"01:{minute}" for minute in range(30, 60)),
        *(f"02:{minute}" for minute in range(30, 60)),
        *(f"03:{minute:02}" for minute in range(30)),
    ]


def test_a_day_that_did_not_happen() -> None:
    # Apia went from Thursday, 2011-12-29 straight to Saturday at 10:00 UTC on the 30th.
    friday = weekly((FRIDAY, "00:00-24:00"))
    assert open_minutes(friday, APIA, "2011-12-29T12:00", "2012-01-01T00:00") == []
    # Its night's start moves to its end.
    night = weekly((FRIDAY, "22:00-26:00"))
    found = open_minutes(night, APIA, "2011-12-29T12:00", "2012-01-01T00:00")
    assert (found[0], found[-1], len(found)) == ("10:00", "11:59", 120)
    thursday = weekly((THURSDAY, "22:00-26:00"))
    found = open_minutes(thursday, APIA, "2011-12-29T12:00", "2012-01-01T00:00")
    assert (found[0], found[-1], len(found)) == ("08:00", "09:59", 120)


# Holidays. 2025-12-25 was a Thursday.

THURSDAY_OFF = holiday("2025-12-25")
OFFICE = weekly(*((day, "08:00-18:00") for day in range(5)))


def test_a_holiday_closes_what_would_be_open_and_says_so() -> None:
    assert at(OFFICE, "2025-12-25T12:00") is OPEN
    assert at(OFFICE, "2025-12-25T12:00", THURSDAY_OFF) is HOLIDAY
    assert at(OFFICE, "2025-12-25T07:59", THURSDAY_OFF) is CLOSED
    assert at(OFFICE, "2025-12-25T18:00", THURSDAY_OFF) is CLOSED
    assert at(OFFICE, "2025-12-26T12:00", THURSDAY_OFF) is OPEN


def test_a_night_before_a_holiday_runs_into_it() -> None:
    night = weekly(*((day, "22:00-26:00") for day in range(7)))
    assert at(night, "2025-12-24T23:00", THURSDAY_OFF) is OPEN
    assert at(night, "2025-12-25T01:59", THURSDAY_OFF) is OPEN
    assert at(night, "2025-12-25T02:00", THURSDAY_OFF) is CLOSED


def test_a_night_that_starts_on_a_holiday_is_closed_to_its_end() -> None:
    night = weekly(*((day, "22:00-26:00") for day in range(7)))
    assert at(night, "2025-12-25T23:00", THURSDAY_OFF) is HOLIDAY
    assert at(night, "2025-12-26T01:59", THURSDAY_OFF) is HOLIDAY
    assert at(night, "2025-12-26T02:00", THURSDAY_OFF) is CLOSED
    assert at(night, "2025-12-26T22:00", THURSDAY_OFF) is OPEN


def test_a_night_between_two_holidays_is_closed() -> None:
    night = weekly((THURSDAY, "22:00-26:00"))
    both = (THURSDAY_OFF, holiday("2025-12-26"))
    assert at(night, "2025-12-26T01:00", *both) is HOLIDAY
    assert at(night, "2025-12-26T01:00", both[1]) is OPEN


def test_a_holiday_as_usual_lets_people_in_but_unlocks_nothing() -> None:
    schedule = weekly((THURSDAY, "08:00-26:00"), rules=(HolidayRule(1, as_usual=True),))
    for time, entry, unlock in (
        ("2025-12-25T07:59", CLOSED, CLOSED),
        ("2025-12-25T08:00", OPEN, HOLIDAY),
        ("2025-12-26T01:59", OPEN, HOLIDAY),
        ("2025-12-26T02:00", CLOSED, CLOSED),
    ):
        assert at(schedule, time, THURSDAY_OFF) is entry
        assert at(schedule, time, THURSDAY_OFF, use=Use.UNLOCK) is unlock
    assert at(schedule, "2025-12-18T12:00", THURSDAY_OFF, use=Use.UNLOCK) is OPEN


def test_special_spans_take_the_place_of_the_usual_ones_for_both_uses() -> None:
    rule = HolidayRule(1, spans=(span("10:00-12:00"), span("23:00-25:00")))
    schedule = weekly((THURSDAY, "08:00-11:00"), rules=(rule,))
    for use in Use:
        assert at(schedule, "2025-12-25T09:00", THURSDAY_OFF, use=use) is HOLIDAY
        assert at(schedule, "2025-12-25T10:00", THURSDAY_OFF, use=use) is OPEN
        assert at(schedule, "2025-12-25T11:59", THURSDAY_OFF, use=use) is OPEN
        assert at(schedule, "2025-12-25T12:00", THURSDAY_OFF, use=use) is CLOSED
        assert at(schedule, "2025-12-26T00:59", THURSDAY_OFF, use=use) is OPEN
        assert at(schedule, "2025-12-26T01:00", THURSDAY_OFF, use=use) is CLOSED


def test_a_rule_speaks_for_its_own_kind_only() -> None:
    schedule = weekly((THURSDAY, "08:00-18:00"), rules=(HolidayRule(2, as_usual=True),))
    assert at(schedule, "2025-12-25T12:00", holiday("2025-12-25", 2)) is OPEN
    assert at(schedule, "2025-12-25T12:00", holiday("2025-12-25", 1)) is HOLIDAY
    assert at(schedule, "2025-12-25T12:00", holiday("2025-12-25", 3)) is HOLIDAY
    # Where two kinds meet on a day the lower one speaks.
    both = (holiday("2025-12-25", 2), holiday("2025-12-25", 1))
    assert at(schedule, "2025-12-25T12:00", *both) is HOLIDAY


def test_a_rule_without_a_holiday_changes_nothing() -> None:
    rules = (HolidayRule(1), HolidayRule(2, spans=(span("00:00-24:00"),)))
    assert at(weekly((MONDAY, "08:00-09:00"), rules=rules), "2025-06-16T08:30") is OPEN
    assert at(weekly((MONDAY, "08:00-09:00"), rules=rules), "2025-06-16T09:30") is CLOSED


def test_a_holiday_on_a_short_day_is_a_whole_day() -> None:
    # 2025-03-30 in Berlin has 23 hours.
    always = weekly(*((day, "00:00-24:00") for day in range(7)))
    calendar = compiled(BERLIN, (holiday("2025-03-30"),))
    answers = [
        asked(always, calendar, now)
        for now in range(utc("2025-03-29T22:59"), utc("2025-03-30T22:01"), 60)
    ]
    assert answers == [OPEN, *[HOLIDAY] * (23 * 60), OPEN]


@pytest.mark.parametrize("era", [NEW_YORK, KOLKATA, CASABLANCA], ids=lambda era: era.zone)
def test_noon_is_noon_all_year(era: Era) -> None:
    lunch = weekly(*((day, "12:00-13:00") for day in range(7)))
    zone, calendar = ZoneInfo(era.zone), compiled(era)
    for day in range(1, 366):
        noon = datetime.strptime(f"{era.first} {day} 12", "%Y %j %H").replace(tzinfo=zone)
        begun = int(noon.timestamp())
        assert asked(lunch, calendar, begun) is OPEN
        assert asked(lunch, calendar, begun - 1) is CLOSED
        assert asked(lunch, calendar, begun + 3599) is OPEN
        assert asked(lunch, calendar, begun + 3600) is CLOSED


def test_the_largest_schedule_fits_a_row() -> None:
    widest = Span(1439, 2879)
    schedule = Schedule(
        2**63 - 1,
        (Interval(6, widest),) * 84,
        tuple(HolidayRule(kind, spans=(widest,) * 12) for kind in range(1, 17)),
    )
    body = encode_row(schedule)
    assert len(body) < 3 * 1024
    assert decode_row(body) == schedule
