"""The simulated PN532 on its serial line, spoken to in bytes: acknowledgements, speed, sleep."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hw.sim.pn532 import Pn532
from hw.sim.pn532_frames import ACK, NACK, SYNTAX_ERROR, response

GET_FIRMWARE = bytes.fromhex("0000ff02fed4022a00")
FIRMWARE = bytes.fromhex("0000ff06fad50332010607e800")
POWER_DOWN = bytes.fromhex("0000ff03fdd416f02600")
UNKNOWN = bytes.fromhex("0000ff02fed4999300")
SET_921600 = bytes.fromhex("0000ff03fdd410071500")
WAKE = bytes((0x55, 0x55)) + bytes(14)


class Line:
    """The host's end of the serial line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.speed(termios.B115200)

    def speed(self, speed: int) -> None:
        attributes = termios.tcgetattr(self._file)
        attributes[4] = attributes[5] = speed
        termios.tcsetattr(self._file, termios.TCSANOW, attributes)

    def say(self, data: bytes) -> None:
        os.write(self._file, data)

    async def hear(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        heard = b""
        async with asyncio.timeout(2.0):
            while len(heard) < count:
                await asyncio.sleep(0.001)
                heard += self._read(count - len(heard))
        return heard

    async def silence(self) -> bool:
        await asyncio.sleep(0.02)
        return self._read(1) == b""

    def forget(self) -> None:
        """Throw away what has not been read."""
        termios.tcflush(self._file, termios.TCIFLUSH)

    def _read(self, count: int) -> bytes:
        try:
            return os.read(self._file, count)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
async def chip(nothing_left_behind: None, tmp_path: Path) -> AsyncIterator[Pn532]:
    async with Pn532(tmp_path / "pn532") as chip:
        yield chip


@pytest.fixture
def line(chip: Pn532) -> Iterator[Line]:
    line = Line(chip.tty_path)
    yield line
    line.close()


async def test_a_command_is_acknowledged_and_answered(line: Line) -> None:
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE
    assert await line.silence()


async def test_a_command_may_come_in_pieces(line: Line) -> None:
    for byte in GET_FIRMWARE:
        line.say(bytes((byte,)))
        await asyncio.sleep(0)
    assert await line.hear(19) == ACK + FIRMWARE


async def test_the_longest_frame_comes_back_whole(line: Line) -> None:
    """The line test of `Diagnose`, which drivers begin with: 263 bytes, an extended frame."""
    data = b"\x00" + bytes(n & 0xFF for n in range(262))
    content = b"\xd4\x00" + data
    size = len(content).to_bytes(2)
    head = b"\x00\x00\xff\xff\xff" + size + bytes((-sum(size) & 0xFF,))
    line.say(head + content + bytes((-sum(content) & 0xFF, 0)))
    answer = response(0x00, data)
    assert await line.hear(6 + len(answer)) == ACK + answer


async def test_a_nack_asks_for_the_answer_again(line: Line) -> None:
    line.say(GET_FIRMWARE)
    await line.hear(19)
    line.say(NACK)
    assert await line.hear(13) == FIRMWARE


async def test_an_unknown_command_is_a_syntax_error(line: Line) -> None:
    line.say(UNKNOWN)
    assert await line.hear(14) == ACK + SYNTAX_ERROR


async def test_an_ack_aborts_the_command_that_runs(chip: Pn532, line: Line) -> None:
    chip.chip.present(_Forever())
    line.say(bytes.fromhex("0000ff04fcd44a0100e100"))
    listed = response(0x4A, bytes.fromhex("0101 0004 20 04") + _Forever.uid)
    assert await line.hear(6 + len(listed)) == ACK + listed
    line.say(bytes.fromhex("0000ff03fdd44201e900"))
    assert await line.hear(6) == ACK
    line.say(ACK)
    assert await line.silence()
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE


class _Forever:
    uid = bytes.fromhex("08a1b2c3")
    sak = 0x20

    async def exchange(self, _frame: bytes) -> bytes | None:
        await asyncio.Event().wait()
        return None

    def field_off(self) -> None:
        """It does not care."""


async def test_at_the_wrong_speed_it_hears_noise(line: Line) -> None:
    line.speed(termios.B921600)
    line.say(GET_FIRMWARE)
    assert await line.silence()
    line.speed(termios.B115200)
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE


async def test_a_new_speed_holds_from_the_hosts_ack_on(line: Line) -> None:
    line.say(SET_921600)
    assert await line.hear(15) == ACK + response(0x10, b"")
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE
    line.say(ACK)
    await asyncio.sleep(0.01)
    line.say(GET_FIRMWARE)
    assert await line.silence()
    line.speed(termios.B921600)
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE


async def test_asleep_it_wants_a_long_preamble(chip: Pn532, line: Line) -> None:
    line.say(POWER_DOWN)
    assert await line.hear(16) == ACK + response(0x16, b"\x00")
    assert chip.chip.asleep
    line.say(GET_FIRMWARE)
    assert await line.silence()
    line.say(ACK)
    assert await line.silence()
    line.say(WAKE + GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE


async def test_a_mute_chip_says_nothing_until_it_is_cured(chip: Pn532, line: Line) -> None:
    chip.faults.mute = True
    line.say(GET_FIRMWARE)
    assert await line.silence()
    chip.faults.mute = False
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE


async def test_a_host_that_does_not_read_loses_bytes_and_blocks_nobody(line: Line) -> None:
    for _ in range(100):
        line.say(GET_FIRMWARE * 10)
        await asyncio.sleep(0)
    await asyncio.sleep(0.06)
    line.forget()
    line.say(GET_FIRMWARE)
    assert await line.hear(19) == ACK + FIRMWARE


async def test_unplugged_it_is_gone_and_plugged_in_it_is_new(chip: Pn532) -> None:
    before = Line(chip.tty_path)
    chip.unplug()
    chip.unplug()
    assert not chip.tty_path.is_symlink()
    with pytest.raises(OSError, match="error"):
        before.say(GET_FIRMWARE)
    before.close()
    chip.plug_in()
    chip.plug_in()
    after = Line(chip.tty_path)
    after.say(GET_FIRMWARE)
    assert await after.hear(19) == ACK + FIRMWARE
    after.close()
