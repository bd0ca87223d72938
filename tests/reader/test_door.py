"""The door: releases, relocking, exits, alarms and what is shown, one rule at a time."""

from __future__ import annotations

import pytest

from hw.ports import Sensor, Signal
from reader.door import (
    EXIT_SECONDS,
    DoorMachine,
    SetStrike,
    Show,
    View,
)
from shared.access.mode import DoorMode
from tests.reader.stand import ANNA, BERT, NORMAL, OPERATOR, Stand, with_modes


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
