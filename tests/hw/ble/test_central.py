"""A phone's side: looking for readers, connecting, and everything that goes wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from bumble import gatt
from bumble.core import UUID

from hw.ble.central import Central, ReaderNotFound, Sighting
from hw.ble.central_link import NotAReader
from hw.ble.peripheral import Peripheral
from hw.ble.pkoc_gatt import SERVICE, advertisement
from hw.ble.radio import Radio
from hw.ports import HardwareFault, LinkClosed
from hw.sim.air import Air
from tests.hw.ble.conftest import DOOR, READER_ADDRESS
from tests.hw.link_contract import HELLO, PATIENCE, LinkBench, closed

NewPhone = Callable[[], Awaitable[Central]]
BACK_DOOR = "Back door, from the yard, past the bicycles"
BACK_ADDRESS = "F0:00:00:00:00:02"


@pytest.fixture
async def on_air(air: Air, reader: Peripheral) -> AsyncIterator[None]:
    """Two doors are advertised, one of them under a name that is cut."""
    back = Peripheral(air.transport, name=BACK_DOOR, address=BACK_ADDRESS)
    accepting = [asyncio.create_task(each.accept()) for each in (reader, back)]
    yield
    for task in accepting:
        task.cancel()
    await asyncio.gather(*accepting, return_exceptions=True)
    await back.close()


async def test_a_reader_is_found_by_name_or_address(on_air: None, new_phone: NewPhone) -> None:
    phone = await new_phone()
    assert (await phone.find(name=DOOR)).address == READER_ADDRESS
    assert (await phone.find(name=BACK_DOOR)).address == BACK_ADDRESS
    assert (await phone.find(address=BACK_ADDRESS)).name == BACK_DOOR[:22]
    assert (await phone.find()).address in (READER_ADDRESS, BACK_ADDRESS)


async def test_looking_around_sees_every_reader(on_air: None, new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.find(name=BACK_DOOR)
    seen = await phone.look_around(0.3)
    assert {each.address for each in seen} == {READER_ADDRESS, BACK_ADDRESS}


async def test_nobody_is_there(new_phone: NewPhone) -> None:
    phone = await new_phone()
    assert await phone.look_around(0.05) == []
    with pytest.raises(ReaderNotFound, match=r"Front door was not seen in 0\.05 s"):
        await phone.find(name=DOOR, patience=0.05)
    with pytest.raises(LinkClosed, match="does not advertise"):
        await phone.connect(READER_ADDRESS, patience=0.05)


async def test_after_giving_up_a_phone_can_try_again(bench: LinkBench, new_phone: NewPhone) -> None:
    phone = await new_phone()
    for _ in range(3):
        assert await closed(phone.connect(BACK_ADDRESS, patience=0.03))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await phone.connect(BACK_ADDRESS)
    theirs, ours = await bench.meet(phone)
    await ours.send(HELLO)
    assert await theirs.receive() == HELLO


async def test_two_phones_that_catch_the_same_advertisement_both_get_in(
    bench: LinkBench,
) -> None:
    phones = [await bench.phone() for _ in range(4)]
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for phone in phones:
            tasks.create_task(phone.connect(READER_ADDRESS))
        links = [await bench.listener.accept() for _ in phones]
    assert len({link.peer for link in links}) == 4


@pytest.fixture
async def gadget(air: Air) -> AsyncIterator[Sighting]:
    """Something that advertises FFF0 and is no reader."""
    radio = await Radio.open(air.transport, name="Scale", address=BACK_ADDRESS)
    other: gatt.Characteristic[bytes] = gatt.Characteristic(
        UUID("12345678-1234-1234-1234-123456789abc"),
        gatt.Characteristic.Properties.READ,
        gatt.Characteristic.READABLE,
        b"72 kg",
    )
    radio.device.add_service(gatt.Service(UUID.from_16_bits(SERVICE), [other]))
    await radio.device.start_advertising(
        advertising_data=advertisement("Scale"), advertising_interval_min=20
    )
    yield Sighting(BACK_ADDRESS, "Scale", -50)
    await radio.close()


async def test_a_gadget_with_the_same_number_is_no_reader(
    gadget: Sighting, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    assert await phone.find() == gadget
    with pytest.raises(NotAReader, match="not a PKOC reader"):
        await phone.connect(gadget.address)


async def test_a_reader_that_talks_without_end_is_cut_off(bench: LinkBench) -> None:
    theirs, ours = await bench.meet()
    heard: list[bytes] = []
    for _ in range(40):
        await ours.send(HELLO)
    assert "unasked" in await closed(_collect(theirs.receive, heard))
    assert len(heard) == 16
    await theirs.close()
    assert "disconnected" in await closed(ours.receive())


async def _collect(receive: Callable[[], Awaitable[bytes]], into: list[bytes]) -> None:
    while True:
        into.append(await receive())


async def test_the_loss_of_the_controller_is_a_fault_wherever_it_happens(
    air: Air, bench: LinkBench
) -> None:
    theirs, _ = await bench.meet()
    searching, calling = await bench.phone(), await bench.phone()
    async with asyncio.TaskGroup() as tasks:
        waits = [
            tasks.create_task(_faulted(searching.find(name="nobody"))),
            tasks.create_task(_faulted(calling.connect(BACK_ADDRESS))),
            tasks.create_task(closed(theirs.receive())),
        ]
        await asyncio.sleep(0.05)
        for seat in list(air._seats):
            seat.leave()
    assert all(wait.result() for wait in waits)
    with pytest.raises(HardwareFault, match="has gone"):
        await searching.look_around(1.0)
    with pytest.raises(HardwareFault, match="has gone"):
        await calling.connect(READER_ADDRESS)


async def _faulted(work: Awaitable[object]) -> str:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(HardwareFault) as caught:
            await work
    return str(caught.value)


async def test_without_the_air_the_remedy_is_named(unused_tcp_port: int) -> None:
    with pytest.raises(HardwareFault, match=r"python -m hw\.sim\.air"):
        await Central.open(f"tcp-client:127.0.0.1:{unused_tcp_port}", address=READER_ADDRESS)
