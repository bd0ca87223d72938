"""A running reader: memory, door, taps and uplink, as one group of tasks."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from importlib.metadata import version

from hw.ports import DoorHardware, LinkListener, TagListener
from reader.bus import Bus
from reader.claims import Claims
from reader.doorkeeper import Doorkeeper
from reader.identity import Enrolment, Keys
from reader.memory import Memory
from reader.refusals import Refusals
from reader.session import Session
from reader.taps import Taps
from reader.upkeep import Upkeep
from reader.uplink import Uplink
from shared.wire.events import EventKind

logger = logging.getLogger(__name__)

SOFTWARE = f"doorward-reader {version('doorward')}"


@dataclass(frozen=True, slots=True)
class Devices:
    """What this reader is connected to."""

    door: DoorHardware
    links: LinkListener
    tags: TagListener


async def run(devices: Devices, bus: Bus, enrolment: Enrolment, keys: Keys, memory: Memory) -> None:
    """Serve the door until cancelled; then leave it locked and everything written down."""
    refusals = Refusals()
    claims = Claims()
    doorkeeper = Doorkeeper(devices.door, memory)

    def begin() -> Session:
        return Session(
            enrolment, keys, memory, doorkeeper, refusals, claims=claims, software=SOFTWARE
        )

    uplink = Uplink(bus, begin)
    taps = Taps(enrolment, keys, memory, doorkeeper, claims)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(doorkeeper.run())
            await doorkeeper.record([doorkeeper.event(EventKind.STARTED, detail=SOFTWARE)])
            tasks.create_task(taps.serve_links(devices.links))
            tasks.create_task(taps.serve_tags(devices.tags))
            tasks.create_task(uplink.run())
            tasks.create_task(Upkeep(memory, doorkeeper, uplink.ask).run())
            logger.info("door '%s' is served; plan: %s", enrolment.door, _plan(memory))
    finally:
        await devices.door.close()


def _plan(memory: Memory) -> str:
    plan = memory.cache.plan if memory.ready else None
    if plan is None:
        return f"none ({memory.health.value}); everybody is refused until one comes"
    return f"version {plan.version} with {plan.count} rows"
