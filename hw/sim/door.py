"""A simulated door: a strike, its sensors and lamps, and people who push, leave and tamper.

The reader uses it as `hw.ports.DoorHardware`. What a person at the door would see and hear is said
in one line each; programs watch and act through `hw.sim.door_control`. A door opens only while the
strike is released, unless somebody uses force.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hw.ports import Sensor, SensorChange, Signal

# What lamps and buzzer do is the driver's business; a refusal tells a thief no more than this.
_SHOWN = {
    Signal.IDLE: "a dim white lamp",
    Signal.BUSY: "a blue lamp, running",
    Signal.GRANTED: "a green lamp and one long tone",
    Signal.NOT_HERE: "a red lamp and two short beeps: not here",
    Signal.NOT_NOW: "an amber lamp and two short beeps: not now",
    Signal.TROUBLE: "a red lamp, blinking, and three short beeps: trouble",
    Signal.UNLOCKED: "a steady green lamp: open to everybody",
    Signal.LOCKDOWN: "a steady red lamp: lockdown",
    Signal.HELD_OPEN: "an amber lamp and a nagging beep: please close the door",
    Signal.FORCED_OPEN: "a red lamp and a siren: forced open",
}
_SENSED = {
    (Sensor.CONTACT, True): "The door swings open.",
    (Sensor.CONTACT, False): "The door falls shut.",
    (Sensor.REX, True): "Inside, somebody presses the exit button.",
    (Sensor.REX, False): "The exit button is let go.",
    (Sensor.TAMPER, True): "Somebody opens the housing of the reader.",
    (Sensor.TAMPER, False): "The housing of the reader is closed again.",
    (Sensor.FIRE, True): "The fire alarm rings.",
    (Sensor.FIRE, False): "The fire alarm stops.",
}
# A reader that lives reads an edge at once; one that does not shall not be fed for ever.
_EDGES_MAX = 256
_CHANGES_MAX = 256


class DoorLocked(Exception):
    """Somebody pushed, and the strike held."""


class SensorsIgnored(Exception):
    """The reader does not read its inputs: further edges would be lost."""


@dataclass(frozen=True, slots=True)
class DoorState:
    """Everything about the door at one moment."""

    released: bool = False
    active: frozenset[Sensor] = frozenset()
    signal: Signal = Signal.IDLE


@dataclass(frozen=True, slots=True)
class DoorChange:
    """When it happened (UNIX seconds), what changed, and how everything is now."""

    at: float
    what: str
    state: DoorState


class SimStrike:
    """See `hw.ports.Strike`."""

    def __init__(self, door: DoorSim) -> None:
        self._door = door

    def release(self) -> None:
        self._door.set_released(released=True)

    def secure(self) -> None:
        self._door.set_released(released=False)


class SimSensors:
    """See `hw.ports.Sensors`."""

    def __init__(self) -> None:
        self._edges: deque[SensorChange] = deque()
        self._news = asyncio.Event()

    def feed(self, edge: SensorChange) -> None:
        if len(self._edges) >= _EDGES_MAX:
            raise SensorsIgnored("the reader does not read its inputs: is it running?")
        self._edges.append(edge)
        self._news.set()

    async def next(self) -> SensorChange:
        while not self._edges:
            self._news.clear()
            await self._news.wait()
        return self._edges.popleft()


class SimIndicator:
    """See `hw.ports.Indicator`."""

    def __init__(self, door: DoorSim) -> None:
        self._door = door

    def show(self, signal: Signal) -> None:
        self._door.set_signal(signal)


class DoorSim:
    """The door. `strike`, `sensors`, `indicator` are the reader's side; the verbs are people's."""

    def __init__(self, *, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        """`say` gets each line for a person; `clock` gives UNIX seconds."""
        self._say = say
        self._clock = clock
        self._watchers: set[asyncio.Queue[DoorChange]] = set()
        self.state = DoorState()
        self.strike = SimStrike(self)
        self.sensors = SimSensors()
        self.indicator = SimIndicator(self)

    async def close(self) -> None:
        """The reader is done: outputs at rest."""
        self.strike.secure()
        self.indicator.show(Signal.IDLE)

    def set_released(self, *, released: bool) -> None:
        if released != self.state.released:
            self._say("Click: the strike lets go." if released else "Clack: the strike holds.")
            self._becomes("strike", replace(self.state, released=released))

    def set_signal(self, signal: Signal) -> None:
        if signal is not self.state.signal:
            self._say(f"The reader shows {_SHOWN[signal]}.")
            self._becomes("signal", replace(self.state, signal=signal))

    def open(self, *, force: bool = False) -> None:
        """Push the door. Raises `DoorLocked`; with `force` it gives way in any case."""
        if Sensor.CONTACT in self.state.active:
            return
        if not self.state.released:
            if not force:
                self._say("Somebody pushes, and the door does not open.")
                raise DoorLocked("the door is locked: release the strike first, or use force")
            self._say("Crash! Somebody forces the door.")
        self.set_sensor(Sensor.CONTACT, active=True)

    def shut(self) -> None:
        """Let the door fall shut."""
        self.set_sensor(Sensor.CONTACT, active=False)

    def set_sensor(self, sensor: Sensor, *, active: bool) -> None:
        """One of the door's wires changes. Raises `SensorsIgnored`."""
        if active == (sensor in self.state.active):
            return
        self.sensors.feed(SensorChange(sensor, active))
        self._say(_SENSED[sensor, active])
        self._becomes(sensor.value, replace(self.state, active=self.state.active ^ {sensor}))

    async def walk_through(self, seconds: float) -> None:
        """Open the door, be in the doorway for `seconds`, let it fall shut."""
        self.open()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.shut()

    @contextlib.contextmanager
    def watch(self) -> Iterator[asyncio.Queue[DoorChange]]:
        """Every change from now on, the present state first.

        Who reads too slowly misses what lay between, and begins anew with the state of then.
        """
        changes: asyncio.Queue[DoorChange] = asyncio.Queue(_CHANGES_MAX)
        changes.put_nowait(DoorChange(self._clock(), "snapshot", self.state))
        self._watchers.add(changes)
        try:
            yield changes
        finally:
            self._watchers.discard(changes)

    def _becomes(self, what: str, state: DoorState) -> None:
        self.state = state
        change = DoorChange(self._clock(), what, state)
        for watcher in self._watchers:
            if watcher.full():
                while not watcher.empty():
                    watcher.get_nowait()
                    watcher.task_done()
                watcher.put_nowait(replace(change, what="snapshot"))
            else:
                watcher.put_nowait(change)
