"""The door: when the strike is released, when it locks again, and what is an alarm.

A sans-IO state machine. Things happen (`grant`, `sense`, time passes); `settle` then says what to
do: release or secure the strike, what to show, what to report. Times are seconds of the monotonic
clock. The strike is secure unless one of the modes of `shared.access.mode` releases it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from hw.ports import Sensor, SensorChange, Signal
from shared.access.mode import Clock, DoorMode, Inputs, Trust, door_mode, unlock_due
from shared.access.rows import Calendar, Door
from shared.access.schedule import Schedule
from shared.wire.events import EventKind

# Long enough to be seen and heard, short enough not to stop the next person.
REFUSAL_SHOWN = 2.0
# Schedules and until-modes are judged by the minute; looking twice as often misses none.
GLANCE = 30.0
# A door without a plan still lets people out.
EXIT_SECONDS = 5
# At the start the inputs report how they are: a door that stands open then was not forced open.
START_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """What the plan and the clock say at this moment; None where there is no plan."""

    door: Door | None = None
    calendar: Calendar | None = None
    unlock: Schedule | None = None
    clock: Clock = field(default_factory=lambda: Clock(0, Trust.UNKNOWN))
    lease_live: bool = False


@dataclass(frozen=True, slots=True)
class Who:
    """On whose account a release is running; opaque numbers, for the events that follow."""

    credential: int | None = None
    person: int | None = None
    operator: int | None = None


@dataclass(frozen=True, slots=True)
class SetStrike:
    """Release or secure the strike."""

    released: bool


@dataclass(frozen=True, slots=True)
class Show:
    """Show this at the door, until something else is shown."""

    signal: Signal


@dataclass(frozen=True, slots=True)
class Report:
    """Write this into the journal."""

    kind: EventKind
    who: Who = field(default_factory=Who)


Effect: TypeAlias = SetStrike | Show | Report


@dataclass(frozen=True, slots=True)
class _Pulse:
    """A release on somebody's account: wanted, running from the first `settle` that allows it."""

    until: float
    who: Who
    overrides: bool
    running: bool = False
    entered: bool = False


class DoorMachine:
    """One door. Call `settle` after everything that happens, and when `deadline` is past."""

    def __init__(self) -> None:
        """Start locked, closed and quiet."""
        self.mode = DoorMode.SECURE
        self.open = False
        self._view = View()
        self._pulses: tuple[_Pulse, ...] = ()
        self._exit_until = -math.inf
        self._active: set[Sensor] = set()
        self._open_since = 0.0
        self._alarm: Signal | None = None
        self._came_in = False
        self._contact_wired = False  # a door without one is taken to be entered when granted
        self._start: float | None = None
        self._refusal: tuple[Signal, float] | None = None
        self._released: bool | None = None
        self._shown: Signal | None = None
        self._reports: list[Report] = []
        self._glance = 0.0

    @property
    def released(self) -> bool:
        """Whether the strike is released."""
        return bool(self._released)

    def grant(self, seconds: float, who: Who, now: float, *, overrides: bool = False) -> None:
        """Release for `seconds`: a credential was granted, or an operator opens remotely.

        If the next `settle` finds that the door's mode does not let it, it never was.
        """
        others = (pulse for pulse in self._pulses if pulse.who != who or pulse.entered)
        self._pulses = (*others, _Pulse(now + seconds, who, overrides))
        self._refusal = None

    def releases_for(self, who: Who) -> bool:
        """Return whether the strike is released on account of `who`."""
        return any(pulse.who == who and pulse.running for pulse in self._pulses)

    def refuse(self, signal: Signal, now: float) -> None:
        """Show a refusal for a moment."""
        self._refusal = (signal, now + REFUSAL_SHOWN)

    def busy(self, now: float, seconds: float) -> None:
        """Show that a credential is being read, for at most `seconds`."""
        self._refusal = (Signal.BUSY, now + seconds)

    def sense(self, change: SensorChange, now: float) -> None:
        """Take an edge of an input."""
        if change.active:
            self._active.add(change.sensor)
        else:
            self._active.discard(change.sensor)
        match change.sensor:
            case Sensor.CONTACT if change.active:
                self._opened(now)
            case Sensor.CONTACT:
                self._closed()
            case Sensor.REX if change.active:
                self._exit_until = now + self._release_seconds()
                self._reports.append(Report(EventKind.EXIT))
            case Sensor.TAMPER if change.active:
                self._reports.append(Report(EventKind.TAMPER))
            case Sensor.FIRE if change.active:
                self._reports.append(Report(EventKind.FIRE))
            case _:
                pass

    def settle(self, view: View, now: float) -> list[Effect]:
        """Return what is to be done now that `view` is what the plan and clock say."""
        self._view = view
        self._start = now if self._start is None else self._start
        self._came_in = self._came_in and _unlock_hours(view)
        self._expire(now)
        self._drop(pulse for pulse in self._pulses if not self._judge(now, (pulse,)).released)
        self._run_pulses()
        self.mode = self._judge(now, self._pulses)
        effects: list[Effect] = []
        if self.mode.released != self._released:
            self._released = self.mode.released
            effects.append(SetStrike(self._released))
        if (signal := self._signal()) != self._shown:
            self._shown = signal
            effects.append(Show(signal))
        effects.extend(self._reports)
        self._reports.clear()
        self._glance = now + GLANCE
        return effects

    @property
    def deadline(self) -> float:
        """When `settle` is due, if nothing happens before."""
        times = [self._glance]
        times.extend(pulse.until for pulse in self._pulses)
        if self._refusal is not None:
            times.append(self._refusal[1])
        if self._exit_until > -math.inf:
            times.append(self._exit_until)
        if self.open and self._alarm is None:
            times.append(self._held_at())
        return min(times)

    def _expire(self, now: float) -> None:
        self._drop(pulse for pulse in self._pulses if now >= pulse.until)
        if now >= self._exit_until:
            pressed = Sensor.REX in self._active
            self._exit_until = now + self._release_seconds() if pressed else -math.inf
        if self._refusal is not None and now >= self._refusal[1]:
            self._refusal = None
        if self.open and self._alarm is None and now >= self._held_at():
            if self._standing_open():
                self._open_since = now
            else:
                self._alarm = Signal.HELD_OPEN
                self._reports.append(Report(EventKind.HELD))

    def _drop(self, ended: Iterable[_Pulse]) -> None:
        """End pulses, saying of those that ran for nobody that they did."""
        gone = tuple(ended)
        for pulse in gone:
            if pulse.running and not pulse.entered:
                self._reports.append(Report(EventKind.NOT_ENTERED, pulse.who))
        self._pulses = tuple(pulse for pulse in self._pulses if pulse not in gone)

    def _run_pulses(self) -> None:
        """Let every pulse run; through a door that stands open already, people go at once."""
        for pulse in self._pulses:
            if not pulse.running and not self._contact_wired:
                self._came_in = self._came_in or pulse.who.person is not None
        self._pulses = tuple(replace(pulse, running=True) for pulse in self._pulses)
        if self.open:
            self._enter()

    def _enter(self) -> None:
        """The door stands open: whoever was let in goes in."""
        for pulse in self._pulses:
            if pulse.running and not pulse.entered:
                self._reports.append(Report(EventKind.ENTERED, pulse.who))
                self._came_in = self._came_in or pulse.who.person is not None
        self._pulses = tuple(replace(p, entered=p.entered or p.running) for p in self._pulses)

    def _opened(self, now: float) -> None:
        self.open = self._contact_wired = True
        self._open_since = now
        if any(pulse.running and now < pulse.until for pulse in self._pulses):
            self._enter()
        elif not (self._released or now < self._exit_until or self._starting(now)):
            self._alarm = Signal.FORCED_OPEN
            self._reports.append(Report(EventKind.FORCED))

    def _starting(self, now: float) -> bool:
        return self._start is None or now < self._start + START_SECONDS

    def _closed(self) -> None:
        self.open, self._contact_wired = False, True
        if self._alarm is not None:
            self._alarm = None
            self._reports.append(Report(EventKind.CLOSED))
        # Lock as soon as the door is shut behind whoever came in.
        self._pulses = tuple(pulse for pulse in self._pulses if not pulse.entered)
        if Sensor.REX not in self._active:
            self._exit_until = -math.inf

    def _judge(self, now: float, pulses: tuple[_Pulse, ...]) -> DoorMode:
        view = self._view
        inputs = Inputs(
            fire=Sensor.FIRE in self._active,
            exit=now < self._exit_until,
            pulse=bool(pulses),
            pulse_overrides=any(pulse.overrides for pulse in pulses),
            someone_came_in=self._came_in,
            lease_live=view.lease_live,
        )
        if view.door is not None and view.calendar is not None:
            return door_mode(view.door, view.calendar, view.unlock, inputs, view.clock)
        if inputs.fire or inputs.exit:
            return DoorMode.FIRE if inputs.fire else DoorMode.EXIT
        return DoorMode.SECURE

    def _signal(self) -> Signal:
        if self._alarm is not None:
            return self._alarm
        if self._pulses and self._released:
            return Signal.GRANTED
        if self._refusal is not None:
            return self._refusal[0]
        if self.mode is DoorMode.LOCKDOWN:
            return Signal.LOCKDOWN
        return Signal.UNLOCKED if self._released else Signal.IDLE

    def _standing_open(self) -> bool:
        """Whether the door may stand open for as long as people like."""
        return self.mode in (DoorMode.FIRE, DoorMode.UNLOCKED_UNTIL, DoorMode.SCHEDULED)

    def _held_at(self) -> float:
        held = self._view.door.held_after if self._view.door is not None else 30
        return self._open_since + held

    def _release_seconds(self) -> int:
        return self._view.door.release if self._view.door is not None else EXIT_SECONDS


def _unlock_hours(view: View) -> bool:
    """Whether the unlock schedule is open, whoever has come in."""
    if view.door is None or view.calendar is None or view.unlock is None:
        return False
    inputs = Inputs(someone_came_in=True, lease_live=view.lease_live)
    return unlock_due(view.door, view.calendar, view.unlock, inputs, view.clock)
