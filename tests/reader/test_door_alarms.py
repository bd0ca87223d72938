"""The door: alarms, standing open, schedules and what is shown, one rule at a time."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from hw.ports import Sensor, SensorChange, Signal
from reader.door import (
    GLANCE,
    REFUSAL_SHOWN,
    START_SECONDS,
    DoorMachine,
    Report,
    View,
)
from shared.access.mode import Clock, DoorMode, Trust
from shared.wire.events import EventKind
from tests.reader.clocks import NOW
from tests.reader.office import ALL_WEEK, NIGHTS
from tests.reader.stand import ANNA, DOOR, NORMAL, OPERATOR, Stand, with_modes


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_forced_door_is_an_alarm_until_it_is_shut(stand: Stand) -> None:
    stand.open()
    assert (stand.shown(), stand.is_released()) == (Signal.FORCED_OPEN, False)
    stand.wait(600)
    assert stand.told() == ["forced"]  # and not held as well
    stand.shut()
    assert (stand.shown(), stand.told()) == (Signal.IDLE, ["closed"])


@pytest.mark.parametrize("late", [0.0, START_SECONDS - 0.01])
def test_a_door_that_stands_open_at_the_start_was_not_forced_now(late: float) -> None:
    stand = Stand(started=False)
    stand.wait(late)
    stand.open()
    assert (stand.told(), stand.is_open()) == ([], True)
    stand.wait(30)
    assert stand.told() == ["held"]


def test_an_edge_before_the_first_settle_is_the_start() -> None:
    machine = DoorMachine()
    machine.sense(SensorChange(Sensor.CONTACT, active=True), 0.0)
    effects = machine.settle(NORMAL, 0.0)
    assert not [effect for effect in effects if isinstance(effect, Report)]


def test_a_door_held_open_is_an_alarm_until_it_is_shut(stand: Stand) -> None:
    stand.grant()
    stand.open()
    stand.wait(29.9)
    assert stand.shown() is not Signal.HELD_OPEN
    stand.wait(0.1)
    assert (stand.shown(), stand.told()) == (Signal.HELD_OPEN, ["entered", "held"])
    stand.wait(600)
    assert stand.told() == []
    stand.shut()
    assert (stand.shown(), stand.told()) == (Signal.IDLE, ["closed"])


UNLOCKED = {
    "fire": NORMAL,
    "operator": with_modes(unlock_until=int(NOW) + 7200),
    "schedule": replace(NORMAL, unlock=ALL_WEEK),
}


@pytest.mark.parametrize("why", UNLOCKED)
def test_an_unlocked_door_may_stand_open(why: str) -> None:
    stand = Stand(UNLOCKED[why])
    if why == "fire":
        stand.sense(Sensor.FIRE)
    assert stand.is_released()
    assert stand.shown() is Signal.UNLOCKED
    stand.open()
    stand.wait(3_000)
    assert stand.told() == (["fire"] if why == "fire" else [])
    # From the moment it should be shut it has its usual time.
    stand.sense(Sensor.FIRE, active=False)
    stand.becomes(NORMAL)
    assert not stand.is_released()
    stand.wait(29)
    assert stand.told() == []
    stand.wait(1 + GLANCE)
    assert stand.told() == ["held"]


def test_a_schedule_unlocks_and_locks_by_the_clock() -> None:
    # 22:00 to 23:00; it is 15:06:40.
    view = replace(NORMAL, unlock=NIGHTS)
    stand = Stand(view)
    for after, released in ((6 * 3600, False), (7 * 3600, True), (8 * 3600, False)):
        stand.becomes(replace(view, clock=Clock(int(NOW) + after, Trust.TRUSTED)))
        assert stand.is_released() is released, after


@pytest.mark.parametrize(
    "view",
    [
        replace(NORMAL, unlock=ALL_WEEK, clock=Clock(int(NOW), Trust.FLOOR)),
        replace(NORMAL, unlock=ALL_WEEK, lease_live=False),
        replace(with_modes(lock_until=int(NOW) + 60), unlock=ALL_WEEK),
        replace(with_modes(unlock_until=int(NOW) + 60), clock=Clock(int(NOW), Trust.FLOOR)),
    ],
)
def test_what_rests_on_time_or_lease_needs_them(view: View) -> None:
    assert not Stand(view).is_released()


FIRST_IN = replace(
    NORMAL, door=msgspec.structs.replace(DOOR, first_person_in=True), unlock=ALL_WEEK
)


def with_contact(view: View) -> Stand:
    """A door that is known to have a contact, because it has been opened before."""
    stand = Stand(view)
    stand.sense(Sensor.REX)
    stand.open()
    stand.sense(Sensor.REX, active=False)
    stand.shut()
    stand.told()
    assert not stand.is_released()
    return stand


def test_the_first_person_in_unlocks_the_day() -> None:
    stand = with_contact(FIRST_IN)
    stand.grant()
    stand.open()
    stand.shut()
    assert (stand.is_released(), stand.mode()) == (True, DoorMode.SCHEDULED)


def test_nobody_in_unlocks_nothing() -> None:
    stand = with_contact(FIRST_IN)
    stand.grant(ANNA)
    stand.wait(6)
    assert not stand.is_released()
    # Nor does an operator, who is elsewhere.
    stand.grant(OPERATOR)
    stand.open()
    stand.shut()
    assert not stand.is_released()


def test_without_a_contact_whoever_is_granted_is_in() -> None:
    stand = Stand(FIRST_IN)
    stand.grant()
    stand.wait(6)
    assert (stand.is_released(), stand.mode()) == (True, DoorMode.SCHEDULED)


def test_who_came_in_yesterday_does_not_unlock_today() -> None:
    view = replace(FIRST_IN, unlock=NIGHTS)
    stand = Stand(view)
    at_night = replace(view, clock=Clock(int(NOW) + 7 * 3600, Trust.TRUSTED))
    stand.grant()
    stand.wait(6)
    stand.becomes(at_night)
    assert not stand.is_released()
    stand.grant()
    stand.wait(6)
    assert stand.is_released()
    stand.becomes(view)
    stand.becomes(at_night)
    assert not stand.is_released()


@pytest.mark.parametrize("signal", [Signal.NOT_HERE, Signal.NOT_NOW, Signal.TROUBLE])
def test_a_refusal_is_shown_for_a_moment(stand: Stand, signal: Signal) -> None:
    stand.machine.refuse(signal, stand.now)
    stand.settle()
    assert stand.shown() is signal
    stand.wait(REFUSAL_SHOWN)
    assert stand.shown() is Signal.IDLE
    assert not stand.is_released()


def test_reading_is_shown_until_there_is_a_result(stand: Stand) -> None:
    stand.machine.busy(stand.now, 5)
    stand.settle()
    assert stand.shown() is Signal.BUSY
    stand.grant()
    assert stand.shown() is Signal.GRANTED
    stand.wait(5)
    assert stand.shown() is Signal.IDLE


def test_a_refusal_does_not_hide_that_the_door_is_released(stand: Stand) -> None:
    stand.grant()
    stand.machine.refuse(Signal.NOT_HERE, stand.now)
    stand.settle()
    assert (stand.shown(), stand.is_released()) == (Signal.GRANTED, True)


@pytest.mark.parametrize("sensor", [Sensor.TAMPER, Sensor.FIRE])
def test_tampering_and_fire_are_reported_once(stand: Stand, sensor: Sensor) -> None:
    stand.sense(sensor)
    stand.sense(sensor, active=False)
    assert stand.told() == [sensor.value]


def test_reports_name_whose_release_it_was(stand: Stand) -> None:
    stand.grant(OPERATOR)
    stand.open()
    assert stand.reports == [("entered", OPERATOR)]
    assert EventKind("entered") is EventKind.ENTERED
