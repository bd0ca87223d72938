"""The whole daemon: it starts with nothing, says so, and whatever breaks, the strike is secured."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from hw.ports import Link
from hw.sim.door import DoorSim
from reader import app
from reader.bus import Connection, Publication
from reader.memory import open_memory
from shared.access.rows import Modes
from tests.reader.bus import Broker
from tests.reader.keys import ENROLMENT, KEYS
from tests.reader.office import DOOR, FRAME, Office
from tests.reader.people import Cards, Phones
from tests.reader.rig import LoopTime, running


class BrokenPhones(Phones):
    """A driver with a bug: it raises what its port does not allow."""

    async def accept(self) -> Link:
        await asyncio.sleep(5)
        raise ZeroDivisionError("a bug in a driver")


class BrokenBus:
    """A bus with a bug."""

    def connect(
        self, subscribe: tuple[str, ...], will: Publication
    ) -> AbstractAsyncContextManager[Connection]:
        raise ZeroDivisionError(f"a bug: {subscribe} {will}")


async def test_it_starts_with_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reader")
    async with running(tmp_path) as rig:
        rig.controller.answers = False
        await rig.wait()
        assert not rig.is_released()
        [started] = rig.controller.events("started")
        assert started.detail == app.SOFTWARE
    assert "plan: none (empty); everybody is refused until one comes" in caplog.text


async def test_it_starts_with_its_plan_and_needs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office([*FRAME, DOOR])
    async with running(tmp_path, office) as rig:
        await rig.wait()
    caplog.set_level(logging.INFO, "reader")
    broker = Broker()
    broker.up = False
    async with running(tmp_path, office, broker=broker) as rig:
        await rig.wait(3600)
        assert rig.memory.ready
    assert f"plan: version 1 with {len(FRAME)} rows" in caplog.text


@pytest.mark.parametrize("broken", ["radio", "bus"])
async def test_a_bug_anywhere_ends_it_with_the_strike_secured(tmp_path: Path, broken: str) -> None:
    office = Office([*FRAME])
    async with running(tmp_path, office) as rig:
        await rig.wait()
    # A door that somebody unlocked: what ends the daemon must lock it.
    office.edit([type(DOOR)(1, DOOR.methods, modes=Modes(unlock_until=2**40))])
    async with running(tmp_path, office) as rig:
        await rig.wait()
        assert rig.is_released()
    said: list[str] = []
    door = DoorSim(say=said.append, clock=lambda: 0.0)
    memory = open_memory(tmp_path, LoopTime())
    links = BrokenPhones() if broken == "radio" else Phones()
    bus = BrokenBus() if broken == "bus" else Broker()
    devices = app.Devices(door=door, links=links, tags=Cards())
    with pytest.raises(BaseExceptionGroup, match="unhandled errors"):
        await app.run(devices, bus, ENROLMENT, KEYS, memory)
    strikes = [line for line in said if "strike" in line]
    assert strikes == ["Click: the strike lets go.", "Clack: the strike holds."]
    assert not door.state.released
    memory.close()
