"""The doorkeeper between machine and hardware: what fails beside it does not move the strike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from hw.ports import HardwareFault, Sensor, SensorChange, Signal
from hw.sim.door import DoorSim
from reader.door import Who
from reader.doorkeeper import SENSOR_RETRY, Doorkeeper
from reader.memory import Memory, open_memory
from shared.access.mode import DoorMode
from shared.wire.events import Event, EventKind, decode_event
from tests.reader.office import Office
from tests.reader.rig import LoopTime
from tests.reader.test_memory import fill, meddle

ANNA = Who(credential=1, person=11)


class BrokenSensors:
    """Inputs that fail so many times, and then give one edge."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0

    async def next(self) -> SensorChange:
        self.asked += 1
        if self.asked <= self.failures:
            raise HardwareFault("gpio: chip 0 is gone")
        if self.asked == self.failures + 1:
            return SensorChange(Sensor.REX, active=True)
        return await asyncio.Future()


@pytest_asyncio.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    opened = open_memory(tmp_path, LoopTime())
    await fill(opened, Office())
    yield opened
    opened.close()


@pytest.fixture
def door() -> DoorSim:
    return DoorSim(say=lambda _: None, clock=lambda: 0.0)


def events(memory: Memory) -> list[Event]:
    batch = memory.journal.batch(1)
    return [decode_event(entry) for entry in batch.entries] if batch else []


def kinds(memory: Memory) -> list[str]:
    return [event.kind.value for event in events(memory)]


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_grant_moves_the_strike_at_once(memory: Memory, door: DoorSim) -> None:
    keeper = Doorkeeper(door, memory)
    assert keeper.grant(5, ANNA)
    assert (door.state.released, keeper.released, keeper.mode) == (True, True, DoorMode.PULSE)
    assert not keeper.open


async def test_it_locks_again_by_itself(memory: Memory, door: DoorSim) -> None:
    keeper = Doorkeeper(door, memory)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    keeper.grant(5, ANNA)
    await asyncio.sleep(4.9)
    assert door.state.released
    await asyncio.sleep(0.2)
    assert not keeper.released
    assert kinds(memory) == ["not_entered"]
    await stop(task)


async def test_however_it_ends_the_strike_is_secured(memory: Memory, door: DoorSim) -> None:
    keeper = Doorkeeper(door, memory)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    keeper.grant(60, ANNA)
    assert door.state.released
    await stop(task)
    assert not door.state.released


async def test_what_happens_while_the_card_is_slow_has_its_own_time_and_is_not_lost_at_the_end(
    memory: Memory, door: DoorSim, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = memory.journal.append

    async def append_slowly(what: Sequence[Event]) -> int:
        first = await append(what)
        await asyncio.sleep(10)
        return first

    monkeypatch.setattr(memory.journal, "append", append_slowly)
    keeper = Doorkeeper(door, memory)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    times = []
    for sensor in (Sensor.REX, Sensor.TAMPER, Sensor.FIRE):
        times.append(int(memory.clock.seconds() * 1000))
        door.set_sensor(sensor, active=True)
        await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(0.1)
    assert not door.state.released
    await stop(task)
    assert kinds(memory) == ["exit", "tamper", "fire"]
    assert [event.at for event in events(memory)] == times


async def test_a_journal_that_fails_at_the_end_does_not_move_the_strike(
    memory: Memory, door: DoorSim, tmp_path: Path
) -> None:
    keeper = Doorkeeper(door, memory)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    meddle(tmp_path / "journal.db", "DROP TABLE entry")
    keeper.grant(1, ANNA)
    await asyncio.sleep(0)
    door.set_sensor(Sensor.FIRE, active=True)
    await asyncio.sleep(0)
    await stop(task)
    assert not door.state.released


async def test_inputs_that_fail_are_tried_again(
    memory: Memory, door: DoorSim, caplog: pytest.LogCaptureFixture
) -> None:
    sensors = BrokenSensors(failures=3)
    door.sensors = sensors  # type: ignore[assignment]  # the port, not the simulator's class
    keeper = Doorkeeper(door, memory)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(3 * SENSOR_RETRY - 0.1)
    assert keeper.mode is DoorMode.SECURE
    await asyncio.sleep(0.2)
    assert door.state.released
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "door inputs: gpio: chip 0 is gone"
    ] * 3
    await stop(task)


async def test_an_event_that_cannot_be_written_shows_trouble_and_holds_up_nothing(
    memory: Memory, door: DoorSim, tmp_path: Path
) -> None:
    keeper = Doorkeeper(door, memory)
    meddle(tmp_path / "journal.db", "DROP TABLE entry")
    await keeper.record([keeper.event(EventKind.EXIT)])
    assert door.state.signal is Signal.TROUBLE
    assert keeper.grant(5, ANNA)


async def test_an_event_has_the_time_and_how_far_it_is_believed(
    memory: Memory, door: DoorSim
) -> None:
    keeper = Doorkeeper(door, memory)
    event = keeper.event(EventKind.REMOTE, Who(operator=7), detail="x")
    assert event.at == int(memory.clock.seconds() * 1000)
    assert (event.trust, event.operator, event.person) == (memory.clock.trust, 7, None)


async def test_a_refusal_and_reading_are_shown(memory: Memory, door: DoorSim) -> None:
    keeper = Doorkeeper(door, memory)
    shown = []
    keeper.busy(5)
    shown.append(door.state.signal)
    keeper.refuse(Signal.NOT_NOW)
    shown.append(door.state.signal)
    assert shown == [Signal.BUSY, Signal.NOT_NOW]


async def test_changes_are_told(memory: Memory, door: DoorSim) -> None:
    keeper = Doorkeeper(door, memory)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    for sensor, active in (
        (Sensor.REX, True),
        (Sensor.CONTACT, True),
        (Sensor.CONTACT, False),
    ):
        keeper.changed.clear()
        door.set_sensor(sensor, active=active)
        await asyncio.sleep(0.1)
        assert keeper.changed.is_set()
    keeper.changed.clear()
    door.set_sensor(Sensor.TAMPER, active=True)
    await asyncio.sleep(0.1)
    assert not keeper.changed.is_set()
    await stop(task)
