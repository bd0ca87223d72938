"""Anything may happen at a door, in any order: it is released only for a reason, and ends locked.

The reasons are kept here by other means than in the machine: as a list of what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hw.ports import Sensor, SensorChange, Signal
from reader.door import DoorMachine, Report, SetStrike, Show, View, Who
from shared.access.mode import Clock, Trust
from shared.access.rows import Modes
from shared.wire.events import EventKind
from tests.reader.clocks import NOW
from tests.reader.office import ALL_WEEK, DOOR
from tests.reader.stand import NORMAL

TICK = 0.25


@dataclass(frozen=True)
class Granted:
    """A release that was asked for."""

    who: Who
    until: float
    overrides: bool


@st.composite
def views(draw: st.DrawFn) -> View:
    """What plan and clock may say of this door."""
    clock = Clock(int(NOW), draw(st.sampled_from([Trust.TRUSTED, Trust.FLOOR])))
    if draw(st.integers(0, 3)) == 0:
        return View(clock=clock)
    until = int(NOW) + 60 if draw(st.booleans()) else None
    modes = Modes(draw(st.booleans()), draw(st.booleans()), unlock_until=until)
    return replace(
        NORMAL,
        door=msgspec.structs.replace(DOOR, modes=modes, first_person_in=draw(st.booleans())),
        unlock=ALL_WEEK if draw(st.booleans()) else None,
        clock=clock,
        lease_live=draw(st.booleans()),
    )


class AnyDoor(RuleBasedStateMachine):
    """Throws everything at a door machine."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = DoorMachine()
        self.view = NORMAL
        self.now = 0.0
        self.released = False
        self.grants: list[Granted] = []
        self.ran: set[Who] = set()
        self.ended: list[Who] = []
        self.pressed: set[Sensor] = set()
        self.exit_until = -1.0
        self.settles = 0
        self.settle()

    def settle(self) -> None:
        for effect in self.machine.settle(self.view, self.now):
            match effect:
                case SetStrike(released):
                    assert released is not self.released or self.settles == 0
                    self.released = released
                case Show(signal):
                    assert isinstance(signal, Signal)
                case Report(EventKind.ENTERED | EventKind.NOT_ENTERED, who):
                    self.ended.append(who)
                case Report():
                    pass
        self.settles += 1
        self.ran |= {grant.who for grant in self.grants if self.machine.releases_for(grant.who)}
        if Sensor.REX in self.pressed:
            self.exit_until = self.now + DOOR.release

    @rule(
        seconds=st.sampled_from([1.0, 5.0, 20.0]), overrides=st.booleans(), operator=st.booleans()
    )
    def grant(self, seconds: float, overrides: bool, operator: bool) -> None:
        number = len(self.grants)
        who = Who(operator=number) if operator else Who(credential=number, person=number)
        self.grants.append(Granted(who, self.now + seconds, overrides))
        self.machine.grant(seconds, who, self.now, overrides=overrides)
        self.settle()

    @rule(signal=st.sampled_from([Signal.NOT_HERE, Signal.NOT_NOW, Signal.TROUBLE]))
    def refuse(self, signal: Signal) -> None:
        self.machine.refuse(signal, self.now)
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 5.0]))
    def busy(self, seconds: float) -> None:
        self.machine.busy(self.now, seconds)
        self.settle()

    @rule(sensor=st.sampled_from(Sensor), active=st.booleans())
    def sense(self, sensor: Sensor, active: bool) -> None:
        if active:
            self.pressed.add(sensor)
        else:
            self.pressed.discard(sensor)
        self.machine.sense(SensorChange(sensor, active), self.now)
        self.settle()

    @rule(view=views())
    def change(self, view: View) -> None:
        self.view = view
        self.settle()

    @rule()
    def calm(self) -> None:
        self.view = NORMAL
        self.settle()

    @rule(ticks=st.integers(1, 200))
    def wait(self, ticks: int) -> None:
        end = self.now + ticks * TICK
        self.run_until(end)

    def run_until(self, end: float) -> None:
        """Settle whenever it is due, as the doorkeeper does."""
        before = self.settles
        while self.machine.deadline <= end:
            assert self.machine.deadline > self.now
            self.now = self.machine.deadline
            self.settle()
        # No busy loop: a door that nobody touches is looked at a few times a minute.
        assert self.settles - before <= 20 + (end - self.now)
        self.now = end
        self.settle()

    @invariant()
    def something_is_always_due_later(self) -> None:
        assert self.now < self.machine.deadline < self.now + 31

    @invariant()
    def released_only_for_a_reason(self) -> None:
        assert self.machine.released is self.released
        if self.released:
            assert self.reasons(), (self.machine.mode, self.view)

    def reasons(self) -> list[str]:
        door, clock = self.view.door, self.view.clock
        found = []
        if Sensor.FIRE in self.pressed:
            found.append("fire")
        if self.now < self.exit_until or Sensor.REX in self.pressed:
            found.append("exit")
        if door is None or (door.modes.lockdown and door.modes.maintenance):
            return found
        running = [grant for grant in self.grants if self.now < grant.until]
        if door.modes.lockdown:
            return found + ["override" for grant in running if grant.overrides]
        if door.modes.maintenance:
            return found
        if door.modes.unlock_until is not None and clock.trusted:
            found.append("unlocked")
        if self.view.unlock is not None and clock.trusted and self.view.lease_live:
            found.append("scheduled")
        return found + ["pulse" for _ in running]

    @invariant()
    def no_release_ends_twice(self) -> None:
        assert len(self.ended) == len(set(self.ended))
        assert set(self.ended) <= self.ran

    def teardown(self) -> None:
        """Everybody goes home: the door locks, and every release has come to its end."""
        for sensor in list(self.pressed):
            self.machine.sense(SensorChange(sensor, active=False), self.now)
        self.pressed.clear()
        self.view = NORMAL
        self.settle()
        self.run_until(self.now + 120)
        assert not self.released
        assert set(self.ended) == self.ran


AnyDoor.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestAnyDoor = AnyDoor.TestCase
