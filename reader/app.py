"""A running reader: memory, door, taps and uplink, as one group of tasks."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from importlib.metadata import version

from hw.ports import DoorHardware, LinkListener, TagListener
from reader.bus import Bus
from reader.doorkeeper import Doorkeeper
from reader.identity import Enrolment, Keys
from reader.memory import Memory
from reader.refusals import Refusals
from reader.session import Session
from reader.taps import Taps
from reader.uplink import Uplink
from shared.wire.events import EventKind
from shared.wire.messages import CacheHealth

logger = logging.getLogger(__name__)

CHECKPOINT_EVERY = 60.0
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
    doorkeeper = Doorkeeper(devices.door, memory)

    def begin() -> Session:
        return Session(enrolment, keys, memory, doorkeeper, refusals, software=SOFTWARE)

    uplink = Uplink(bus, begin)
    taps = Taps(enrolment, keys, memory, doorkeeper)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(doorkeeper.run())
            await doorkeeper.record([doorkeeper.event(EventKind.STARTED, detail=SOFTWARE)])
            tasks.create_task(taps.serve_links(devices.links))
            tasks.create_task(taps.serve_tags(devices.tags))
            tasks.create_task(uplink.run())
            tasks.create_task(_look_after(memory, doorkeeper))
            logger.info("door '%s' is served; plan: %s", enrolment.door, _plan(memory))
    finally:
        await devices.door.close()


async def _look_after(memory: Memory, doorkeeper: Doorkeeper) -> None:
    """Check the plan once after the start, then write down clock and lease every minute."""
    if memory.cache.health is CacheHealth.DAMAGED:
        detail = "plan cache damaged; refusing until a snapshot is here"
        await doorkeeper.record([doorkeeper.event(EventKind.CACHE, detail=detail)])
    elif not await memory.cache.verify():
        logger.error("the plan cache does not match its digest; refusing until a snapshot is here")
        detail = "plan cache does not match its digest"
        await doorkeeper.record([doorkeeper.event(EventKind.CACHE, detail=detail)])
    while True:
        await asyncio.sleep(CHECKPOINT_EVERY)
        await memory.checkpoint()


def _plan(memory: Memory) -> str:
    plan = memory.cache.plan if memory.ready else None
    if plan is None:
        return f"none ({memory.cache.health.value}); everybody is refused until one comes"
    return f"version {plan.version} with {plan.count} rows"
