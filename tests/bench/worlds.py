"""Random doors, clocks, grants and attempts, dense where clocks jump and validity ends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from shared.access.calendar import DAY, Holiday
from shared.access.decide import Attempt, DenyCause, Factor, Knowledge, Reason, Reservation
from shared.access.mode import Clock, Trust
from shared.access.rows import Calendar, Door, Flag, Grant, Method, Modes
from shared.access.schedule import HolidayRule, Interval, Schedule, Span
from tests.shared.access.wallclock import ERAS, Era, begins, changes, compiled, ends

KEYS = [b"\x04" + bytes([number]) * 64 for number in range(4)]
METHODS = list(Method)
# What a world costs to make is spread over so many attempts in it.
PER_WORLD = 40


class Situation(NamedTuple):
    """One decision to take, and where on earth."""

    attempt: Attempt
    known: Knowledge
    clock: Clock
    era: Era


def situations(seed: int) -> Iterator[Situation]:
    """Yield random situations without end, the same for the same `seed`."""
    rng = random.Random(seed)
    while True:
        yield from _world(rng)


def _world(rng: random.Random) -> Iterator[Situation]:
    """Yield attempts at one door, densely around a change of its clock where it has one."""
    era = rng.choice(ERAS)
    middle = rng.choice([*changes(era), rng.randrange(begins(era), ends(era))])
    calendar = compiled(era, _holidays(rng, middle))
    schedules = {number: _schedule(rng, number) for number in range(1, 5)}
    grants = tuple(
        _grant(rng, key, plan, middle) for key in KEYS[:3] for plan in range(rng.randint(0, 4))
    )
    doors = [_door(rng) for _ in range(4)]
    spent = [{grant.id: rng.randint(0, 3) for grant in grants} for _ in range(4)]
    for _ in range(PER_WORLD):
        now = middle + rng.choice([0, -1, -3600, rng.randint(-3700, 3700), _some_days(rng)])
        known = Knowledge(
            door=rng.choice(doors) if rng.random() < 0.98 else None,
            calendar=_ending(rng, calendar, now) if rng.random() < 0.98 else None,
            schedules=schedules,
            grants=grants,
            denied=rng.choice(list(DenyCause)) if rng.random() < 0.05 else None,
            uses_spent=rng.choice(spent),
            fault=rng.random() < 0.03,
            lease_live=rng.random() < 0.9,
        )
        trust = Trust.TRUSTED if rng.random() < 0.9 else rng.choice(list(Trust))
        yield Situation(_attempt(rng), known, Clock(max(now, 0), trust), era)


def _some_days(rng: random.Random) -> int:
    return rng.randint(-3 * DAY, 3 * DAY)


def _ending(rng: random.Random, calendar: Calendar, now: int) -> Calendar:
    """Return `calendar`, sometimes ending about now."""
    if rng.random() < 0.95:
        return calendar
    return Calendar(now + rng.randint(0, 1), calendar.offsets, calendar.holidays)


def _holidays(rng: random.Random, middle: int) -> tuple[Holiday, ...]:
    today = middle // DAY
    firsts = [today + rng.randint(-2, 2) for _ in range(rng.randint(0, 3))]
    return tuple(Holiday(day, day + rng.randint(0, 1), rng.randint(1, 3)) for day in firsts)


def _span(rng: random.Random) -> Span:
    start = rng.choice([rng.randrange(1440), rng.randrange(0, 1440, 30)])
    return Span(start, start + rng.choice([60, rng.randint(1, 1440), rng.randint(1, 1440), 1440]))


def _schedule(rng: random.Random, number: int) -> Schedule:
    weekly = [Interval(day, _span(rng)) for day in range(7) for _ in range(rng.randint(0, 2))]
    rules = [
        HolidayRule(kind, rng.random() < 0.5, tuple(_span(rng) for _ in range(rng.randint(0, 2))))
        for kind in rng.sample(range(1, 4), rng.randint(0, 3))
    ]
    return Schedule(number, tuple(weekly), tuple(rules))


def _grant(rng: random.Random, key: bytes, plan: int, middle: int) -> Grant:
    harmless = Flag.OVERRIDE | Flag.RESPONDER | Flag.EXTENDED | Flag.OWNED_USES
    # What comes late among the reasons is rarely the first: let it be alone at times.
    allowed = rng.choices([harmless, harmless | Flag.SECOND_FACTOR, 255], [5, 1, 4])[0]
    flags = rng.randrange(256) & allowed
    bounds = [None if rng.random() < 0.6 else middle + _some_days(rng) for _ in range(2)]
    return Grant(
        key,
        plan + 1,
        credential=1,
        person=1,
        schedule=rng.choice([0, 1, 2, 3, 4, rng.randint(1, 5)]),
        flags=flags,
        not_before=bounds[0] if bounds[0] is None else bounds[0] - DAY,
        not_after=bounds[1] if bounds[1] is None else bounds[1] + DAY,
        uses=rng.randint(1, 3) if rng.random() < 0.3 else None,
    )


def _door(rng: random.Random) -> Door:
    return Door(
        1,
        tuple(rng.sample(METHODS, rng.choice([len(METHODS)] * 4 + [1]))),
        release=rng.randint(1, 9),
        release_extended=rng.randint(10, 99),
        modes=Modes(lockdown=rng.random() < 0.1, maintenance=rng.random() < 0.05),
    )


def _attempt(rng: random.Random) -> Attempt:
    # Few would be without a grant; and of those that have none, most come by a document.
    stranger = rng.random() < 0.2
    method = Method.ALIRO_NFC_DOCUMENT if rng.random() < 0.1 + 0.8 * stranger else None
    said = rng.choice([None, Reason.GRANTED, Reason.JOURNAL, rng.choice(list(Reason))])
    return Attempt(
        (KEYS[3] if stranger else rng.choice(KEYS)) if rng.random() < 0.98 else None,
        method or rng.choice(METHODS),
        document=said if method or rng.random() < 0.1 else None,
        proven=rng.random() < 0.97,
        factor=rng.choice(list(Factor)),
        reservation=rng.choice(list(Reservation)),
    )
