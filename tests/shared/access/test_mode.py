"""The ten modes: every combination, and each rule of the table by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from shared.access.calendar import DAY, Holiday, OffsetFrom
from shared.access.mode import Clock, DoorMode, Inputs, Trust, door_mode, unlock_due
from shared.access.rows import Calendar, Door, Modes
from shared.access.schedule import HolidayRule, Interval, Schedule, Span
from tests.shared.access import strategies

NOON = 20_000 * DAY + DAY // 2
CALENDAR = Calendar(2**40, (OffsetFrom(0, 0),))
OPEN_AT_NOON = Schedule(1, tuple(Interval(day, Span(720, 780)) for day in range(7)))
TRUSTED = Clock(NOON, Trust.TRUSTED)
DOOR = Door(1, (), unlock_schedule=1)


@dataclass(frozen=True)
class Case:
    """Everything that can hold at a door at noon, with trusted time."""

    fire: bool = False
    exit: bool = False
    fault: bool = False
    lockdown: bool = False
    maintenance: bool = False
    locked: bool = False
    unlocked: bool = False
    scheduled: bool = False
    pulse: bool = False
    override: bool = False

    def mode(self, clock: Clock = TRUSTED) -> DoorMode:
        modes = Modes(
            lockdown=self.lockdown,
            maintenance=self.maintenance,
            lock_until=NOON + 1 if self.locked else None,
            unlock_until=NOON + 1 if self.unlocked else None,
        )
        inputs = Inputs(
            fire=self.fire,
            exit=self.exit,
            fault=self.fault,
            pulse=self.pulse,
            pulse_overrides=self.override,
            lease_live=True,
        )
        unlock = OPEN_AT_NOON if self.scheduled else None
        return door_mode(structs.replace(DOOR, modes=modes), CALENDAR, unlock, inputs, clock)


NAMES = {
    "fire": DoorMode.FIRE,
    "exit": DoorMode.EXIT,
    "fault": DoorMode.FAULT,
    "lockdown": DoorMode.LOCKDOWN,
    "maintenance": DoorMode.MAINTENANCE,
    "locked": DoorMode.LOCKED_UNTIL,
    "unlocked": DoorMode.UNLOCKED_UNTIL,
    "scheduled": DoorMode.SCHEDULED,
    "pulse": DoorMode.PULSE,
}


def every_case() -> Iterator[Case]:
    for values in itertools.product((False, True), repeat=10):
        yield Case(*values)


def from_the_table(case: Case) -> DoorMode:
    """Read the published table from top to bottom."""
    for name, mode in NAMES.items():
        if not getattr(case, name):
            continue
        if mode is DoorMode.LOCKDOWN and case.pulse and case.override and not case.maintenance:
            return DoorMode.PULSE
        if mode is DoorMode.LOCKED_UNTIL and case.pulse:
            return DoorMode.PULSE
        return mode
    return DoorMode.SECURE


def test_every_combination_reads_as_the_table_does() -> None:
    cases = list(every_case())
    assert len(cases) == 1024
    for case in cases:
        assert case.mode() is from_the_table(case), case


@pytest.mark.parametrize("name", NAMES)
def test_each_mode_alone(name: str) -> None:
    assert Case(**{name: True}).mode() is NAMES[name]


STANDING = list(NAMES)[:-1]


@pytest.mark.parametrize("name", STANDING)
def test_a_mode_shadows_all_below_and_cancelled_reveals_the_next(name: str) -> None:
    below = STANDING[STANDING.index(name) :]
    held = Case(**dict.fromkeys(below, True))
    for lower in below:
        assert held.mode() is NAMES[lower]
        held = replace(held, **{lower: False})
    assert held.mode() is DoorMode.SECURE


def test_nothing_held_is_secure() -> None:
    assert Case().mode() is DoorMode.SECURE
    assert Case(override=True).mode() is DoorMode.SECURE
    assert not DoorMode.SECURE.released


def test_the_numbers_are_those_of_the_table() -> None:
    assert [mode.value for mode in sorted(DoorMode)] == list(range(1, 11))
    assert {mode for mode in DoorMode if mode.released} == {
        DoorMode.FIRE,
        DoorMode.EXIT,
        DoorMode.UNLOCKED_UNTIL,
        DoorMode.SCHEDULED,
        DoorMode.PULSE,
    }


# Pulses.


def test_lockdown_cuts_a_pulse_but_not_one_by_the_override_right() -> None:
    assert Case(pulse=True).mode() is DoorMode.PULSE
    assert Case(pulse=True, lockdown=True).mode() is DoorMode.LOCKDOWN
    assert Case(pulse=True, lockdown=True, override=True).mode() is DoorMode.PULSE
    assert not Case(lockdown=True, override=True).mode().released


def test_an_override_releases_for_its_pulse_only() -> None:
    # The unlocking that lockdown shadows must not show, nor last, because of a pulse.
    for standing in ("unlocked", "scheduled", "locked"):
        case = Case(lockdown=True, pulse=True, override=True, **{standing: True})
        assert case.mode() is DoorMode.PULSE


def test_a_grant_enters_through_lock_until_for_its_pulse_only() -> None:
    assert Case(locked=True, pulse=True).mode() is DoorMode.PULSE
    assert Case(locked=True, unlocked=True, pulse=True).mode() is DoorMode.PULSE
    assert Case(locked=True, scheduled=True, pulse=True).mode() is DoorMode.PULSE
    assert Case(locked=True, scheduled=True).mode() is DoorMode.LOCKED_UNTIL


def test_nothing_releases_for_entry_in_maintenance() -> None:
    for case in every_case():
        if case.maintenance and not (case.fire or case.exit):
            assert not case.mode().released


def test_exit_and_fire_release_even_in_lockdown() -> None:
    for case in every_case():
        if case.fire or case.exit:
            assert case.mode().released


def test_in_lockdown_only_the_override_right_enters() -> None:
    for case in every_case():
        if case.lockdown and not (case.fire or case.exit) and case.mode().released:
            assert case.pulse
            assert case.override


# Times.


@pytest.mark.parametrize("trust", Trust)
def test_unlocking_needs_trusted_time(trust: Trust) -> None:
    clock, expected = Clock(NOON, trust), trust is Trust.TRUSTED
    assert Case(unlocked=True).mode(clock).released is expected
    assert Case(scheduled=True).mode(clock).released is expected
    assert Case(pulse=True).mode(clock).released


@pytest.mark.parametrize("trust", Trust)
def test_locking_does_not(trust: Trust) -> None:
    case = Case(locked=True, unlocked=True, scheduled=True)
    assert case.mode(Clock(NOON, trust)) is DoorMode.LOCKED_UNTIL
    # Long after, but who knows?
    later = Clock(NOON + 1000 * DAY, trust)
    expected = DoorMode.SCHEDULED if trust is Trust.TRUSTED else DoorMode.LOCKED_UNTIL
    assert case.mode(later) is expected


def test_until_ends_at_the_very_second() -> None:
    assert Case(unlocked=True).mode(Clock(NOON, Trust.TRUSTED)) is DoorMode.UNLOCKED_UNTIL
    assert Case(unlocked=True).mode(Clock(NOON + 1, Trust.TRUSTED)) is DoorMode.SECURE
    assert Case(locked=True).mode(Clock(NOON, Trust.TRUSTED)) is DoorMode.LOCKED_UNTIL
    assert Case(locked=True).mode(Clock(NOON + 1, Trust.TRUSTED)) is DoorMode.SECURE


def test_the_operator_may_unlock_without_a_lease() -> None:
    door = structs.replace(DOOR, modes=Modes(unlock_until=NOON + 1))
    mode = door_mode(door, CALENDAR, None, Inputs(lease_live=False), TRUSTED)
    assert mode is DoorMode.UNLOCKED_UNTIL


# The scheduled unlock.


def due(
    door: Door = DOOR,
    calendar: Calendar = CALENDAR,
    unlock: Schedule = OPEN_AT_NOON,
    inputs: Inputs | None = None,
    clock: Clock = TRUSTED,
) -> bool:
    inputs = inputs or Inputs(lease_live=True)
    answer = unlock_due(door, calendar, unlock, inputs, clock)
    assert (door_mode(door, calendar, unlock, inputs, clock) is DoorMode.SCHEDULED) is answer
    return answer


def test_a_schedule_unlocks_in_its_hours() -> None:
    assert due()
    assert not due(clock=Clock(NOON - 1, Trust.TRUSTED))
    assert due(clock=Clock(NOON + 3599, Trust.TRUSTED))
    assert not due(clock=Clock(NOON + 3600, Trust.TRUSTED))


def test_a_schedule_unlocks_only_under_a_live_lease() -> None:
    assert not due(inputs=Inputs(lease_live=False, someone_came_in=True))


def test_a_schedule_may_wait_for_the_first_person_in() -> None:
    door = structs.replace(DOOR, first_person_in=True)
    assert not due(door)
    assert due(door, inputs=Inputs(lease_live=True, someone_came_in=True))
    assert not due(
        door,
        inputs=Inputs(lease_live=True, someone_came_in=True),
        clock=Clock(NOON - 1, Trust.TRUSTED),
    )


def test_a_schedule_does_not_unlock_on_a_holiday_not_even_as_usual() -> None:
    calendar = structs.replace(CALENDAR, holidays=(Holiday(20_000, 20_000, 1),))
    assert not due(calendar=calendar)
    as_usual = structs.replace(OPEN_AT_NOON, holidays=(HolidayRule(1, as_usual=True),))
    assert not due(calendar=calendar, unlock=as_usual)
    special = structs.replace(OPEN_AT_NOON, holidays=(HolidayRule(1, spans=(Span(720, 721),)),))
    assert due(calendar=calendar, unlock=special)


def test_a_schedule_does_not_unlock_where_the_calendar_ends() -> None:
    assert not due(calendar=structs.replace(CALENDAR, until=NOON))
    assert not due(calendar=Calendar(2**40, (OffsetFrom(NOON + 1, 0),)))


# All at once.

inputs = st.builds(Inputs, *[st.booleans()] * 7)


@given(
    strategies.doors,
    strategies.calendars(),
    st.none() | strategies.schedules,
    inputs,
    strategies.clocks,
)
@settings(max_examples=150)
def test_a_door_is_released_for_a_reason(
    door: Door, calendar: Calendar, unlock: Schedule | None, given_inputs: Inputs, clock: Clock
) -> None:
    mode = door_mode(door, calendar, unlock, given_inputs, clock)
    if not mode.released:
        return
    asked = given_inputs.fire or given_inputs.exit or given_inputs.pulse
    assert asked or (clock.trusted and (door.modes.unlock_until or unlock))
    if not (given_inputs.fire or given_inputs.exit):
        assert not given_inputs.fault
        assert not door.modes.maintenance
