"""A whole reader in memory: the real daemon between a simulated door, a broker and a controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hw.none import NoLinks, NoTags
from hw.ports import LinkListener, Sensor, TagListener
from hw.sim.door import DoorSim
from reader import app
from reader.memory import Memory, open_memory
from reader.uplink import RECONNECT_MAX
from tests.reader.bus import Broker
from tests.reader.clocks import NOW
from tests.reader.controller import Controller
from tests.reader.keys import ENROLMENT, KEYS
from tests.reader.office import Office

# Until a reader has connected, said hello, and has been answered.
SOON = 2.0


class LoopTime:
    """A `reader.clock.TimeSource` by the loop's clock."""

    def __init__(self, boot: str = "boot 1") -> None:
        self.boot = boot

    def uptime(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return NOW + self.uptime()


@dataclass
class Rig:
    """Everything around one running reader."""

    memory: Memory
    door: DoorSim
    broker: Broker
    controller: Controller
    said: list[str]  # what a person at the door saw and heard
    task: asyncio.Task[None]

    async def wait(self, seconds: float = SOON) -> None:
        """Let time pass, and see that the reader still runs."""
        await asyncio.sleep(seconds)
        if self.task.done():
            await self.task

    def is_released(self) -> bool:
        """Whether the strike is released at this moment."""
        return self.door.state.released

    async def reconnect(self) -> None:
        """Cut the line and wait until the reader is back."""
        self.broker.cut()
        await self.wait(2 * RECONNECT_MAX)


@asynccontextmanager
async def running(
    folder: Path,
    office: Office | None = None,
    *,
    links: LinkListener | None = None,
    tags: TagListener | None = None,
    broker: Broker | None = None,
    controller: Controller | None = None,
    boot: str = "boot 1",
) -> AsyncIterator[Rig]:
    """Run a reader on what lies in `folder` until the end of the block."""
    broker = broker or Broker()
    controller = controller or Controller(broker, office or Office())
    said: list[str] = []
    door = DoorSim(say=said.append, clock=lambda: 0.0)
    memory = open_memory(folder, LoopTime(boot))
    devices = app.Devices(door=door, links=links or NoLinks(), tags=tags or NoTags())
    task = asyncio.create_task(app.run(devices, broker, ENROLMENT, KEYS, memory))
    try:
        await asyncio.sleep(0)
        yield Rig(memory, door, broker, controller, said, task)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        memory.close()
        assert not door.state.released


async def press(rig: Rig, times: int, apart: float = 1.0) -> None:
    """Somebody inside presses the exit button."""
    for _ in range(times):
        rig.door.set_sensor(Sensor.REX, active=True)
        rig.door.set_sensor(Sensor.REX, active=False)
        await rig.wait(apart)
