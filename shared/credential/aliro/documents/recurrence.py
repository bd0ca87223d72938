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

    def names(self, day: datetime.date, first: datetime.date) -> bool:
        """Whether an occurrence begins on `day`, where the schedule begins on `first`."""
        match self.pattern:
            case Pattern.DAILY:
                return self._is_due(day.toordinal() - first.toordinal())
            case Pattern.WEEKLY:
                return self._is_due(_week(day) - _week(first)) and self._has_weekday(day)
            case Pattern.MONTHLY_BY_DAY:
                return self._is_due(_month(day) - _month(first)) and self._is_nth_weekday(day)
            case Pattern.MONTHLY_BY_DATE:
                return self._is_due(_month(day) - _month(first)) and self._is_date(day)
            case Pattern.YEARLY_BY_DAY:
                return self._is_this_year(day, first) and self._is_nth_weekday(day)
            case Pattern.YEARLY_BY_DATE:
                return self._is_this_year(day, first) and self._is_date(day)
            case Pattern.YEARLY_BY_WEEK:
                thursday = _thursday(day)
                number = (thursday.timetuple().tm_yday - 1) // 7 + 1
                last = datetime.date(thursday.year, 12, 28).isocalendar().week
                return self._is_week(day, first, number, last)
            case Pattern.YEARLY_BY_MONTH_AND_WEEK:
                thursday = _thursday(day)
                number = (thursday.day - 1) // 7 + 1
                last = number + (_month_days(thursday) - thursday.day) // 7
                return self._is_week(day, first, number, last)

    def _is_due(self, units: int) -> bool:
        return units % self.interval == 0

    def _has_weekday(self, day: datetime.date) -> bool:
        return bool(self.mask >> day.weekday() & 1)

    def _has_month(self, day: datetime.date) -> bool:
        return bool(self.mask >> (6 + day.month) & 1)

    def _counts(self, number: int, last: int) -> bool:
        """Whether the ordinal names number `number` of `last`."""
        return self.ordinal in (number, number - last - 1)

    def _is_this_year(self, day: datetime.date, first: datetime.date) -> bool:
        return self._is_due(day.year - first.year) and self._has_month(day)

    def _is_nth_weekday(self, day: datetime.date) -> bool:
        number = (day.day - 1) // 7 + 1
        last = number + (_month_days(day) - day.day) // 7
        return self._has_weekday(day) and self._counts(number, last)

    def _is_date(self, day: datetime.date) -> bool:
        if self._is_by_bits:
            return bool(self.mask >> (day.day - 1) & 1)
        return self._has_weekday(day) and self._counts(day.day, _month_days(day))

    def _is_week(self, day: datetime.date, first: datetime.date, number: int, last: int) -> bool:
        thursday = _thursday(day)
        due = self._is_this_year(thursday, _thursday(first))
        return due and self._has_weekday(day) and self._counts(number, last)


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
        begun = datetime.date.fromordinal(_EPOCH + first)
        days = range(latest, earliest - 1, -1)
        return any(rule.names(datetime.date.fromordinal(_EPOCH + day), begun) for day in days)


def _week(day: datetime.date) -> int:
    return (day.toordinal() - 1) // 7  # day 1 was a Monday


def _month(day: datetime.date) -> int:
    return 12 * day.year + day.month


def _month_days(day: datetime.date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _thursday(day: datetime.date) -> datetime.date:
    """The Thursday of its week, which says where the week belongs."""
    return day + datetime.timedelta(days=3 - day.weekday())
