"""Wall-clock time of a site from compiled UTC offsets, and its holidays.

A plan carries the site's offsets, compiled by the controller from the time zone database, so that
every reader judges alike and a reader needs no such database. Days are counted from 1970-01-01,
minutes from local midnight, weekdays from Monday = 0.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, NamedTuple

import msgspec

MINUTE = 60
DAY = 86_400
DAY_MINUTES = 1_440

Instant = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
DayNumber = Annotated[int, msgspec.Meta(ge=0, le=2**24)]
# The largest offset any zone has used since 1970 is 14 hours; the smallest, minus 12.
Offset = Annotated[int, msgspec.Meta(ge=-18 * 3600, le=18 * 3600)]


class LocalTime(NamedTuple):
    """A minute on the wall clock of a site."""

    day: int
    weekday: int
    minute: int


class OffsetFrom(msgspec.Struct, frozen=True, array_like=True):
    """From the UTC second `since` the site's clock shows UTC plus `seconds`."""

    since: Instant
    seconds: Offset


class Holiday(msgspec.Struct, frozen=True, array_like=True):
    """Local days `first`..`last` (inclusive), of a `kind` that schedules refer to."""

    first: DayNumber
    last: DayNumber
    kind: Annotated[int, msgspec.Meta(ge=1, le=16)]

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"a holiday from day {self.first} to day {self.last} never comes")


def local_time(offsets: tuple[OffsetFrom, ...], until: int, now: int) -> LocalTime | None:
    """Return the wall clock at the UTC second `now`, or None outside the compiled range.

    `offsets` are ordered by `since`; they hold from the first `since` to `until` (exclusive).
    """
    offset = offset_at(offsets, until, now)
    if offset is None:
        return None
    day, second = divmod(now + offset, DAY)
    return LocalTime(day, (day + 3) % 7, second // MINUTE)


def offset_at(offsets: tuple[OffsetFrom, ...], until: int, now: int) -> int | None:
    """Return how many seconds the clock is ahead of UTC then, or None outside the range."""
    index = bisect_right(offsets, now, key=lambda offset: offset.since) - 1
    return None if index < 0 or now >= until else offsets[index].seconds


def holiday_kind(holidays: tuple[Holiday, ...], day: int) -> int | None:
    """Return the kind of the holiday on local `day`: the lowest kind where several overlap."""
    kinds = [holiday.kind for holiday in holidays if holiday.first <= day <= holiday.last]
    return min(kinds, default=None)
