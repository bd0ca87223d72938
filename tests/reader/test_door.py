"""The door: releases, relocking, exits, alarms and what is shown, one rule at a time."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from hw.ports import Sensor, SensorChange, Signal
from reader.door import (
    EXIT_SECONDS,
    GLANCE,
    REFUSAL_SHOWN,
    START_SECONDS,
    DoorMachine,
    Report,
    SetStrike,
    Show,
    View,
    Who,
)
from shared.access.mode import Clock, DoorMode, Trust
from shared.access.rows import Door, Method, Modes
from shared.wire.events import EventKind
from tests.reader.clocks import NOW
from tests.reader.office import ALL_WEEK, CALENDAR, NIGHTS

DOOR = Door(1, tuple(Method), release=5, held_after=30)
NORMAL = View(DOOR, CALENDAR, None, Clock(int(NOW), Trust.TRUSTED), lease_live=True)
ANNA, BERT = Who(credential=1, person=11), Who(credential=2, person=12)
OPERATOR = Who(operator=7)


def with_modes(**modes: object) -> View:
    return replace(NORMAL, door=msgspec.structs.replace(DOOR, modes=Modes(**modes)))  # type: ignore[arg-type]  # the names are those of Modes


class Stand:
    """Stands at a door: acts, lets time pass from deadline to deadline, and keeps what happened."""

    def __init__(self, view: View = NORMAL, *, started: bool = True) -> None:
        self.machine = DoorMachine()
        self.view = view
        self.now = 100.0
        self.released: bool | None = None
        self.signal: Signal | None = None
        self.reports: list[tuple[str, Who]] = []
        self.settle()
        if started:
            self.wait(START_SECONDS)

    def settle(self) -> None:
        for effect in self.machine.settle(self.view, self.now):
            match effect:
                case SetStrike(released):
                    assert released is not self.released
                    self.released = released
                case Show(signal):
                    assert signal is not self.signal
                    self.signal = signal
                case Report(kind, who):
                    self.reports.append((kind.value, who))
        assert self.machine.deadline > self.now

    def wait(self, seconds: float) -> None:
        """Let time pass, settling whenever it is due."""
        end = self.now + seconds
        while self.machine.deadline <= end:
            self.now = self.machine.deadline
            self.settle()
        self.now = end
        self.settle()

    def becomes(self, view: View) -> None:
        self.view = view
        self.settle()

    def grant(self, who: Who = ANNA, seconds: float = 5, *, overrides: bool = False) -> bool:
        self.machine.grant(seconds, who, self.now, overrides=overrides)
        self.settle()
        return self.machine.releases_for(who)

    def sense(self, sensor: Sensor, *, active: bool = True) -> None:
        self.machine.sense(SensorChange(sensor, active), self.now)
        self.settle()

    def open(self) -> None:
        self.sense(Sensor.CONTACT)

    def shut(self) -> None:
        self.sense(Sensor.CONTACT, active=False)

    # Asked by methods, because everything may change between two lines of a test.

    def is_released(self) -> bool:
        return bool(self.released)

    def shown(self) -> Signal | None:
        return self.signal

    def mode(self) -> DoorMode:
        return self.machine.mode

    def is_open(self) -> bool:
        return self.machine.open

    def told(self) -> list[str]:
        """What was reported since the last call."""
        kinds = [kind for kind, _ in self.reports]
        self.reports.clear()
        return kinds


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_door_starts_locked_and_says_so() -> None:
    machine = DoorMachine()
    assert not machine.released
    assert machine.settle(View(), 0.0) == [SetStrike(released=False), Show(Signal.IDLE)]
    assert machine.settle(View(), 1.0) == []


def test_a_grant_releases_for_its_time(stand: Stand) -> None:
    assert stand.grant(seconds=5)
    assert (stand.is_released(), stand.shown(), stand.mode()) == (
        True,
        Signal.GRANTED,
        DoorMode.PULSE,
    )
    stand.wait(4.9)
    assert stand.is_released()
    stand.wait(0.1)
    assert (stand.is_released(), stand.shown()) == (False, Signal.IDLE)
    assert stand.reports == [("not_entered", ANNA)]


def test_whoever_opens_the_door_has_entered_and_it_locks_behind_them(stand: Stand) -> None:
    stand.grant()
    stand.wait(1)
    stand.open()
    assert stand.reports == [("entered", ANNA)]
    assert stand.is_released()
    stand.wait(1)
    stand.shut()
    assert not stand.is_released()
    stand.wait(60)
    assert stand.told() == ["entered"]


def test_a_door_that_is_still_open_when_the_time_is_up_locks_all_the_same(stand: Stand) -> None:
    stand.grant()
    stand.open()
    stand.wait(6)
    assert not stand.is_released()
    assert stand.told() == ["entered"]


def test_opening_when_the_time_is_up_is_forced(stand: Stand) -> None:
    stand.grant()
    stand.wait(5)
    stand.open()
    assert stand.told() == ["not_entered", "forced"]
    assert stand.shown() is Signal.FORCED_OPEN
    stand.shut()
    assert stand.told() == ["closed"]
    assert stand.shown() is Signal.IDLE


def test_a_second_grant_does_not_shorten_the_first(stand: Stand) -> None:
    stand.grant(ANNA, seconds=20)
    stand.wait(1)
    stand.grant(BERT, seconds=5)
    stand.wait(6)
    assert stand.is_released()
    assert stand.reports == [("not_entered", BERT)]
    stand.wait(13)
    assert not stand.is_released()
    assert stand.reports == [("not_entered", BERT), ("not_entered", ANNA)]


def test_two_who_were_granted_enter_together(stand: Stand) -> None:
    stand.grant(ANNA)
    stand.grant(BERT)
    stand.open()
    assert stand.reports == [("entered", ANNA), ("entered", BERT)]
    stand.shut()
    assert not stand.is_released()


def test_the_same_person_again_is_one_release(stand: Stand) -> None:
    stand.grant(ANNA)
    stand.wait(3)
    stand.grant(ANNA)
    stand.wait(3)
    assert stand.is_released()
    stand.wait(2)
    assert stand.told() == ["not_entered"]


def test_whoever_is_granted_while_the_door_stands_open_goes_in(stand: Stand) -> None:
    stand.grant(ANNA)
    stand.open()
    stand.wait(2)
    stand.grant(BERT)
    assert stand.reports == [("entered", ANNA), ("entered", BERT)]
    stand.shut()
    assert not stand.is_released()
    stand.wait(10)
    assert stand.told() == ["entered", "entered"]


def test_lockdown_cuts_a_grant_and_does_not_bring_it_back(stand: Stand) -> None:
    stand.grant()
    stand.becomes(with_modes(lockdown=True))
    assert (stand.is_released(), stand.shown()) == (False, Signal.LOCKDOWN)
    assert stand.told() == ["not_entered"]
    stand.becomes(NORMAL)
    assert not stand.is_released()


@pytest.mark.parametrize("mode", ["lockdown", "maintenance"])
def test_what_the_mode_does_not_let_never_was(stand: Stand, mode: str) -> None:
    stand.becomes(with_modes(**{mode: True}))
    assert not stand.grant(OPERATOR)
    assert not stand.is_released()
    stand.becomes(NORMAL)
    assert not stand.is_released()
    stand.wait(10)
    assert stand.told() == []


def test_a_door_opened_during_a_refused_release_is_forced(stand: Stand) -> None:
    stand.becomes(with_modes(lockdown=True))
    stand.grant(OPERATOR)
    stand.open()
    assert stand.told() == ["forced"]


def test_the_override_right_enters_in_lockdown_and_takes_nobody_with_it(stand: Stand) -> None:
    stand.becomes(with_modes(lockdown=True))
    assert stand.grant(ANNA, overrides=True)
    assert stand.is_released()
    assert not stand.grant(OPERATOR)
    assert stand.is_released()
    stand.wait(5)
    assert not stand.is_released()
    assert stand.reports == [("not_entered", ANNA)]


def test_without_a_plan_nobody_is_let_in_but_everybody_out() -> None:
    stand = Stand(View())
    assert not stand.grant(OPERATOR)
    assert not stand.is_released()
    stand.sense(Sensor.REX)
    assert stand.is_released()
    stand.sense(Sensor.REX, active=False)
    stand.wait(EXIT_SECONDS)
    assert not stand.is_released()
    stand.sense(Sensor.FIRE)
    assert (stand.is_released(), stand.mode()) == (True, DoorMode.FIRE)


def test_a_plan_that_is_lost_ends_a_release(stand: Stand) -> None:
    stand.grant()
    stand.becomes(View())
    assert not stand.is_released()


@pytest.mark.parametrize("view", [NORMAL, with_modes(lockdown=True), with_modes(maintenance=True)])
def test_the_exit_button_releases_in_every_mode(view: View) -> None:
    stand = Stand(view)
    stand.sense(Sensor.REX)
    assert (stand.is_released(), stand.mode()) == (True, DoorMode.EXIT)
    stand.sense(Sensor.REX, active=False)
    assert stand.is_released()
    stand.open()
    stand.shut()
    assert not stand.is_released()
    assert stand.told() == ["exit"]


def test_an_exit_that_nobody_uses_ends(stand: Stand) -> None:
    stand.sense(Sensor.REX)
    stand.sense(Sensor.REX, active=False)
    stand.wait(4.9)
    assert stand.is_released()
    stand.wait(0.1)
    assert not stand.is_released()
    assert stand.told() == ["exit"]


def test_an_exit_button_held_down_keeps_the_door_released(stand: Stand) -> None:
    stand.sense(Sensor.REX)
    stand.wait(60)
    stand.open()
    stand.shut()
    assert stand.is_released()
    stand.wait(60)
    assert stand.is_released()
    stand.sense(Sensor.REX, active=False)
    stand.wait(5)
    assert not stand.is_released()
    assert stand.told() == ["exit"]


def test_a_grant_outlasts_an_exit(stand: Stand) -> None:
    stand.sense(Sensor.REX)
    stand.sense(Sensor.REX, active=False)
    stand.wait(3)
    assert stand.grant()
    stand.wait(3)
    assert (stand.is_released(), stand.mode()) == (True, DoorMode.PULSE)


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
