"""The socket of the simulated field: its bytes, its queue, and clients that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nfc.isodep import RATS
from hw.sim.card import Visit, bring
from hw.sim.pn532_chip import Chip
from hw.sim.pn532_field import Field, frame, read_frame

UID = bytes.fromhex("08a1b2c3")
OK = b"\x90\x00"
SENSE, FIELD_OFF = (0x4A, b"\x01\x00"), (0x32, b"\x01\x00")


@pytest.fixture
async def field(nothing_left_behind: None) -> AsyncIterator[Field]:
    async with Field(Chip()) as field:
        yield field


def chip_of(field: Field) -> Chip:
    return field._chip


async def sensed(field: Field, *, but: bytes = b"") -> bytes:
    """Look into the field until a card (`but` this one) is there; its UID."""
    async with asyncio.timeout(2.0):
        while True:
            answer = await chip_of(field).execute(*SENSE)
            if answer and answer[0] and answer[6:] != but:
                return answer[6:]
            await asyncio.sleep(0.002)


async def joined(field: Field, hello: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", field.port)
    writer.write(hello)
    return reader, writer


@given(st.binary(max_size=300))
def test_a_message_is_a_length_and_a_payload(payload: bytes) -> None:
    async def read() -> bytes:
        reader = asyncio.StreamReader()
        for byte in frame(payload):
            reader.feed_data(bytes((byte,)))
        reader.feed_data(b"trailing")
        return await read_frame(reader)

    assert asyncio.run(read()) == payload


async def test_the_documented_bytes(field: Field) -> None:
    """The conversation of the module's docstring, byte for byte."""
    reader, writer = await joined(field, bytes.fromhex("0005 01 08a1b2c3"))
    assert await sensed(field) == UID
    chip = chip_of(field)
    assert await chip.execute(0x42, RATS) == bytes.fromhex("00 0578008000")
    asking = asyncio.create_task(chip.execute(0x42, bytes.fromhex("02 00a4")))
    assert await reader.readexactly(4) == bytes.fromhex("0002 00a4")
    writer.write(bytes.fromhex("0002 9000"))
    assert await asking == bytes.fromhex("00 02 9000")
    await chip.execute(*FIELD_OFF)
    assert await reader.readexactly(2) == bytes.fromhex("0000")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "hello",
    [
        b"",
        b"\x00",
        b"\x00\x00",
        frame(b"\x01\x08\xa1\xb2"),
        frame(b"\x01" + bytes(8)),
        frame(b"\x81" + UID),
        frame(b"\x01" + UID)[:4],
        b"\xff\xff" + bytes(100),
    ],
    ids=["none", "half", "empty", "short", "8 bytes", "flags", "torn", "endless"],
)
async def test_who_does_not_begin_with_a_uid_is_turned_away(field: Field, hello: bytes) -> None:
    reader, writer = await joined(field, hello)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    async with asyncio.TaskGroup() as tasks:
        card = tasks.create_task(bring("127.0.0.1", field.port, UID, lambda apdu: OK))
        assert await sensed(field) == UID
        await chip_of(field).execute(0x42, RATS)
        await chip_of(field).execute(*FIELD_OFF)
    assert card.result() == Visit(apdus=0, released=True)


async def test_an_answer_without_a_question_ends_the_visit(field: Field) -> None:
    reader, writer = await joined(field, frame(b"\x01" + UID))
    await sensed(field)
    writer.write(frame(b"unasked"))
    assert await reader.read() == b""
    assert await chip_of(field).execute(*SENSE) == b"\x00"
    writer.close()
    await writer.wait_closed()


async def test_a_late_answer_is_not_taken_for_the_next_one(field: Field) -> None:
    chip = chip_of(field)
    reader, writer = await joined(field, frame(b"\x01" + UID))
    await sensed(field)
    await chip.execute(0x42, RATS)
    await chip.execute(0x42, bytes.fromhex("02 aa"))  # the card asks for time: no answer yet
    await sensed(field)  # the field went off and on
    await chip.execute(0x42, RATS)
    asking = asyncio.create_task(chip.execute(0x42, bytes.fromhex("02 bb")))
    assert await read_frame(reader) == b"\xaa"
    assert await read_frame(reader) == b""
    assert await read_frame(reader) == b"\xbb"
    writer.write(frame(b"old" + OK) + frame(b"new" + OK))
    assert await asking == b"\x00\x02new" + OK
    writer.close()
    await writer.wait_closed()


async def test_nine_wait_and_the_tenth_is_turned_away(field: Field) -> None:
    cards = [
        asyncio.create_task(bring("127.0.0.1", field.port, bytes((8, 0, 0, n)), lambda apdu: OK))
        for n in range(10)
    ]
    async with asyncio.timeout(2.0):
        done, _ = await asyncio.wait(cards, return_when=asyncio.FIRST_COMPLETED)
    assert [card.result() for card in done] == [Visit(apdus=0, released=False)]
    for card in cards:
        card.cancel()
    await asyncio.gather(*cards, return_exceptions=True)


async def test_who_leaves_the_queue_is_not_presented(field: Field) -> None:
    first = asyncio.create_task(bring("127.0.0.1", field.port, UID, lambda apdu: OK))
    assert await sensed(field) == UID
    _, writer = await joined(field, frame(b"\x01" + bytes(7)))
    await asyncio.sleep(0.01)
    writer.close()
    await writer.wait_closed()
    third = asyncio.create_task(bring("127.0.0.1", field.port, bytes(10), lambda apdu: OK))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await sensed(field, but=UID) == bytes(10)
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)


async def test_without_a_reader_the_remedy_is_named(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionError, match=r"python -m hw\.sim\.pn532"):
        await bring("127.0.0.1", unused_tcp_port, UID, lambda apdu: OK)


async def test_a_uid_has_four_seven_or_ten_bytes() -> None:
    with pytest.raises(ValueError, match="4, 7 or 10"):
        await bring("127.0.0.1", 1, bytes(5), lambda apdu: OK)


async def test_a_card_that_fails_leaves_the_field(field: Field) -> None:
    def respond(_apdu: bytes) -> bytes:
        raise ZeroDivisionError

    card = asyncio.create_task(bring("127.0.0.1", field.port, UID, respond))
    await sensed(field)
    chip = chip_of(field)
    await chip.execute(0x42, RATS)
    await chip.execute(0x42, b"\x02\x00")
    with pytest.raises(ZeroDivisionError):
        await card
    await asyncio.sleep(0.01)
    assert await chip.execute(*SENSE) == b"\x00"
