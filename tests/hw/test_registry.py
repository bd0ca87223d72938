"""Devices are opened by name; a name that means nothing says what would."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hw.ble.central import Central
from hw.ble.peripheral import Peripheral
from hw.nfc.pn532 import Pn532TagListener
from hw.none import NoDoor, NoLinks, NoTags
from hw.ports import HardwareFault, SensorChange
from hw.registry import UnknownDevice, open_ble, open_door, open_nfc
from hw.sim.air import Air
from hw.sim.card import bring
from hw.sim.door import DoorSim
from hw.sim.door_control import ServedDoor
from hw.sim.pn532 import Pn532
from tests.hw.link_contract import HELLO

Opener = Callable[[str], Awaitable[object]]


async def ble(device: str) -> object:
    return await open_ble(device, name="Front door")


async def nfc(device: str) -> object:
    return await open_nfc(device)


async def door(device: str) -> object:
    return await open_door(device, say=lambda line: None)


@pytest.mark.parametrize(
    ("opener", "device", "kind"),
    [
        (ble, "none", NoLinks),
        (ble, "bumble:tcp-client:127.0.0.1:9000", Peripheral),
        (ble, "bumble:usb:0", Peripheral),
        (nfc, "none", NoTags),
        (nfc, "pn532:/dev/ttyUSB0", Pn532TagListener),
        (door, "none", NoDoor),
        (door, "sim", DoorSim),
        (door, "sim:127.0.0.1:0", ServedDoor),
        (door, "sim:localhost:0", ServedDoor),
    ],
)
async def test_known_names(
    nothing_left_behind: None, opener: Opener, device: str, kind: type[NoLinks]
) -> None:
    opened = await opener(device)
    assert isinstance(opened, kind)
    await opened.close()


@pytest.mark.parametrize(
    ("opener", "device", "example"),
    [
        (ble, "", "bumble:usb:0"),
        (ble, "bumble", "bumble:usb:0"),
        (ble, "bumble:", "bumble:usb:0"),
        (ble, "none:1", "none"),
        (ble, "bless:hci0", "bumble:usb:0"),
        (nfc, "pn532", "pn532:/dev/ttyUSB0"),
        (nfc, "pn532:", "pn532:/dev/ttyUSB0"),
        (nfc, "acr122", "pn532:/dev/ttyUSB0"),
        (door, "sim:", "sim:127.0.0.1:9200"),
        (door, "sim:0.0.0.0:9200", "sim:127.0.0.1:9200"),
        (door, "sim:127.0.0.1:http", "sim:127.0.0.1:9200"),
        (door, "sim:127.0.0.1:65536", "sim:127.0.0.1:9200"),
        (door, "gpio:17", "sim:127.0.0.1:9200"),
    ],
)
async def test_unknown_names_list_the_known_ones(opener: Opener, device: str, example: str) -> None:
    with pytest.raises(UnknownDevice, match=re.escape(example)) as caught:
        await opener(device)
    assert repr(device) in str(caught.value)


async def test_a_long_name_is_cut_in_the_error() -> None:
    with pytest.raises(UnknownDevice) as caught:
        await ble("x" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("opener", "device", "library", "driver"),
    [
        (ble, "bumble:usb:0", "bumble", "hw.ble"),
        (nfc, "pn532:/dev/ttyUSB0", "nfc", "hw.nfc"),
    ],
)
async def test_a_missing_library_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, opener: Opener, device: str, library: str, driver: str
) -> None:
    for name in list(sys.modules):
        if name.startswith(driver):
            monkeypatch.delitem(sys.modules, name)
    found = importlib.import_module

    def missing(name: str) -> object:
        if name.startswith(driver):
            raise ModuleNotFoundError(f"No module named {library!r}", name=f"{library}.clf")
        return found(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HardwareFault, match=r"pip install 'doorward\[reader\]'"):
        await opener(device)


async def test_a_phone_meets_a_door_that_was_opened_by_name(nothing_left_behind: None) -> None:
    async with Air() as air:
        listener = await open_ble(
            f"bumble:{air.transport}", name="Front door", address="F0:00:00:00:00:01"
        )
        phone = await Central.open(air.transport, address="F1:00:00:00:00:01")
        async with asyncio.timeout(3.0), asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(listener.accept())
            theirs = await phone.connect((await phone.find(name="Front door")).address)
        await accepting.result().send(HELLO)
        assert await theirs.receive() == HELLO
        await phone.close()
        await listener.close()


async def test_a_card_meets_a_reader_that_was_opened_by_name(
    nothing_left_behind: None, tmp_path: Path
) -> None:
    async with Pn532(tmp_path / "pn532") as chip:
        listener = await open_nfc(f"pn532:{chip.tty_path}")
        card = asyncio.create_task(bring("127.0.0.1", chip.port, bytes(7), lambda apdu: apdu))
        async with asyncio.timeout(3.0):
            tag = await listener.accept()
            assert await tag.transceive(b"\x90\x00") == b"\x90\x00"
            await tag.release()
            await card
        await listener.close()


async def test_a_door_that_was_opened_by_name_is_found_by_its_port_file(
    nothing_left_behind: None, tmp_path: Path
) -> None:
    said: list[str] = []
    port_file = tmp_path / "door.port"
    hardware = await open_door("sim:127.0.0.1:0", say=said.append, port_file=port_file)
    hardware.strike.release()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(_text(port_file)))
    writer.write(b'{"do": "open"}\n')
    async with asyncio.timeout(3.0):
        assert isinstance(await hardware.sensors.next(), SensorChange)
        assert b"snapshot" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    await hardware.close()
    assert said == [
        "Click: the strike lets go.",
        "The door swings open.",
        "Clack: the strike holds.",
    ]


def _text(path: Path) -> str:
    return path.read_text()


async def test_a_port_that_is_taken_is_a_fault(nothing_left_behind: None) -> None:
    first = await open_door("sim:127.0.0.1:0", say=lambda line: None)
    assert isinstance(first, ServedDoor)
    with pytest.raises(HardwareFault, match=f"port {first.port}"):
        await door(f"sim:127.0.0.1:{first.port}")
    await first.close()


async def test_a_port_file_that_cannot_be_written_is_a_fault(
    nothing_left_behind: None, tmp_path: Path
) -> None:
    with pytest.raises(HardwareFault, match="cannot be written"):
        await open_door(
            "sim:127.0.0.1:0", say=lambda line: None, port_file=tmp_path / "gone" / "door.port"
        )
