"""A person at a door machine: acts, lets time pass, keeps what happened."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from hw.ports import Sensor, SensorChange, Signal
from reader.door import (
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
from tests.reader.clocks import NOW
from tests.reader.office import CALENDAR

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
