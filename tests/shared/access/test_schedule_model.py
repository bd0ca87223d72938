"""`opening` against a model with real dates, at random and densely where clocks jump."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.access.calendar import DAY, Holiday
from shared.access.rows import Calendar
from shared.access.schedule import HolidayRule, Interval, Opening, Schedule, Span, Use, opening
from tests.shared.access import strategies
from tests.shared.access.wallclock import (
    EPOCH,
    ERAS,
    Era,
    begins,
    changes,
    compiled,
    ends,
    naive_opening,
    shown_at,
)

eras = pytest.mark.parametrize("era", ERAS, ids=lambda era: era.zone)


def random_span(rng: random.Random) -> Span:
    start = rng.choice([rng.randrange(1440), rng.randrange(0, 1440, 30), rng.randrange(60, 200)])
    return Span(start, start + rng.choice([1, 30, 60, rng.randint(1, 1440), 1440]))


def random_schedule(rng: random.Random) -> Schedule:
    weekly = [Interval(rng.randrange(7), random_span(rng)) for _ in range(rng.randint(0, 8))]
    rules = [
        HolidayRule(
            rng.randint(1, 3),
            rng.random() < 0.5,
            tuple(random_span(rng) for _ in range(rng.randint(0, 2))),
        )
        for _ in range(rng.randint(0, 3))
    ]
    return Schedule(1, tuple(weekly), tuple(rules))


def random_holidays(rng: random.Random, around: int, count: int) -> tuple[Holiday, ...]:
    """Return holidays within three days of the local day of `around`, some overlapping."""
    firsts = [around // DAY + rng.randint(-3, 2) for _ in range(count)]
    return tuple(Holiday(day, day + rng.randint(0, 2), rng.randint(1, 4)) for day in firsts)


def compare(era: Era, schedule: Schedule, holidays: tuple[Holiday, ...], instant: int) -> Opening:
    """Return what both agree on."""
    local = compiled(era).local(instant)
    assert local is not None
    for use in Use:
        expected = naive_opening(schedule, holidays, shown_at(era, instant), use)
        assert opening(schedule, holidays, local, use) is expected, (era, instant, use)
    return opening(schedule, holidays, local)


@eras
def test_they_agree_at_random(era: Era) -> None:
    rng = random.Random(era.zone)
    seen = set()
    for _ in range(60):
        schedule = random_schedule(rng)
        around = rng.randrange(begins(era) + 4 * DAY, ends(era) - 4 * DAY)
        holidays = random_holidays(rng, around, rng.randint(0, 3))
        for _ in range(12):
            instant = around + rng.randrange(-3 * DAY, 3 * DAY)
            seen.add(compare(era, schedule, holidays, instant))
    assert seen == set(Opening)


@pytest.mark.parametrize("era", [era for era in ERAS if changes(era)], ids=lambda era: era.zone)
def test_they_agree_where_clocks_jump(era: Era) -> None:
    rng = random.Random(era.zone)
    for change in changes(era):
        for _ in range(8):
            schedule = random_schedule(rng)
            holidays = random_holidays(rng, change, rng.randint(0, 2))
            near = [change + step for step in (-1, 0, 1, -60, 59, 60, -3600, 3599, 3600)]
            wide = [change + rng.randrange(-26 * 3600, 26 * 3600) for _ in range(40)]
            for instant in near + wide:
                compare(era, schedule, holidays, instant)


@pytest.mark.parametrize("era", [era for era in ERAS if changes(era)], ids=lambda era: era.zone)
def test_they_agree_on_every_minute_of_one_jump(era: Era) -> None:
    rng = random.Random(era.zone)
    change = rng.choice(changes(era))
    schedule = Schedule(
        1,
        tuple(Interval(day, random_span(rng)) for day in range(7) for _ in range(2)),
        (HolidayRule(1, spans=(Span(60, 150), Span(1380, 1530))), HolidayRule(2, as_usual=True)),
    )
    holidays = random_holidays(rng, change, 1)
    for instant in range(change - 30 * 3600, change + 30 * 3600, 60):
        compare(era, schedule, holidays, instant + rng.randrange(60))


@given(
    era=st.sampled_from(ERAS),
    schedule=strategies.schedules,
    days=st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2), strategies.holiday_kinds)),
    data=st.data(),
)
@settings(max_examples=60)
def test_they_agree_wherever_hypothesis_looks(
    era: Era, schedule: Schedule, days: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    landmark = data.draw(st.sampled_from([*changes(era), begins(era) + 100 * DAY]))
    instant = landmark + data.draw(st.integers(-100_000, 100_000))
    day = (shown_at(era, instant).date() - EPOCH).days
    holidays = tuple(Holiday(day + first, day + first + more, kind) for first, more, kind in days)
    compare(era, schedule, holidays, instant)


@given(strategies.schedules, strategies.calendars(), strategies.instants)
@settings(max_examples=60)
def test_neither_order_nor_repetition_of_intervals_matters(
    schedule: Schedule, calendar: Calendar, now: int
) -> None:
    local = calendar.local(now)
    if local is None:
        return
    turned = Schedule(schedule.id, schedule.weekly[::-1] + schedule.weekly, schedule.holidays)
    days = calendar.holidays
    for use in Use:
        answer = opening(schedule, days, local, use)
        assert opening(turned, days[::-1] + days, local, use) is answer


@given(strategies.schedules, strategies.calendars(), strategies.instants)
@settings(max_examples=60)
def test_unlocking_is_never_wider_than_entering(
    schedule: Schedule, calendar: Calendar, now: int
) -> None:
    local = calendar.local(now)
    if local and opening(schedule, calendar.holidays, local, Use.UNLOCK) is Opening.OPEN:
        assert opening(schedule, calendar.holidays, local, Use.ENTRY) is Opening.OPEN
