"""Somebody at the simulated door, over the door's real control port."""

from __future__ import annotations

import asyncio

import pytest

from hw.ports import Sensor, SensorChange, Signal
from hw.sim.door_control import DoorControl, StateLine
from hw.sim.phone.eyes import DoorGone, NotSeen, watch
from tests.hw.sim.phone.door_post import DoorPost, with_wires

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def _released(line: StateLine) -> bool:
    return line.strike == "released"


async def test_what_happens_is_seen_in_order() -> None:
    post = DoorPost()
    async with with_wires(post) as wires, watch(*wires) as eyes:
        assert eyes.now.strike == "secured"
        post.door.strike.release()
        post.door.indicator.show(Signal.GRANTED)
        post.door.strike.secure()
        line = await eyes.see(_released, patience=1)
        assert line.change == "strike"
        await eyes.see(lambda now: now.strike == "secured" and now.signal == "granted", patience=1)
        assert [each.change for each in eyes.lines] == ["snapshot", "strike", "signal", "strike"]


async def test_what_was_before_is_not_taken_for_news() -> None:
    post = DoorPost()
    post.door.strike.release()
    async with with_wires(post) as wires, watch(*wires) as eyes:
        assert eyes.now.strike == "released"
        with pytest.raises(NotSeen, match="strike released, lamp 'idle'"):
            await eyes.see(_released, patience=0.01)


async def test_forget_looks_only_ahead() -> None:
    post = DoorPost()
    async with with_wires(post) as wires, watch(*wires) as eyes:
        post.door.strike.release()
        await eyes.see(_released, patience=1)
        eyes.forget()
        with pytest.raises(NotSeen):
            await eyes.see(_released, patience=0.01)


async def test_calm_waits_for_the_lamp_of_an_earlier_tap() -> None:
    post = DoorPost()
    post.door.indicator.show(Signal.NOT_NOW)
    async with with_wires(post) as wires, watch(*wires) as eyes:
        with pytest.raises(NotSeen, match="lamp 'not now'"):
            await eyes.calm(patience=0.01)
        post.door.indicator.show(Signal.IDLE)
        await eyes.calm(patience=1)
        assert eyes.now.signal == "idle"


async def test_orders_are_obeyed_or_refused_with_a_reason() -> None:
    post = DoorPost()
    async with with_wires(post) as wires, watch(*wires) as eyes:
        assert "locked" in str(await eyes.do("open"))
        post.door.strike.release()
        assert await eyes.do("walk-through", seconds=0.0) is None
        edges = [await post.door.sensors.next() for _ in range(2)]
        assert edges == [
            SensorChange(Sensor.CONTACT, active=True),
            SensorChange(Sensor.CONTACT, active=False),
        ]


async def test_a_door_that_goes_is_noticed() -> None:
    post = DoorPost()
    control = await DoorControl(post.door).__aenter__()
    async with watch("127.0.0.1", control.port) as eyes:
        looking = asyncio.ensure_future(eyes.see(_released, patience=5))
        await asyncio.sleep(0)
        await control.__aexit__()
        with pytest.raises(DoorGone, match="stopped"):
            await looking
        for _ in range(2):
            async with asyncio.timeout(5):
                with pytest.raises(DoorGone, match="stopped"):
                    await eyes.do("open")


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n", b"\xff" * 200_000])
async def test_something_that_is_no_door(monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    monkeypatch.setattr("hw.sim.phone.eyes._SNAPSHOT_SECONDS", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DoorGone, match=f"127.0.0.1:{port} is no simulated door"):
            async with watch("127.0.0.1", port):
                pass


async def test_no_door_at_all() -> None:
    async with DoorControl(DoorPost().door) as control:
        port = control.port
    with pytest.raises(DoorGone, match=f"sim:127.0.0.1:{port}"):
        async with watch("127.0.0.1", port):
            pass
