"""The chip without its port: what a host may ask of it, with and without a card."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.sim.pn532_chip import Chip

UID = bytes.fromhex("04a1b2c3d4e5f6")


class Card:
    """A target that echoes; `hears` collects what reached it."""

    def __init__(self, uid: bytes = UID, sak: int = 0x20) -> None:
        self.uid = uid
        self.sak = sak
        self.hears: list[bytes] = []
        self.losses = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def exchange(self, frame: bytes) -> bytes | None:
        self.hears.append(frame)
        await self.answers.wait()
        return frame or None

    def field_off(self) -> None:
        self.losses += 1


def run(chip: Chip, command: str) -> bytes | None:
    """One command, given as hexadecimal code and data."""
    code, *data = bytes.fromhex(command)
    return asyncio.run(chip.execute(code, bytes(data)))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("02", "32010607"),
        ("0000010203", "00010203"),  # line test
        ("0001", "00"),  # ROM test
        ("04", "000100"),
        ("14010000", ""),
        ("1200", ""),
        ("1004", ""),
        ("16f0", "00"),
        ("3205010001", ""),
        ("4a0100", "00"),
        ("4200", "01"),
    ],
)
def test_answers_without_a_card(command: str, answer: str) -> None:
    assert run(Chip(), command) == bytes.fromhex(answer)


@pytest.mark.parametrize("command", ["99", "1009", "1004ff", "32", "4a01", "5600"])
def test_what_it_does_not_know_is_a_syntax_error(command: str) -> None:
    assert run(Chip(), command) is None


async def test_registers_keep_what_is_written() -> None:
    chip = Chip()
    await chip.execute(0x08, bytes.fromhex("6302806303f0"))
    assert await chip.execute(0x06, bytes.fromhex("630263036304")) == bytes.fromhex("80f000")


async def test_an_empty_field_leaves_the_question_in_the_fifo() -> None:
    chip = Chip()
    await chip.execute(0x4A, b"\x01\x00")
    assert await chip.execute(0x06, bytes.fromhex("6339")) == b"\x26"


@pytest.mark.parametrize(
    ("uid", "sens_res"),
    [("08a1b2c3", "0004"), ("04a1b2c3d4e5f6", "0044"), ("04a1b2c3d4e5f6a7b8c9", "0084")],
)
async def test_a_card_is_listed_with_its_number(uid: str, sens_res: str) -> None:
    chip, number = Chip(), bytes.fromhex(uid)
    chip.present(Card(number))
    expected = bytes((1, 1)) + bytes.fromhex(sens_res) + bytes((0x20, len(number))) + number
    assert await chip.execute(0x4A, b"\x01\x00") == expected
    assert await chip.execute(0x4A, b"\x01\x03\x00") == b"\x00"  # nobody speaks type B


async def test_frames_go_to_the_selected_card_only() -> None:
    chip, card = Chip(), Card()
    chip.present(card)
    assert await chip.execute(0x42, b"early") == b"\x01"
    await chip.execute(0x4A, b"\x01\x00")
    assert await chip.execute(0x42, b"hello") == b"\x00hello"
    assert await chip.execute(0x42, b"") == b"\x01"  # a silent card
    assert card.hears == [b"hello", b""]


@pytest.mark.parametrize("off", ["320100", "320102", "4400", "5200", "16f0", "4a0100"])
async def test_whatever_ends_the_field_takes_the_cards_power(off: str) -> None:
    chip, card = Chip(), Card()
    chip.present(card)
    await chip.execute(0x4A, b"\x01\x00")
    code, *data = bytes.fromhex(off)
    await chip.execute(code, bytes(data))
    assert card.losses == 1


async def test_a_late_card_is_a_timeout_of_the_configured_length() -> None:
    chip, card = Chip(), Card()
    chip.present(card)
    await chip.execute(0x4A, b"\x01\x00")
    await chip.execute(0x32, bytes((0x02, 10, 11, 4)))  # 800 microseconds
    card.answers.clear()
    assert await chip.execute(0x42, b"hello") == b"\x01"


async def test_a_card_taken_away_answers_no_more() -> None:
    chip, card = Chip(), Card()
    chip.present(card)
    await chip.execute(0x4A, b"\x01\x00")
    card.answers.clear()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(chip.execute(0x42, b"hello"))
        await asyncio.sleep(0)
        chip.remove(card)
        card.answers.set()
    assert waiting.result() == b"\x01"
    assert await chip.execute(0x4A, b"\x01\x00") == b"\x00"


@given(st.integers(0, 255), st.binary(max_size=263))
def test_any_command_has_an_answer(code: int, data: bytes) -> None:
    answer = asyncio.run(Chip().execute(code, data))
    assert answer is None or len(answer) <= 263
