"""The simulated door: the contract, what people can do to it, and what they see."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.ports import Sensor, SensorChange, Signal
from hw.sim.door import DoorChange, DoorLocked, DoorSim, SensorsIgnored
from tests.hw.door_contract import DoorBench, DoorContract


class Clock:
    """A second passes with every look at it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def door(said: list[str]) -> DoorSim:
    return DoorSim(say=said.append, clock=Clock())


@pytest.fixture
def bench(door: DoorSim) -> DoorBench:
    return DoorBench(
        door,
        lambda: door.state.released,
        lambda sensor, active: door.set_sensor(sensor, active=active),
    )


class TestContract(DoorContract):
    """The contract of the port."""


async def test_a_locked_door_does_not_open(door: DoorSim, said: list[str]) -> None:
    with pytest.raises(DoorLocked, match="use force"):
        door.open()
    assert door.state.active == frozenset()
    assert said == ["Somebody pushes, and the door does not open."]


async def test_a_released_door_opens_and_falls_shut(door: DoorSim, said: list[str]) -> None:
    door.strike.release()
    door.open()
    door.open()  # it is open
    door.strike.secure()
    door.shut()
    assert said == [
        "Click: the strike lets go.",
        "The door swings open.",
        "Clack: the strike holds.",
        "The door falls shut.",
    ]
    with pytest.raises(DoorLocked):
        door.open()


async def test_force_opens_in_any_case(door: DoorSim, said: list[str]) -> None:
    door.open(force=True)
    assert Sensor.CONTACT in door.state.active
    assert said == ["Crash! Somebody forces the door.", "The door swings open."]


async def test_walking_through_leaves_the_door_shut(door: DoorSim) -> None:
    door.strike.release()
    await door.walk_through(0.0)
    assert [await door.sensors.next() for _ in range(2)] == [
        SensorChange(Sensor.CONTACT, active=True),
        SensorChange(Sensor.CONTACT, active=False),
    ]


async def test_who_turns_back_in_the_doorway_leaves_it_shut(door: DoorSim) -> None:
    door.strike.release()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await door.walk_through(60.0)
    assert door.state.active == frozenset()


async def test_a_refusal_shows_only_three_kinds(door: DoorSim, said: list[str]) -> None:
    for signal in Signal:
        door.indicator.show(signal)
    # The door starts idle, so that showing it says nothing.
    assert len(said) == len(set(said)) == len(Signal) - 1
    assert [line for line in said if "not here" in line] == [
        "The reader shows a red lamp and two short beeps: not here."
    ]


async def test_a_watcher_sees_every_change_after_a_snapshot(door: DoorSim) -> None:
    door.strike.release()
    with door.watch() as changes:
        door.indicator.show(Signal.GRANTED)
        door.open()
        seen = [changes.get_nowait() for _ in range(3)]
    door.shut()
    assert changes.empty()
    assert [change.what for change in seen] == ["snapshot", "signal", "contact"]
    assert [change.at for change in seen] == sorted({change.at for change in seen})
    assert seen[0].state.released
    assert seen[2].state.active == {Sensor.CONTACT}


async def test_a_watcher_that_does_not_read_begins_anew(door: DoorSim) -> None:
    with door.watch() as changes:
        for _ in range(200):
            door.strike.release()
            door.strike.secure()
        assert changes.qsize() <= 256
        first = changes.get_nowait()
        last = first
        while not changes.empty():
            last = changes.get_nowait()
    assert first.what == "snapshot"
    assert last.state == door.state


async def test_a_reader_that_does_not_read_its_inputs_is_noticed(door: DoorSim) -> None:
    with pytest.raises(SensorsIgnored, match="is it running"):
        _knock_for_ever(door)
    before = door.state
    with pytest.raises(SensorsIgnored):
        door.set_sensor(Sensor.TAMPER, active=True)
    assert door.state == before  # what was not reported has not happened


def _knock_for_ever(door: DoorSim) -> None:
    while True:
        door.set_sensor(Sensor.REX, active=True)
        door.set_sensor(Sensor.REX, active=False)


@given(
    st.lists(
        st.sampled_from(["release", "secure", "open", "force", "shut", "rex", "no rex"]),
        max_size=40,
    )
)
def test_no_door_opens_without_release_or_force(deeds: list[str]) -> None:
    async def live() -> None:
        door = DoorSim(say=lambda line: None, clock=lambda: 0.0)
        with door.watch() as changes:
            for deed in deeds:
                before = door.state
                _do(door, deed)
                opened = Sensor.CONTACT in door.state.active - before.active
                assert not opened or before.released or deed == "force"
            history = [changes.get_nowait() for _ in range(changes.qsize())]
        _agrees(history)

    asyncio.run(live())


def _do(door: DoorSim, deed: str) -> None:
    match deed:
        case "release":
            door.strike.release()
        case "secure":
            door.strike.secure()
        case "open" | "force":
            try:
                door.open(force=deed == "force")
            except DoorLocked:
                return
        case "shut":
            door.shut()
        case _:
            door.set_sensor(Sensor.REX, active=deed == "rex")


def _agrees(history: list[DoorChange]) -> None:
    """Every change changed something, and only what it says."""
    for before, after in pairwise(history):
        assert before.state != after.state
        assert (before.state.released != after.state.released) == (after.what == "strike")
