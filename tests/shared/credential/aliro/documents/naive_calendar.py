"""Recurrence rules read off the calendar, day by day: slow, plain, and written for tests alone.

Nothing here counts with remainders or day numbers: lists of days are made and looked into.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator

ONE_DAY = datetime.timedelta(days=1)


def occurrences(
    rule: tuple[int, int, int, int, int], first: datetime.date, last: datetime.date
) -> Iterator[datetime.date]:
    """The days from `first` to `last` on which [duration, mask, pattern, interval, ordinal] has
    one begin."""
    _, mask, pattern, interval, ordinal = rule
    due: dict[object, bool] = {}
    day = first
    while day <= last:
        unit = unit_of(pattern, day)
        if unit not in due:
            due[unit] = len(due) % interval == 0
        if due[unit] and matches(pattern, mask, ordinal, day):
            yield day
        day += ONE_DAY


def unit_of(pattern: int, day: datetime.date) -> object:
    """The day, week, month or year that the interval of a pattern counts; no two are the same."""
    iso = day.isocalendar()
    match pattern:
        case 1:
            return day
        case 2:
            return iso.year, iso.week
        case 3 | 4:
            return day.year, day.month
        case 5 | 6:
            return day.year
        case _:
            return iso.year


def matches(pattern: int, mask: int, ordinal: int, day: datetime.date) -> bool:
    weekdays = {number for number in range(7) if mask & 1 << number}
    months = {number + 1 for number in range(12) if mask & 1 << (number + 7)}
    month = days_of_month(day.year, day.month)
    match pattern:
        case 1:
            return True
        case 2:
            return day.weekday() in weekdays
        case 3:
            return day.weekday() in weekdays and picks(ordinal, like(day, month), day)
        case 4 if ordinal == 0:
            return bool(mask & 1 << (day.day - 1))
        case 4:
            return day.weekday() in weekdays and picks(ordinal, month, day)
        case 5:
            named = day.weekday() in weekdays and day.month in months
            return named and picks(ordinal, like(day, month), day)
        case 6:
            return day.weekday() in weekdays and day.month in months and picks(ordinal, month, day)
        case _:
            return in_named_week(pattern, ordinal, weekdays, months, day)


def in_named_week(
    pattern: int, ordinal: int, weekdays: set[int], months: set[int], day: datetime.date
) -> bool:
    monday = day
    while monday.weekday() != 0:
        monday -= ONE_DAY
    thursday = monday + 3 * ONE_DAY
    within = days_of_year(thursday.year) if pattern == 7 else days_of_month(*month_of(thursday))
    named = day.weekday() in weekdays and thursday.month in months
    return named and picks(ordinal, like(thursday, within), thursday)


def month_of(day: datetime.date) -> tuple[int, int]:
    return day.year, day.month


def like(day: datetime.date, days: list[datetime.date]) -> list[datetime.date]:
    return [each for each in days if each.weekday() == day.weekday()]


def picks(ordinal: int, days: list[datetime.date], day: datetime.date) -> bool:
    """Whether the ordinal-th of `days`, from the end if it is negative, is `day`."""
    place = ordinal - 1 if ordinal > 0 else ordinal
    return -len(days) <= place < len(days) and days[place] == day


@functools.cache
def days_of_year(year: int) -> list[datetime.date]:
    days = [datetime.date(year, 1, 1)]
    while (days[-1] + ONE_DAY).year == year:
        days.append(days[-1] + ONE_DAY)
    return days


@functools.cache
def days_of_month(year: int, month: int) -> list[datetime.date]:
    return [each for each in days_of_year(year) if each.month == month]
