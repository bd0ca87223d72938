"""A card at a simulated PN532, read by the real driver; somebody looks at the lamp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hw.ports import Signal
from hw.sim.phone import tap_nfc, wallet
from hw.sim.phone.tap import Light
from hw.sim.pn532 import Pn532
from tests.hw.sim.phone.door_post import DoorPost, with_field, with_wires


def _stranger() -> tap_nfc.Shown:
    return tap_nfc.phone(wallet.new_key("card", 0))


@pytest.fixture
def post(nothing_left_behind: None) -> DoorPost:
    return DoorPost()


@pytest.fixture
async def field(post: DoorPost, tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    async with with_field(post, tmp_path) as field:
        yield field


@pytest.fixture
async def lamp(post: DoorPost) -> AsyncIterator[tuple[str, int]]:
    async with with_wires(post) as wires:
        yield wires


async def test_green_for_a_known_card(
    post: DoorPost, field: tuple[str, int], lamp: tuple[str, int]
) -> None:
    key = wallet.new_key("card", 0)
    post.admitted.add(key.private.public.point)
    seen = await tap_nfc.tap(field, tap_nfc.phone(key), lamp=lamp)
    assert (seen.light, seen.text) == (Light.GREEN, "the lamp says granted")
    assert 0 < seen.milliseconds < 5000


@pytest.mark.parametrize(
    ("refusal", "light"),
    [
        (Signal.NOT_HERE, Light.RED),
        (Signal.NOT_NOW, Light.RED),
        (Signal.TROUBLE, Light.TROUBLE),
    ],
)
async def test_what_the_lamp_says_to_a_stranger(
    post: DoorPost,
    field: tuple[str, int],
    lamp: tuple[str, int],
    refusal: Signal,
    light: Light,
) -> None:
    post.refusal = refusal
    seen = await tap_nfc.tap(field, _stranger(), lamp=lamp)
    assert (seen.light, seen.text) == (light, f"the lamp says {refusal.value}")


async def test_the_lamp_of_an_earlier_tap_is_waited_for(
    post: DoorPost, field: tuple[str, int], lamp: tuple[str, int]
) -> None:
    key = wallet.new_key("card", 0)
    post.admitted.add(key.private.public.point)
    post.door.indicator.show(Signal.NOT_HERE)
    asyncio.get_running_loop().call_later(0.05, post.door.indicator.show, Signal.IDLE)
    seen = await tap_nfc.tap(field, tap_nfc.phone(key), lamp=lamp)
    assert seen.light is Light.GREEN


async def test_a_card_by_itself_is_told_nothing(post: DoorPost, field: tuple[str, int]) -> None:
    seen = await tap_nfc.tap(field, _stranger())
    assert seen.light is Light.GREEN
    assert "the card was read" in seen.text


async def test_a_reader_that_does_not_poll(post: DoorPost, tmp_path: Path) -> None:
    async with Pn532(tmp_path / "pn532") as chip:
        seen = await tap_nfc.tap(("127.0.0.1", chip.port), _stranger(), patience=0.1)
    assert seen.light is Light.TROUBLE
    assert "no reader took the card in 0.1 s" in seen.text


async def test_no_reader_at_all(post: DoorPost, tmp_path: Path) -> None:
    async with Pn532(tmp_path / "pn532") as chip:
        gone = ("127.0.0.1", chip.port)
    seen = await tap_nfc.tap(gone, _stranger())
    assert seen.light is Light.TROUBLE
    assert "python -m hw.sim.pn532" in seen.text


async def test_no_reader_and_a_lamp_that_will_never_say_so(
    post: DoorPost, lamp: tuple[str, int], tmp_path: Path
) -> None:
    async with Pn532(tmp_path / "pn532") as chip:
        gone = ("127.0.0.1", chip.port)
    async with asyncio.timeout(5):
        seen = await tap_nfc.tap(gone, _stranger(), lamp=lamp, patience=60)
    assert seen.light is Light.TROUBLE
    assert "python -m hw.sim.pn532" in seen.text


async def test_no_door_to_look_at(post: DoorPost, field: tuple[str, int]) -> None:
    async with with_wires(post) as gone:
        pass
    seen = await tap_nfc.tap(field, _stranger(), lamp=gone)
    assert seen.light is Light.TROUBLE
    assert "no simulated door" in seen.text
