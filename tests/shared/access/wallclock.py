"""Schedules on real clocks, told a second time: by `zoneinfo` and dates, not offsets.

An independent, slow and obvious model of `shared.access.schedule`, and a small compiler from the
time zone database to the offsets that a plan carries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.access.calendar import Holiday, OffsetFrom
from shared.access.rows import Calendar
from shared.access.schedule import Opening, Schedule, Span, Use

EPOCH = date(1970, 1, 1)
ONE_DAY = timedelta(days=1)
SCAN = 6 * 3600  # no zone changes its offset twice within six hours


class Era(NamedTuple):
    """A zone in years in which something happens to it."""

    zone: str
    first: int
    last: int


ERAS = [
    Era("Europe/Berlin", 2024, 2025),
    Era("America/New_York", 2024, 2025),
    Era("Australia/Lord_Howe", 2024, 2025),  # half an hour of daylight saving
    Era("Asia/Kolkata", 2024, 2024),  # none, and an offset with a half
    Era("America/Sao_Paulo", 2016, 2019),  # changed at midnight: days that start at 01:00
    Era("Pacific/Apia", 2011, 2012),  # had no 2011-12-30
    Era("Africa/Casablanca", 2023, 2024),  # turns its clock back for Ramadan
    Era("UTC", 2024, 2024),
]


def begins(era: Era) -> int:
    """Return the first UTC second of `era`."""
    return int(datetime(era.first, 1, 1, tzinfo=UTC).timestamp())


def ends(era: Era) -> int:
    """Return the first UTC second after `era`."""
    return int(datetime(era.last + 1, 1, 1, tzinfo=UTC).timestamp())


def offset(zone: ZoneInfo, instant: int) -> int:
    """Return what the clocks of `zone` show at `instant`, less UTC, in seconds."""
    shown = datetime.fromtimestamp(instant, zone).utcoffset()
    assert shown is not None
    return int(shown.total_seconds())


@functools.cache
def offsets(era: Era) -> tuple[OffsetFrom, ...]:
    """Return the offsets of `era`, each from the second it begins."""
    zone = ZoneInfo(era.zone)
    found = [OffsetFrom(begins(era), offset(zone, begins(era)))]
    for later in range(begins(era) + SCAN, ends(era) + SCAN, SCAN):
        if offset(zone, later) != found[-1].seconds:
            change = _change(zone, later - SCAN, later)
            if change < ends(era):
                found.append(OffsetFrom(change, offset(zone, change)))
    return tuple(found)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    while after - before > 1:
        middle = (before + after) // 2
        if offset(zone, middle) == offset(zone, after):
            after = middle
        else:
            before = middle
    return after


def changes(era: Era) -> list[int]:
    """Return the seconds at which the clocks of `era` jump."""
    return [change.since for change in offsets(era)[1:]]


def compiled(era: Era, holidays: tuple[Holiday, ...] = ()) -> Calendar:
    """Return the calendar row of a site in `era`."""
    return Calendar(until=ends(era), offsets=offsets(era), holidays=holidays)


def naive_opening(
    schedule: Schedule, holidays: tuple[Holiday, ...], shown: datetime, use: Use
) -> Opening:
    """Return what `schedule` says when the wall clock shows `shown` (a naive datetime)."""
    usual = special = refused = False
    for back in range(3):
        day = shown.date() - back * ONE_DAY
        kinds = [h.kind for h in holidays if h.first <= (day - EPOCH).days <= h.last]
        on = [i.span for i in schedule.weekly if i.weekday == day.weekday()]
        if not kinds:
            usual = usual or _covers(on, day, shown)
            continue
        rules = [rule for rule in schedule.holidays if rule.kind == min(kinds)][:1]
        special = special or any(_covers(rule.spans, day, shown) for rule in rules)
        as_usual = use is Use.ENTRY and any(rule.as_usual for rule in rules)
        if as_usual:
            usual = usual or _covers(on, day, shown)
        else:
            refused = refused or _covers(on, day, shown)
    if usual or special:
        return Opening.OPEN
    return Opening.HOLIDAY if refused else Opening.CLOSED


def _covers(spans: list[Span] | tuple[Span, ...], day: date, shown: datetime) -> bool:
    return any(start <= shown < end for start, end in _wall(spans, day))


def _wall(spans: list[Span] | tuple[Span, ...], day: date) -> Iterator[tuple[datetime, datetime]]:
    midnight = datetime.combine(day, time())
    for span in spans:
        yield midnight + timedelta(minutes=span.start), midnight + timedelta(minutes=span.end)


def shown_at(era: Era, instant: int) -> datetime:
    """Return what a clock on the wall shows in `era` at the UTC second `instant`."""
    return datetime.fromtimestamp(instant, _zone(era.zone)).replace(tzinfo=None)


@functools.cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
