"""Weekly times as the API says them ("Monday", "09:00", "17:00"), and as readers are told.

An end at or before its start is the next morning's. Blocks of one day that touch are one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shared.access.calendar import DAY_MINUTES
from shared.access.schedule import HolidayRule, Interval, Schedule, Span

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# What may stand for a day; the readers are told weekdays only.
DAYS: Mapping[str, tuple[int, ...]] = {
    **{name: (number,) for number, name in enumerate(WEEKDAYS)},
    "Weekdays": (0, 1, 2, 3, 4),
    "Weekend": (5, 6),
    "Daily": (0, 1, 2, 3, 4, 5, 6),
}
MAX_BLOCKS = 12

Block = dict[str, Any]


class Minutes(NamedTuple):
    """From `start` to `end`, in minutes after one midnight; over 1440 is past the next one."""

    start: int
    end: int

    @property
    def sayable(self) -> bool:
        """Whether two times of day can say it."""
        length = self.end - self.start
        return length < DAY_MINUTES or self == (0, DAY_MINUTES)


def minutes_of(start_time: str, end_time: str) -> Minutes:
    """Return what two valid, different times of day ("24:00" as end) mean together."""
    start, end = _minute(start_time), _minute(end_time)
    return Minutes(start, end if end > start else end + DAY_MINUTES)


def merge(spans: Iterable[Minutes]) -> list[Minutes]:
    """Return `spans` in order, joined where they touch and two times can still say it."""
    merged: list[Minutes] = []
    for span in sorted(spans):
        last = merged[-1] if merged else None
        if last is not None and span.start <= last.end:
            joined = Minutes(last.start, max(last.end, span.end))
            if joined.sayable:
                merged[-1] = joined
                continue
        merged.append(span)
    return merged


def merge_blocks(blocks: Iterable[Block]) -> list[Block]:
    """Return blocks of the API in order of day and time, merged day name by day name."""
    by_day: dict[str, list[Minutes]] = {day: [] for day in DAYS}
    for block in blocks:
        by_day[block["day"]].append(minutes_of(block["start_time"], block["end_time"]))
    return [{"day": day, **times} for day, spans in by_day.items() for times in _said(merge(spans))]


def merge_times(times: Iterable[Block]) -> list[Block]:
    """Return the times of a holiday rule, in order and merged."""
    return _said(merge(minutes_of(time["start_time"], time["end_time"]) for time in times))


def schedule_row(number: int, times: list[Block], holidays: list[Block]) -> Schedule:
    """Return the row that tells readers of schedule `number`, from valid JSON of the API."""
    by_day: list[list[Minutes]] = [[] for _ in WEEKDAYS]
    for block in times:
        for day in DAYS[block["day"]]:
            by_day[day].append(minutes_of(block["start_time"], block["end_time"]))
    return Schedule(
        id=number,
        weekly=tuple(
            Interval(day, Span(*span)) for day, spans in enumerate(by_day) for span in merge(spans)
        ),
        holidays=tuple(_rule(rule) for rule in sorted(holidays, key=lambda rule: rule["kind"])),
    )


def _rule(rule: Block) -> HolidayRule:
    spans = (minutes_of(time["start_time"], time["end_time"]) for time in rule["times"])
    return HolidayRule(rule["kind"], rule["as_usual"], tuple(Span(*span) for span in merge(spans)))


def _said(spans: list[Minutes]) -> list[Block]:
    return [{"start_time": _clock(span.start), "end_time": _end(span.end)} for span in spans]


def _end(minute: int) -> str:
    return "24:00" if minute == DAY_MINUTES else _clock(minute % DAY_MINUTES)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _minute(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)
