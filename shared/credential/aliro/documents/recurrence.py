"""Schedules of Access Data: from when to when, on which days, and which of them.

    schedule    {0: start, [1: end,] [2: rule,] 3: flags}     seconds; flags bit 0: times are UTC
    rule        [duration (s), mask, pattern, interval, ordinal]

An occurrence begins on each day that the rule names, at the time of day of `start`, no earlier than
`start`, and lasts `duration`, over midnight if need be. A schedule is active in an occurrence,
while `start <= now < end`; without a rule, all that time. Local times are read off the wall clock:
what a clock change repeats counts twice, what it skips does not come.

Where Aliro leaves the arithmetic open, this is what it means here:

- The interval counts calendar units from the one in which `start` lies: days, weeks that begin on
  Monday, months, years. So "every second week" means the same whatever weekday it starts on.
- The name of a pattern says what its ordinal counts, from the end if it is negative; weekdays and
  months filter. The second Tuesday (3, 5); the 15th of the month, if it is one of these weekdays
  (4, 6); the days of the tenth week (7, 8).
- A week belongs to the month and to the year of its Thursday, as in ISO 8601. So months have four
  or five weeks and years 52 or 53, which is as far as the ordinals go.
- A rule that could name no day, for want of a weekday or of a month, is invalid, as is one with
  bits or an ordinal that its pattern has no use for: a denial must not come to nothing.
"""

from __future__ import annotations

import calendar
import datetime
import enum
from dataclasses import dataclass
from typing import Any

from shared.credential.aliro.documents.encoding import array, mapping, member, uint, whole
from shared.credential.tlv import Malformed

DAY = 24 * 3600
MAX_DURATION = 0xFFFFFFFF
# The last second of the year 9998: every day that is looked at has a neighbour.
LATEST = 253_370_764_799

_UTC = 1
_WEEKDAYS = 0x7F
_MONTHS = 0xFFF << 7
_DATES = 0x7FFFFFFF
_EPOCH = datetime.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, of a clock that is trusted: UTC in Unix seconds, and how far local time is ahead of it.

    `offset` is that of this moment, daylight saving included.
    """

    utc: int
    offset: int = 0

    def __post_init__(self) -> None:
        if not DAY <= self.utc <= LATEST or not -DAY < self.offset < DAY:
            raise ValueError("a moment that no clock at a door shows")

    @property
    def local(self) -> int:
        """Seconds of the wall clock, counted as if it were UTC."""
        return self.utc + self.offset


class Pattern(enum.IntEnum):
    """What a rule goes by."""

    DAILY = 1
    WEEKLY = 2
    MONTHLY_BY_DAY = 3
    MONTHLY_BY_DATE = 4
    YEARLY_BY_DAY = 5
    YEARLY_BY_DATE = 6
    YEARLY_BY_WEEK = 7
    YEARLY_BY_MONTH_AND_WEEK = 8


_PATTERNS = frozenset(Pattern)
_ORDINALS = {
    Pattern.DAILY: 0,
    Pattern.WEEKLY: 0,
    Pattern.MONTHLY_BY_DAY: 5,
    Pattern.MONTHLY_BY_DATE: 31,
    Pattern.YEARLY_BY_DAY: 5,
    Pattern.YEARLY_BY_DATE: 31,
    Pattern.YEARLY_BY_WEEK: 53,
    Pattern.YEARLY_BY_MONTH_AND_WEEK: 5,
}
_YEARLY = range(Pattern.YEARLY_BY_DAY, Pattern.YEARLY_BY_MONTH_AND_WEEK + 1)
_BY_WEEK = (Pattern.WEEKLY, Pattern.YEARLY_BY_WEEK, Pattern.YEARLY_BY_MONTH_AND_WEEK)
_ONE_DAY = datetime.timedelta(days=1)
_MONDAY = datetime.timedelta(days=3)  # before its week's Thursday


@dataclass(frozen=True, slots=True)
class Recurrence:
    """On which days occurrences begin, and how long they last. `ValueError` for what is invalid."""

    duration: int
    mask: int
    pattern: Pattern
    interval: int = 1
    ordinal: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.duration <= MAX_DURATION or not 1 <= self.interval <= 255:
            raise ValueError("a duration or an interval that is out of range")
        if abs(self.ordinal) > _ORDINALS[self.pattern]:
            raise ValueError("an ordinal that the pattern does not have")
        if not self.ordinal and _ORDINALS[self.pattern] and not self._is_by_bits:
            raise ValueError("an ordinal is missing")
        groups = self._groups
        if self.mask & ~sum(groups) or not all(self.mask & group for group in groups):
            raise ValueError("a mask that names no day, or has bits without a meaning")

    @property
    def _is_by_bits(self) -> bool:
        """Whether the mask has dates, instead of weekdays."""
        return self.pattern is Pattern.MONTHLY_BY_DATE and not self.ordinal

    @property
    def _groups(self) -> tuple[int, ...]:
        """Which bits the mask may have, at least one of each group."""
        if self.pattern is Pattern.DAILY:
            return ()
        if self.pattern in _YEARLY:
            return _WEEKDAYS, _MONTHS
        return (_DATES if self._is_by_bits else _WEEKDAYS,)

    @property
    def plain(self) -> list[int]:
        return [self.duration, self.mask, int(self.pattern), self.interval, self.ordinal]

    @classmethod
    def read(cls, value: Any) -> Recurrence:
        """Raises `Malformed`."""
        match array(value):
            case [duration, mask, pattern, interval, ordinal]:
                pass
            case _:
                raise Malformed("a recurrence rule has five numbers")
        if uint(pattern) not in _PATTERNS:
            raise Malformed("a recurrence pattern that there is not")
        found = Pattern(pattern)
        try:
            return cls(uint(duration), uint(mask), found, uint(interval), whole(ordinal, -128, 127))
        except ValueError as error:
            raise Malformed(f"a recurrence rule: {error}") from None

    def begins(self, earliest: datetime.date, latest: datetime.date, first: datetime.date) -> bool:
        """Whether an occurrence begins from `earliest` to `latest`, of a schedule from `first` on.

        It looks back from `latest`, over whole units that are not due: durations may be decades.
        """
        start, day = self._unit(first), latest
        while day >= earliest:
            unit = self._unit(day)
            if not self._is_due(unit, start):
                day = unit - _MONDAY if self.pattern in _BY_WEEK else unit
            elif self._fits(day, unit):
                return True
            day -= _ONE_DAY
        return False

    def _unit(self, day: datetime.date) -> datetime.date:
        """What a day belongs to: its week's Thursday, its month's first, or itself."""
        if self.pattern is Pattern.DAILY:
            return day
        return _thursday(day) if self.pattern in _BY_WEEK else day.replace(day=1)

    def _is_due(self, unit: datetime.date, start: datetime.date) -> bool:
        """Whether the interval, and the months of the mask, let days of `unit` be named."""
        match self.pattern:
            case Pattern.DAILY:
                elapsed = (unit - start).days
            case Pattern.WEEKLY:
                elapsed = (unit - start).days // 7
            case Pattern.MONTHLY_BY_DAY | Pattern.MONTHLY_BY_DATE:
                elapsed = 12 * (unit.year - start.year) + unit.month - start.month
            case _:
                elapsed = unit.year - start.year
                if not self.mask >> (6 + unit.month) & 1:
                    return False
        return elapsed % self.interval == 0

    def _fits(self, day: datetime.date, unit: datetime.date) -> bool:
        """Whether the rest of the mask, and the ordinal, name `day`."""
        if self._is_by_bits:
            return bool(self.mask >> (day.day - 1) & 1)
        if self.pattern is Pattern.DAILY:
            return True
        if not self.mask >> day.weekday() & 1:
            return False
        match self.pattern:
            case Pattern.WEEKLY:
                return True
            case Pattern.MONTHLY_BY_DAY | Pattern.YEARLY_BY_DAY:
                number, last = _place_in_month(day)
            case Pattern.MONTHLY_BY_DATE | Pattern.YEARLY_BY_DATE:
                number, last = day.day, _days_of_month(day)
            case Pattern.YEARLY_BY_WEEK:
                number = unit.isocalendar().week
                last = datetime.date(unit.year, 12, 28).isocalendar().week
            case Pattern.YEARLY_BY_MONTH_AND_WEEK:
                number, last = _place_in_month(unit)
        return self.ordinal in (number, number - last - 1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something holds. Times are seconds since 1970, of UTC or of the wall clock."""

    start: int
    end: int | None = None  # the first second after it
    recurrence: Recurrence | None = None
    is_utc: bool = False

    @property
    def plain(self) -> dict[int, Any]:
        said: dict[int, Any] = {0: self.start}
        if self.end is not None:
            said[1] = self.end
        if self.recurrence is not None:
            said[2] = self.recurrence.plain
        return said | {3: _UTC if self.is_utc else 0}

    @classmethod
    def read(cls, value: Any) -> Schedule:
        """Raises `Malformed`."""
        said = mapping(value)
        if said.keys() - {0, 1, 2, 3}:
            raise Malformed("a schedule says what this version does not know")
        return cls(
            uint(member(said, 0)),
            uint(said[1]) if 1 in said else None,
            Recurrence.read(said[2]) if 2 in said else None,
            bool(uint(said.get(3, 0), _UTC)),
        )

    def is_active(self, moment: Moment) -> bool:
        now = moment.utc if self.is_utc else moment.local
        if now < self.start or (self.end is not None and now >= self.end):
            return False
        return self.recurrence is None or self._is_in_occurrence(self.recurrence, now)

    def _is_in_occurrence(self, rule: Recurrence, now: int) -> bool:
        """Look back over the days on which an occurrence could have begun that still lasts."""
        first, time_of_day = divmod(self.start, DAY)
        latest = (now - time_of_day) // DAY
        earliest = max(first, (now - time_of_day - rule.duration) // DAY + 1)
        days = (earliest, latest, first)
        return rule.begins(*(datetime.date.fromordinal(_EPOCH + day) for day in days))


def _place_in_month(day: datetime.date) -> tuple[int, int]:
    """The how many-th such weekday of its month it is, and how many there are."""
    number = (day.day - 1) // 7 + 1
    return number, number + (_days_of_month(day) - day.day) // 7


def _days_of_month(day: datetime.date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _thursday(day: datetime.date) -> datetime.date:
    """The Thursday of its week, which says where the week belongs."""
    return day + datetime.timedelta(days=3 - day.weekday())
