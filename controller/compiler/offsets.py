"""A time zone as a plan carries it: the UTC offsets of thirteen years, from the tz database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.access.calendar import DAY, OffsetFrom

# Renewed every January, a window of thirteen years from last January always reaches ten years
# ahead, and back far enough to date an event that waited in a journal.
WINDOW_YEARS = 13
AHEAD_YEARS = 12
# Certificates of readers begin with the window, so that no phone's clock is too slow for them, and
# are renewed with it: one that is stolen is good for the year after this one at most.
CERTIFICATE_YEARS = 3
# A year in a certificate has two digits, and is before 2050.
LAST_DATE = 2_524_607_999
# A clock that says less is wrong. The window of this year reaches far beyond it all the same.
EARLIEST_YEAR = 2025


class UnknownTimeZone(ValueError):
    """No such zone in the tz database of this machine."""


def window_end(now: int) -> int:
    """Return the UTC second until which offsets are compiled at the UTC second `now`."""
    year = max(datetime.fromtimestamp(now, UTC).year, EARLIEST_YEAR)
    return _new_year(year + AHEAD_YEARS)


def certificate_dates(until: int) -> tuple[int, int]:
    """Return the first and last UTC second of certificates in the window that ends at `until`."""
    first = datetime.fromtimestamp(until, UTC).year - WINDOW_YEARS
    dates = _new_year(first), _new_year(first + CERTIFICATE_YEARS) - 1
    before, after = (min(max(0, date), LAST_DATE) for date in dates)
    return before, after


def time_zone(name: str) -> ZoneInfo:
    """Return the zone `name`. Raises `UnknownTimeZone`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(
            f"{name!r} is not a time zone; use an IANA name such as Europe/London"
        ) from error


@lru_cache(maxsize=256)
def compile_offsets(name: str, until: int) -> tuple[OffsetFrom, ...]:
    """Return the offsets of zone `name` for the window that ends at the UTC second `until`.

    The first holds from the window's start; each later one from the second it begins.
    """
    zone = time_zone(name)
    start = _new_year(datetime.fromtimestamp(until, UTC).year - WINDOW_YEARS)
    offsets = [OffsetFrom(start, _offset(zone, start))]
    for day in range(start, until, DAY):
        end = min(day + DAY, until) - 1
        if _offset(zone, end) != offsets[-1].seconds:
            offsets.append(_change_between(zone, day - 1, end))
    return tuple(offsets)


def _change_between(zone: ZoneInfo, before: int, after: int) -> OffsetFrom:
    """Return the change of offset in (before, after]; a day never has two."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return OffsetFrom(after, _offset(zone, after))


def _offset(zone: ZoneInfo, second: int) -> int:
    moment = datetime.fromtimestamp(second, zone)
    return (moment.utcoffset() or timedelta()) // timedelta(seconds=1)


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
