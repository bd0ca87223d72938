"""The control socket of the simulated door: one JSON object a line, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.ports import Sensor, SensorChange, Signal
from hw.sim.door import DoorSim
from hw.sim.door_control import DoorControl, ServedDoor

PATIENCE = 2.0


class Client:
    """A program at the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def line(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            line = await self._reader.readline()
        assert line.endswith(b"\n")
        result: dict[str, Any] = json.loads(line)
        return result

    async def until(self, key: str) -> dict[str, Any]:
        """The next line that has `key`."""
        while key not in (line := await self.line()):
            pass
        return line

    def order(self, **order: object) -> None:
        self.raw(json.dumps(order).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def rest(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def door(nothing_left_behind: None) -> DoorSim:
    return DoorSim(say=lambda line: None, clock=lambda: 1763776800.125)


@pytest.fixture
async def control(door: DoorSim) -> AsyncIterator[DoorControl]:
    async with DoorControl(door) as control:
        yield control


async def test_a_client_begins_with_the_present_state(door: DoorSim, control: DoorControl) -> None:
    door.strike.release()
    door.indicator.show(Signal.UNLOCKED)
    async with client(control.port) as program:
        assert await program.line() == {
            "at": 1763776800.125,
            "change": "snapshot",
            "strike": "released",
            "door": "closed",
            "rex": False,
            "tamper": False,
            "fire": False,
            "signal": "unlocked",
        }


async def test_every_change_is_told_to_everybody(door: DoorSim, control: DoorControl) -> None:
    async with client(control.port) as one, client(control.port) as other:
        await one.line()
        await other.line()
        door.strike.release()
        door.indicator.show(Signal.GRANTED)
        for program in (one, other):
            assert (await program.line())["strike"] == "released"
            assert (await program.line())["signal"] == "granted"


@pytest.mark.parametrize(
    ("order", "edges"),
    [
        ({"do": "open", "force": True}, [(Sensor.CONTACT, True)]),
        ({"do": "rex"}, [(Sensor.REX, True), (Sensor.REX, False)]),
        ({"do": "rex", "active": True}, [(Sensor.REX, True)]),
        ({"do": "tamper"}, [(Sensor.TAMPER, True)]),
        ({"do": "fire"}, [(Sensor.FIRE, True)]),
        ({"do": "fire", "active": False}, []),
        ({"do": "close"}, []),
    ],
)
async def test_orders_are_carried_out(
    door: DoorSim, control: DoorControl, order: dict[str, object], edges: list[tuple[Sensor, bool]]
) -> None:
    async with client(control.port) as program:
        program.order(**order)
        assert await program.until("ok") == {"ok": order["do"]}
    for sensor, active in edges:
        assert await door.sensors.next() == SensorChange(sensor, active)


async def test_a_locked_door_is_an_error_with_a_remedy(control: DoorControl) -> None:
    async with client(control.port) as program:
        program.order(do="open")
        assert "release the strike first" in (await program.until("error"))["error"]
        program.order(do="walk-through")
        assert "locked" in (await program.until("error"))["error"]


async def test_walking_through(door: DoorSim, control: DoorControl) -> None:
    async with client(control.port) as program:
        await program.line()
        door.strike.release()
        program.order(do="walk-through", seconds=0.01)
        lines = [await program.line() for _ in range(4)]
        assert [line.get("door") for line in lines] == ["closed", "open", "closed", None]
        assert lines[3] == {"ok": "walk-through"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"open",
        b"[]",
        b"{}",
        b'{"do": "explode"}',
        b'{"do": "open", "force": "yes"}',
        b'{"do": "open", "how": "gently"}',
        b'{"do": "walk-through", "seconds": "long"}',
        b"\xff\xfe",
    ],
)
async def test_a_line_that_is_no_order_is_an_error(control: DoorControl, line: bytes) -> None:
    async with client(control.port) as program:
        program.raw(line + b"\n")
        assert (await program.until("error"))["error"]
        program.order(do="close")
        assert await program.until("ok") == {"ok": "close"}


async def test_an_endless_line_ends_the_connection(control: DoorControl) -> None:
    async with client(control.port) as program:
        program.raw(b"x" * 5000)
        with contextlib.suppress(OSError):
            await program.rest()
    async with client(control.port) as program:
        assert (await program.line())["change"] == "snapshot"


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_lines_leave_the_door_standing(lines: list[bytes]) -> None:
    async def try_it() -> None:
        door = DoorSim(say=lambda line: None, clock=lambda: 0.0)
        async with DoorControl(door) as control:
            async with client(control.port) as program:
                program.raw(b"\n".join(lines) + b"\n")
            async with client(control.port) as program:
                assert (await program.line())["change"] == "snapshot"

    asyncio.run(try_it())


async def test_several_orders_in_one_packet_and_one_in_pieces(control: DoorControl) -> None:
    async with client(control.port) as program:
        program.raw(b'{"do": "close"}\n{"do": "rex"}\n{"do": "cl')
        await asyncio.sleep(0)
        program.raw(b'ose"}\n')
        answers = [(await program.until("ok"))["ok"] for _ in range(3)]
    assert answers == ["close", "rex", "close"]


async def test_a_served_door_is_one_piece_of_hardware(nothing_left_behind: None) -> None:
    door = DoorSim(say=lambda line: None, clock=lambda: 0.0)
    served = await ServedDoor.open(door, 0)
    async with client(served.port) as program:
        await program.line()
        served.strike.release()
        assert (await program.line())["strike"] == "released"
        program.order(do="open")
        assert await served.sensors.next() == SensorChange(Sensor.CONTACT, active=True)
        served.indicator.show(Signal.GRANTED)
        await served.close()
        assert b'"strike":"secured"' in await program.rest()
    assert door.state.signal is Signal.IDLE


async def test_a_control_port_that_is_not_open_has_no_number(door: DoorSim) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = DoorControl(door).port
