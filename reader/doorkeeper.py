"""The one who stands at the door: joins the door machine to hardware, plan, clock and journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from hw.ports import DoorHardware, HardwareFault, SensorChange, Signal
from reader.database import Unusable
from reader.door import DoorMachine, Effect, Report, SetStrike, Show, View, Who
from reader.memory import Memory
from shared.access.mode import DoorMode
from shared.wire.events import Event, EventKind

logger = logging.getLogger(__name__)

# An input that fails is tried again after this long.
SENSOR_RETRY = 5.0


class Doorkeeper:
    """Owns strike, lamps and sensors."""

    def __init__(self, hardware: DoorHardware, memory: Memory) -> None:
        """Take over the hardware; nothing moves before `run`."""
        self._hardware = hardware
        self._memory = memory
        self._machine = DoorMachine()
        self._last: tuple[DoorMode, bool, bool] | None = None
        self._wake = asyncio.Event()
        self._reports: list[Event] = []  # what is not written yet
        self._reported = asyncio.Event()
        self.changed = asyncio.Event()  # mode or contact; the uplink clears it

    @property
    def mode(self) -> DoorMode:
        """What the door is doing."""
        return self._machine.mode

    @property
    def open(self) -> bool:
        """Whether the door stands open."""
        return self._machine.open

    @property
    def released(self) -> bool:
        """Whether the strike is released."""
        return self._machine.released

    def grant(self, seconds: float, who: Who, *, overrides: bool = False) -> bool:
        """Release now, for `seconds`. Return whether the strike did release on that account."""
        self._machine.grant(seconds, who, self._now(), overrides=overrides)
        self.settle()
        return self._machine.releases_for(who)

    def refuse(self, signal: Signal) -> None:
        """Show a refusal for a moment."""
        self._machine.refuse(signal, self._now())
        self.settle()

    def busy(self, seconds: float) -> None:
        """Show that a credential is being read, for at most `seconds`."""
        self._machine.busy(self._now(), seconds)
        self.settle()

    def settle(self) -> None:
        """Bring the door to where machine, plan and clock want it."""
        for effect in self._machine.settle(self.view(), self._now()):
            self._do(effect)
        now = (self._machine.mode, self._machine.open, self._machine.released)
        if now != self._last:
            self._last = now
            self.changed.set()
        self._wake.set()

    async def run(self) -> None:
        """Serve the door until cancelled; then leave it locked."""
        try:
            self.settle()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_time())
                tasks.create_task(self._watch_sensors())
                tasks.create_task(self._write_reports())
        finally:
            self._hardware.strike.secure()
            if self._reports:
                # Written even if this is cancelled a second time.
                await self._append(self._reports)

    async def spend(self, event: Event, grant_id: bytes | None) -> None:
        """Write down that a use is spent, of `grant_id` if this reader counts them.

        Raises `Unusable` if it cannot be written: then nobody may enter on it.
        """
        await self._memory.journal.append([event], spend=grant_id)

    async def record(self, events: Sequence[Event]) -> None:
        """Write events into the journal, durably; what cannot be written is shown as trouble."""
        if not await self._append(events):
            self.refuse(Signal.TROUBLE)

    async def _append(self, events: Sequence[Event]) -> bool:
        try:
            await self._memory.journal.append(events)
        except Unusable as error:
            # The door goes on: who is let in must not depend on a full card.
            logger.error("journal: %s; %d events are lost", error, len(events))  # noqa: TRY400
            return False
        return True

    def event(self, kind: EventKind, who: Who | None = None, **more: object) -> Event:
        """Return an event that happens now, by this reader's clock."""
        clock = self._memory.clock
        who = who or Who()
        return Event(
            seq=0,
            at=int(clock.seconds() * 1000),
            trust=clock.trust,
            kind=kind,
            **{
                "credential": who.credential,
                "person": who.person,
                "operator": who.operator,
                **more,
            },  # type: ignore[arg-type]  # the names are the fields of Event
        )

    def _do(self, effect: Effect) -> None:
        match effect:
            case SetStrike(released=True):
                self._hardware.strike.release()
            case SetStrike():
                self._hardware.strike.secure()
            case Show(signal):
                self._hardware.indicator.show(signal)
            case Report(kind, who):
                self._reports.append(self.event(kind, who))
                self._reported.set()

    def view(self) -> View:
        """What plan and clock say; nothing of a plan that is in doubt."""
        known, clock = self._memory.know(None), self._memory.clock.read()
        if known.door is None:
            return View(clock=clock)
        unlock = known.schedules.get(known.door.unlock_schedule)
        return View(known.door, known.calendar, unlock, clock, known.lease_live)

    async def _watch_time(self) -> None:
        while True:
            self._wake.clear()
            wait = max(0.0, self._machine.deadline - self._now())
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                self.settle()

    async def _watch_sensors(self) -> None:
        while True:
            try:
                change = await self._hardware.sensors.next()
            except HardwareFault as error:
                logger.warning("door inputs: %s", error)
                await asyncio.sleep(SENSOR_RETRY)
            else:
                self._sense(change)

    def _sense(self, change: SensorChange) -> None:
        self._machine.sense(change, self._now())
        self.settle()

    async def _write_reports(self) -> None:
        while True:
            await self._reported.wait()
            self._reported.clear()
            reports, self._reports = self._reports, []
            await self.record(reports)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
