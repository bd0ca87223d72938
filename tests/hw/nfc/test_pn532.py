"""nfcpy's real driver on a simulated PN532: the contract, bad cards, and broken hardware."""

from __future__ import annotations

import asyncio
import errno
import logging
import termios
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped]

from hw.backoff import Backoff
from hw.nfc.pn532 import Pn532TagListener
from hw.ports import HardwareFault, TagLost
from hw.sim.card import Visit, bring
from hw.sim.pn532 import Pn532
from tests.hw.tag_contract import OK, UID, TagBench, TagContract, echo

pytestmark = pytest.mark.slow  # every test waits for a chip on a serial line

ATS = bytes.fromhex("0578008000")


@pytest.fixture
async def chip(nothing_left_behind: None, tmp_path: Path) -> AsyncIterator[Pn532]:
    async with Pn532(tmp_path / "pn532") as chip:
        yield chip


@pytest.fixture
async def listener(chip: Pn532) -> AsyncIterator[Pn532TagListener]:
    listener = Pn532TagListener(str(chip.tty_path), backoff=Backoff(first=0.02, most=0.1))
    yield listener
    await listener.close()


@pytest.fixture
def bench(chip: Pn532, listener: Pn532TagListener) -> TagBench:
    def hold(
        uid: bytes, respond: Callable[[bytes], bytes], *, stay: bool = False
    ) -> asyncio.Task[Visit]:
        return asyncio.create_task(bring("127.0.0.1", chip.port, uid, respond, stay=stay))

    return TagBench(listener, hold)


class TestContract(TagContract):
    """The contract of the port."""


class BadCard:
    """A card at the level of blocks: `says` answers every frame after RATS."""

    def __init__(self, says: Callable[[bytes], bytes | None], ats: bytes | None = ATS) -> None:
        self.uid = UID
        self.sak = 0x20
        self.powered_down = 0
        self._says = says
        self._ats = ats

    async def exchange(self, frame: bytes) -> bytes | None:
        return self._ats if frame[0] == 0xE0 else self._says(frame)

    def field_off(self) -> None:
        self.powered_down += 1


LIES: dict[str, Callable[[bytes], bytes | None]] = {
    "time for ever": lambda block: b"\xf2\x3b",
    "chaining for ever": lambda block: bytes((0x12 | block[0] & 1, 0x55)),
    "an empty block": lambda block: bytes((0x02 | block[0] & 1,)),
    "no status": lambda block: bytes((0x02 | block[0] & 1, 0x90)),
    "a frame too long": lambda block: bytes((0x02 | block[0] & 1,)) + bytes(259),
    "nothing": lambda block: None,
    "noise": lambda block: b"\xff\xff\xff",
}


@pytest.mark.parametrize("says", LIES.values(), ids=LIES.keys())
async def test_a_lying_card_is_lost_and_the_reader_lives_on(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench, says: Callable[[bytes], bytes | None]
) -> None:
    liar = BadCard(says)
    chip.chip.present(liar)
    tag = await listener.accept()
    async with asyncio.timeout(3.0):
        with pytest.raises(TagLost):
            await tag.transceive(b"\x00\xa4")
        await tag.release()
    chip.chip.remove(liar)
    await asyncio.sleep(0.1)
    card = bench.bring(UID, echo)
    async with asyncio.timeout(2.0):
        tag = await listener.accept()
        assert await tag.transceive(b"\x00\xa4") == b"\x00\xa4" + OK
        await tag.release()
        await card


async def test_a_torn_card_is_tried_three_times(chip: Pn532, listener: Pn532TagListener) -> None:
    liar = BadCard(LIES["noise"])
    chip.chip.present(liar)
    for _ in range(3):
        async with asyncio.timeout(1.0):
            tag = await listener.accept()
            with pytest.raises(TagLost):
                await tag.transceive(b"\x00\xa4")
            await tag.release()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await listener.accept()


@pytest.mark.parametrize("ats", [None, b"", b"\x05", b"\x00", bytes(258)])
async def test_a_card_that_cannot_be_selected_is_not_reported(
    chip: Pn532, listener: Pn532TagListener, ats: bytes | None
) -> None:
    liar = BadCard(LIES["nothing"], ats)
    chip.chip.present(liar)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await listener.accept()
    assert liar.powered_down >= 1


@pytest.mark.parametrize("ats", ["01", "0205", "0325a0", "067780700280"])
async def test_a_short_answer_to_select_is_a_good_one(
    chip: Pn532, listener: Pn532TagListener, ats: str
) -> None:
    card = BadCard(lambda block: bytes((0x02 | block[0] & 1,)) + OK, bytes.fromhex(ats))
    chip.chip.present(card)
    tag = await listener.accept()
    assert await tag.transceive(b"\x00\xa4") == OK
    await tag.release()


async def test_a_slow_card_asks_for_time_and_gets_it(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench
) -> None:
    chip.field.slow = 0.3
    card = bench.bring(UID, echo)
    tag = await listener.accept()
    assert await tag.transceive(b"\x00\xa4") == b"\x00\xa4" + OK
    await tag.release()
    assert await card == Visit(apdus=1, released=True)


@pytest.mark.slow
async def test_a_card_that_is_too_slow_is_lost_at_the_outer_deadline(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench
) -> None:
    chip.field.slow = 10.0
    bench.bring(UID, echo)
    tag = await listener.accept()
    start = time.monotonic()
    with pytest.raises(TagLost):
        await tag.transceive(b"\x00\xa4")
    assert 1.0 < time.monotonic() - start < 3.0
    await tag.release()


async def test_a_card_with_only_a_number_shows_its_number(
    chip: Pn532, listener: Pn532TagListener
) -> None:
    card = asyncio.create_task(
        bring("127.0.0.1", chip.port, UID, lambda apdu: b"", iso_dep=False),
    )
    tag = await listener.accept()
    assert tag.uid == UID
    with pytest.raises(TagLost, match="no ISO 14443-4"):
        await tag.transceive(b"\x00\xa4")
    await tag.release()
    assert await card == Visit(apdus=0, released=True)


async def test_a_transaction_that_is_cancelled_ends_soon(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench
) -> None:
    chip.field.slow = 10.0
    card = bench.bring(UID, echo)
    tag = await listener.accept()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await tag.transceive(b"\x00\xa4")
    async with asyncio.timeout(1.0):
        await tag.release()
        assert (await card).released


async def test_a_tap_is_noticed_within_fifty_milliseconds(
    listener: Pn532TagListener, bench: TagBench
) -> None:
    card = bench.bring(UID, echo)
    tag = await listener.accept()  # opens the chip
    await tag.release()
    await card
    waits = []
    for _ in range(5):
        accepting = asyncio.create_task(listener.accept())
        await asyncio.sleep(0.16)  # the simulated hand's own pause between two cards
        start = time.monotonic()
        card = bench.bring(UID, echo)
        tag = await accepting
        waits.append(time.monotonic() - start)
        await tag.release()
        await card
    assert sorted(waits)[2] < 0.05


async def test_a_wallet_is_woken_between_looks(chip: Pn532) -> None:
    heard: list[bytes] = []
    execute = chip.chip.execute

    async def listening(code: int, data: bytes) -> bytes | None:
        if code == 0x42:
            heard.append(data)
        return await execute(code, data)

    chip.chip.execute = listening  # type: ignore[method-assign]
    listener = Pn532TagListener(str(chip.tty_path), wake=bytes.fromhex("6a02c30100"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await listener.accept()
    await listener.close()
    assert set(heard) == {bytes.fromhex("6a02c30100")}


# Broken hardware


async def test_a_missing_port_says_so(nothing_left_behind: None, tmp_path: Path) -> None:
    listener = Pn532TagListener(str(tmp_path / "nothing"))
    with pytest.raises(HardwareFault, match=r"nothing: there is no such port; is the reader plug"):
        await listener.accept()
    await listener.close()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "join the group `dialout`"),
        (errno.EBUSY, "stop that one first"),
        (errno.EIO, "switches set to HSU"),
    ],
)
async def test_a_port_that_cannot_be_opened_names_the_remedy(
    nothing_left_behind: None, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def fail(_: object) -> None:
        raise serial.SerialException(number, "could not open port")

    monkeypatch.setattr(serial.Serial, "open", fail)
    listener = Pn532TagListener("/dev/ttyUSB0")
    with pytest.raises(HardwareFault, match=remedy):
        await listener.accept()
    await listener.close()


async def test_a_port_that_is_no_terminal_says_so(
    nothing_left_behind: None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    listener = Pn532TagListener(str(tmp_path / "file"))
    with pytest.raises(HardwareFault, match="pn532:"):
        await listener.accept()
    await listener.close()


async def test_an_unplugged_reader_is_a_fault_and_comes_back(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await listener.accept()
    chip.unplug()
    for _ in range(2):
        async with asyncio.timeout(2.0):
            with pytest.raises(HardwareFault):
                await listener.accept()
    chip.plug_in()
    card = bench.bring(UID, echo)
    async with asyncio.timeout(2.0):
        tag = await listener.accept()
        assert await tag.transceive(b"\x00\xa4") == b"\x00\xa4" + OK
        await tag.release()
        await card


async def test_unplugged_in_the_middle_of_an_exchange(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench
) -> None:
    def respond(_apdu: bytes) -> bytes:
        chip.unplug()
        return OK

    card = bench.bring(UID, respond)
    tag = await listener.accept()
    async with asyncio.timeout(2.0):
        with pytest.raises(TagLost):
            await tag.transceive(b"\x00\xa4")
        await tag.release()
        with pytest.raises(HardwareFault):
            await listener.accept()
    card.cancel()


async def test_a_chip_that_falls_mute_is_a_fault(chip: Pn532, listener: Pn532TagListener) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await listener.accept()
    chip.faults.mute = True
    async with asyncio.timeout(2.0):
        with pytest.raises(HardwareFault, match=f"pn532:{chip.tty_path}"):
            await listener.accept()
    chip.faults.mute = False


@pytest.mark.slow
async def test_a_chip_that_never_speaks_is_a_fault(chip: Pn532, listener: Pn532TagListener) -> None:
    chip.faults.mute = True
    async with asyncio.timeout(6.0):
        with pytest.raises(HardwareFault, match="no PN532 answers"):
            await listener.accept()


async def test_a_chip_left_at_another_speed_is_fetched_back(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench, caplog: pytest.LogCaptureFixture
) -> None:
    chip._baud_rate = chip.chip.baud_rate = 921600  # as a crashed driver leaves it
    card = bench.bring(UID, echo)
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(2.0):
            tag = await listener.accept()
    assert "921600" in caplog.text
    assert chip._baud_rate == 115200
    await tag.release()
    await card


async def test_the_chip_sleeps_when_the_reader_closes_and_wakes_for_the_next(
    chip: Pn532, bench: TagBench
) -> None:
    for _ in range(2):
        listener = Pn532TagListener(str(chip.tty_path))
        card = bench.bring(UID, echo)
        tag = await listener.accept()
        await tag.release()
        await card
        await listener.close()
        assert chip.chip.asleep


async def test_noise_on_the_line_does_not_stop_the_chip(
    chip: Pn532, listener: Pn532TagListener, bench: TagBench
) -> None:
    with chip.tty_path.open("wb", buffering=0) as line:
        attributes = termios.tcgetattr(line)
        attributes[4] = attributes[5] = termios.B115200
        termios.tcsetattr(line, termios.TCSANOW, attributes)
        line.write(bytes(range(256)) * 4 + b"\x00\x00\xff\xff\xff\x01\x09\xf6" + b"\x00\xff" * 50)
        await asyncio.sleep(0.01)
    card = bench.bring(UID, echo)
    async with asyncio.timeout(2.0):
        tag = await listener.accept()
        await tag.release()
        await card
