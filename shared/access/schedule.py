"""Weekly schedules on the wall clock, with holidays and intervals over midnight.

An interval belongs to the day it starts on, also for the part after midnight. Judging by the wall
clock gives the daylight-saving rules we publish: a repeated hour counts twice, and a start inside
a skipped hour moves to that hour's end.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from shared.access.calendar import DAY_MINUTES, Holiday, LocalTime, holiday_kind

ALWAYS = 0  # the schedule id of a grant that no schedule limits
MAX_ID = 2**63 - 1  # what SQLite and a signed 64-bit column hold


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Minutes `start` to `end` (exclusive) after a midnight; over 1440 crosses the next one."""

    start: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)]
    end: Annotated[int, msgspec.Meta(gt=0, le=2 * DAY_MINUTES)]

    def __post_init__(self) -> None:
        if not 0 < self.end - self.start <= DAY_MINUTES:
            raise ValueError(f"a span of {self.end - self.start} minutes: 1 to {DAY_MINUTES} fit")


class Interval(msgspec.Struct, frozen=True, array_like=True):
    """A span on one weekday (Monday = 0)."""

    weekday: Annotated[int, msgspec.Meta(ge=0, le=6)]
    span: Span


class HolidayRule(msgspec.Struct, frozen=True, array_like=True):
    """On holidays of `kind`: `as_usual`, or open during `spans` (none: closed)."""

    kind: Annotated[int, msgspec.Meta(ge=1, le=16)]
    as_usual: bool = False
    spans: Annotated[tuple[Span, ...], msgspec.Meta(max_length=12)] = ()


class Schedule(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Open in any of its intervals; closed on holidays whose kind no rule names."""

    id: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
    weekly: Annotated[tuple[Interval, ...], msgspec.Meta(max_length=84)]
    holidays: Annotated[tuple[HolidayRule, ...], msgspec.Meta(max_length=16)] = ()


class Opening(enum.Enum):
    """What a schedule says of one moment."""

    OPEN = "open"
    CLOSED = "closed"
    HOLIDAY = "holiday"  # closed, and only because of a holiday


class Use(enum.Enum):
    """What a schedule is asked for. A holiday *as usual* lets people in, but unlocks no door."""

    ENTRY = "entry"
    UNLOCK = "unlock"


def opening(
    schedule: Schedule, holidays: tuple[Holiday, ...], at: LocalTime, use: Use = Use.ENTRY
) -> Opening:
    """Return whether `schedule` is open at the local minute `at`."""
    today = _day_opening(schedule, holidays, at, use)
    before = LocalTime(at.day - 1, (at.weekday - 1) % 7, at.minute + DAY_MINUTES)
    yesterday = _day_opening(schedule, holidays, before, use)
    if Opening.OPEN in (today, yesterday):
        return Opening.OPEN
    return Opening.HOLIDAY if Opening.HOLIDAY in (today, yesterday) else Opening.CLOSED


def _day_opening(
    schedule: Schedule, holidays: tuple[Holiday, ...], at: LocalTime, use: Use
) -> Opening:
    """Judge `at.minute`, counted from the midnight of `at.day`, by that day's spans alone."""
    usual = any(
        interval.weekday == at.weekday and _within(interval.span, at.minute)
        for interval in schedule.weekly
    )
    kind = holiday_kind(holidays, at.day)
    if kind is None:
        return Opening.OPEN if usual else Opening.CLOSED
    rule = next((rule for rule in schedule.holidays if rule.kind == kind), HolidayRule(kind))
    special = any(_within(span, at.minute) for span in rule.spans)
    if special or (usual and rule.as_usual and use is Use.ENTRY):
        return Opening.OPEN
    return Opening.HOLIDAY if usual else Opening.CLOSED


def _within(span: Span, minute: int) -> bool:
    return span.start <= minute < span.end
