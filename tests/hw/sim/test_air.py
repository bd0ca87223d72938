"""The virtual air: who joins, who vanishes, who misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bumble import ll
from bumble.controller import Controller
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.ble.central import Central
from hw.ble.peripheral import Peripheral
from hw.ble.radio import Radio
from hw.ports import HardwareFault
from hw.sim.air import Air, main
from hw.sim.air_link import AirController, Weather
from tests.hw.ble.conftest import DOOR, READER_ADDRESS, air, bench, new_phone, reader
from tests.hw.link_contract import HELLO, PATIENCE, LinkBench, closed
from tests.hw.processes import simulator

__all__ = ["air", "bench", "new_phone", "reader"]  # fixtures

RESET = bytes.fromhex("01030c00")
READ_SUPPORTED_COMMANDS = bytes.fromhex("01021000")
RESET_DONE = bytes.fromhex("040e0401030c00")
PHONE_ADDRESS = "F1:00:00:00:00:01"


async def seats(air: Air, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while air.seats != count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def joined(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def left(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_any_number_of_radios_share_one_port(air: Air) -> None:
    radios = [
        await Radio.open(air.transport, name="x", address=f"F2:00:00:00:00:{n:02X}")
        for n in range(20)
    ]
    assert air.seats == 20
    assert len({str(radio.device.public_address) for radio in radios}) == 20
    for radio in radios:
        await radio.close()
    await seats(air, 0)


async def test_hci_in_h4_frames_byte_by_byte(air: Air) -> None:
    reader, writer = await joined(air.port)
    for byte in RESET + RESET:
        writer.write(bytes((byte,)))
        await writer.drain()
    async with asyncio.timeout(PATIENCE):
        assert await reader.readexactly(14) == RESET_DONE + RESET_DONE
    await left(writer)
    await seats(air, 0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00",
        b"\xff" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",
        bytes.fromhex("01 0520 00"),  # Set Random Address without an address
        bytes.fromhex("02 0100 0100 ff") * 10 + b"\x07",
        bytes.fromhex("01 0604 03 0000"),
    ],
)
async def test_garbage_ends_a_seat_or_waits_and_hurts_nobody_else(
    air: Air, bench: LinkBench, garbage: bytes
) -> None:
    theirs, ours = await bench.meet()
    _, writer = await joined(air.port)
    writer.write(garbage)
    await seats(air, 3)
    await left(writer)
    await seats(air, 2)
    await ours.send(HELLO)
    assert await theirs.receive() == HELLO


@settings(max_examples=15)
@given(st.binary(max_size=300))
def test_any_bytes_leave_the_air_standing(data: bytes) -> None:
    async def try_it() -> None:
        async with Air() as air:
            _, writer = await joined(air.port)
            writer.write(RESET + data)
            _, other = await joined(air.port)
            await left(writer)
            await left(other)
            reader, writer = await joined(air.port)
            writer.write(RESET)
            assert await reader.readexactly(7) == RESET_DONE
            await left(writer)

    asyncio.run(try_it())


async def test_a_process_that_dies_in_the_middle_of_a_packet_is_gone(air: Air) -> None:
    _, writer = await joined(air.port)
    writer.write(RESET + b"\x02\x01\x00\xff\x00half")
    await seats(air, 1)
    writer.transport.abort()
    await seats(air, 0)


async def test_a_phone_that_vanishes_is_missed_by_its_reader(air: Air, bench: LinkBench) -> None:
    phone = await bench.phone()
    _, ours = await bench.meet(phone)
    for seat in list(air._seats):
        if seat._controller and str(seat._controller.random_address) != READER_ADDRESS:
            seat.leave()
    assert await closed(ours.receive())
    await seats(air, 1)


async def test_a_phone_that_vanishes_while_it_connects_leaves_no_ghost(
    monkeypatch: pytest.MonkeyPatch, air: Air, bench: LinkBench
) -> None:
    """Its reader would hold the place of somebody of whom no end will ever be heard."""
    say = air.link.send_advertising_pdu

    def vanish(sender: Controller, packet: ll.AdvertisingPdu) -> None:
        say(sender, packet)
        if isinstance(packet, ll.ConnectInd):
            assert isinstance(sender, AirController)
            air.link.remove(sender)

    phone, other = await bench.phone(), await bench.phone()
    accepting = asyncio.create_task(bench.listener.accept())
    with monkeypatch.context() as patched:
        patched.setattr(air.link, "send_advertising_pdu", vanish)
        await closed(phone.connect(READER_ADDRESS, patience=0.2))
    accepting.cancel()
    await bench.meet(other)
    [door] = [each for each in air.link.controllers if str(each.random_address) == READER_ADDRESS]
    assert list(door.le_connections) == [other._device.random_address]


async def test_a_reader_that_vanishes_is_missed_by_its_phones(bench: LinkBench) -> None:
    pairs = [await bench.meet() for _ in range(2)]
    await bench.listener.close()
    for theirs, _ in pairs:
        assert await closed(theirs.receive())


@pytest.mark.slow
async def test_a_process_that_does_not_read_is_thrown_off(
    monkeypatch: pytest.MonkeyPatch, air: Air
) -> None:
    monkeypatch.setattr("hw.sim.air._BACKLOG_BYTES", 20_000)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    deaf.connect(("127.0.0.1", air.port))
    deaf.setblocking(False)
    await seats(air, 1)
    async with asyncio.timeout(PATIENCE):
        while air.seats:
            with contextlib.suppress(OSError):
                deaf.send(READ_SUPPORTED_COMMANDS * 100)
            await asyncio.sleep(0)
    deaf.close()


async def test_there_is_an_end_to_the_seats(monkeypatch: pytest.MonkeyPatch, air: Air) -> None:
    monkeypatch.setattr("hw.sim.air._SEATS_MAX", 2)
    writers = [(await joined(air.port))[1] for _ in range(2)]
    await seats(air, 2)
    reader, writer = await joined(air.port)
    assert await asyncio.gather(reader.read(), return_exceptions=True)
    for each in (*writers, writer):
        await left(each)
    await seats(air, 0)


async def test_closing_the_air_closes_every_seat(nothing_left_behind: None) -> None:
    async with Air() as air:
        radio = await Radio.open(air.transport, name="x", address=PHONE_ADDRESS)
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([radio.lost])
    await radio.close()


async def test_an_air_that_is_not_open_has_no_port() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = Air().port


@pytest.fixture
async def stormy(nothing_left_behind: None) -> AsyncIterator[LinkBench]:
    async with Air(weather=Weather(interval=0.005, loss=0.3, seed=7)) as air:
        reader = Peripheral(air.transport, name=DOOR, address=READER_ADDRESS)
        phone = await Central.open(air.transport, address=PHONE_ADDRESS)

        async def only() -> Central:
            return phone

        yield LinkBench(reader, DOOR, only)
        await phone.close()
        await reader.close()


async def test_in_a_storm_messages_are_late_and_in_order(stormy: LinkBench) -> None:
    theirs, ours = await stormy.meet()
    async with asyncio.timeout(PATIENCE):
        for n in range(6):
            await ours.send(b"%d" % n + HELLO)
            await theirs.send(b"%d" % n + HELLO)
        for n in range(6):
            assert await theirs.receive() == b"%d" % n + HELLO
            assert await ours.receive() == b"%d" % n + HELLO
    await ours.close()
    assert await closed(theirs.receive())


# As a process of its own


@pytest.mark.slow
async def test_readers_and_phones_in_other_processes_meet(
    nothing_left_behind: None, tmp_path: Path
) -> None:
    async with simulator(tmp_path / "port", "hw.sim.air", "--port", "0") as (_, port):
        transport = f"tcp-client:127.0.0.1:{port}"
        reader = Peripheral(transport, name=DOOR, address=READER_ADDRESS)
        phone = await Central.open(transport, address=PHONE_ADDRESS)

        async def only() -> Central:
            return phone

        theirs, ours = await LinkBench(reader, DOOR, only).meet()
        async with asyncio.timeout(PATIENCE):
            await ours.send(HELLO)
            assert await theirs.receive() == HELLO
        await phone.close()
        await reader.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_the_end_of_the_process_is_a_fault_for_everybody(
    nothing_left_behind: None, tmp_path: Path, number: signal.Signals
) -> None:
    end = 0 if number is not signal.SIGKILL else -signal.SIGKILL
    async with simulator(tmp_path / "port", "hw.sim.air", ends=end) as (process, port):
        transport = f"tcp-client:127.0.0.1:{port}"
        reader = Peripheral(transport, name=DOOR, address=READER_ADDRESS)
        accepting = asyncio.create_task(reader.accept())
        phone = await Central.open(transport, address=PHONE_ADDRESS)
        await phone.find(name=DOOR)
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            with pytest.raises(HardwareFault, match="has gone"):
                await accepting
            with pytest.raises(HardwareFault, match="has gone"):
                await phone.find(name=DOOR)
            await phone.close()
            await reader.close()


@pytest.mark.parametrize("options", [["--loss", "0.5"], ["--interval", "-1"], ["--port", "70000"]])
def test_options_that_cannot_be_are_explained(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(options)
    assert "cannot open" in capsys.readouterr().err
