"""bumble's reader and bumble's phones on the virtual air: the contract, and hostile phones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from bumble import att, smp
from bumble.core import UUID
from bumble.device import Connection, Peer
from bumble.gatt_client import Client

from hw.backoff import Backoff
from hw.ble import radio as radio_module
from hw.ble import station
from hw.ble.central import Central, ReaderNotFound
from hw.ble.central_link import CentralLink
from hw.ble.peripheral import Peripheral
from hw.ble.pkoc_gatt import NOTIFY_CHARACTERISTIC, WRITE_CHARACTERISTIC
from hw.ports import HardwareFault, Link, LinkClosed
from hw.sim.air import Air
from tests.hw.ble.conftest import DOOR, READER_ADDRESS
from tests.hw.link_contract import HELLO, PATIENCE, LinkBench, LinkContract, closed

NewPhone = Callable[[], Awaitable[Central]]


class TestContract(LinkContract):
    """The contract of the port."""


async def bare_connection(phone: Central) -> Connection:
    """Connected, and nothing else: no MTU, no discovery, no subscription."""
    async with asyncio.timeout(PATIENCE):
        return await phone._connected(READER_ADDRESS)


async def gone(connection: Connection) -> None:
    """Wait until the reader has hung up."""
    ended = asyncio.Event()
    connection.on(Connection.EVENT_DISCONNECTION, lambda _reason: ended.set())
    if connection.handle in connection.device.connections:
        async with asyncio.timeout(PATIENCE):
            await ended.wait()


@pytest.fixture
async def accepting(reader: Peripheral) -> AsyncIterator[asyncio.Task[Link]]:
    """The reader is on the air: its first `accept` waits."""
    task: asyncio.Task[Link] = asyncio.create_task(reader.accept())
    while reader._station is None or not reader._station._device.is_advertising:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_a_phone_app_finds(accepting: asyncio.Task[Link], new_phone: NewPhone) -> None:
    """The service, the properties and the 2902 descriptor that the apps of the field insist on."""
    phone = await new_phone()
    sighting = await phone.find()
    assert (sighting.address, sighting.name) == (READER_ADDRESS, DOOR)
    connection = await bare_connection(phone)
    peer = Peer(connection)
    for service in await peer.discover_services():
        await service.discover_characteristics()
    (write,) = peer.get_characteristics_by_uuid(UUID(WRITE_CHARACTERISTIC))
    (notify,) = peer.get_characteristics_by_uuid(UUID(NOTIFY_CHARACTERISTIC))
    assert int(write.properties) == 0x08 | 0x04
    assert int(notify.properties) == 0x02 | 0x10
    descriptors = await peer.discover_descriptors(notify)
    assert [str(descriptor.type) for descriptor in descriptors] == [
        "UUID-16:2902 (Client Characteristic Configuration)"
    ]


async def test_a_vandal_cannot_change_what_the_next_phone_finds(
    accepting: asyncio.Task[Link], bench: LinkBench, new_phone: NewPhone
) -> None:
    vandal = await bare_connection(await new_phone())
    client = vandal.gatt_client
    before = [attribute.value for attribute in _attributes(bench)]
    taken = set()
    for handle in range(1, 30):
        for value in (b"", b"\x01\x00\x00", bytes(20)):
            if await _writes(client, handle, value):
                taken.add(handle)
    assert taken == _open_handles(bench)
    assert [attribute.value for attribute in _attributes(bench)] == before
    accepting.cancel()
    theirs, ours = await bench.meet()
    await ours.send(HELLO)
    assert await theirs.receive() == HELLO


def _attributes(bench: LinkBench) -> list[att.Attribute[bytes]]:
    assert isinstance(bench.listener, Peripheral)
    assert bench.listener._station is not None
    return bench.listener._station._device.gatt_server.attributes


async def _writes(client: Client, handle: int, value: bytes) -> bool:
    try:
        await client.write_value(handle, value, with_response=True)
    except att.ATT_Error:
        return False
    return True


def _open_handles(bench: LinkBench) -> set[int]:
    """The message characteristic, and 2902, which ignores values that are not two bytes."""
    attributes = _attributes(bench)
    write = UUID(WRITE_CHARACTERISTIC)
    return {each.handle for each in attributes if each.type == write or "2902" in str(each.type)}


async def test_the_write_characteristic_cannot_be_read(
    accepting: asyncio.Task[Link], new_phone: NewPhone
) -> None:
    peer = Peer(await bare_connection(await new_phone()))
    for service in await peer.discover_services():
        await service.discover_characteristics()
    (write,) = peer.get_characteristics_by_uuid(UUID(WRITE_CHARACTERISTIC))
    with pytest.raises(att.ATT_Error):
        await write.read_value()


async def test_a_write_before_enabling_is_dropped(
    accepting: asyncio.Task[Link], new_phone: NewPhone
) -> None:
    peer = Peer(await bare_connection(await new_phone()))
    for service in await peer.discover_services():
        await service.discover_characteristics()
    (write,) = peer.get_characteristics_by_uuid(UUID(WRITE_CHARACTERISTIC))
    await write.write_value(b"early", with_response=True)
    assert not accepting.done()


async def test_pairing_is_refused(accepting: asyncio.Task[Link], new_phone: NewPhone) -> None:
    phone = await new_phone()
    connection = await bare_connection(phone)
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    channels = phone._device.l2cap_channel_manager
    channels.register_fixed_channel(smp.SMP_CID, lambda _handle, pdu: answers.put_nowait(pdu))
    phone._device.send_l2cap_pdu(connection.handle, smp.SMP_CID, bytes.fromhex("010300051000 00"))
    async with asyncio.timeout(PATIENCE):
        assert await answers.get() == bytes.fromhex("0505")


async def test_garbage_in_every_channel_hurts_nobody(
    accepting: asyncio.Task[Link], bench: LinkBench, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    connection = await bare_connection(phone)
    for channel in (0x0004, 0x0005, 0x0006, 0x0040, 0xFFFF):
        for pdu in (b"", b"\xff", bytes(range(40)), b"\x02", b"\x12\x01", bytes(200)):
            phone._device.send_l2cap_pdu(connection.handle, channel, pdu)
    await asyncio.sleep(0.05)
    accepting.cancel()
    theirs, ours = await bench.meet()
    await ours.send(HELLO)
    assert await theirs.receive() == HELLO


async def test_a_phone_that_says_nothing_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, reader: Peripheral, new_phone: NewPhone
) -> None:
    monkeypatch.setattr(station, "_SUBSCRIBE_SECONDS", 0.1)
    accepting = asyncio.create_task(reader.accept())
    await gone(await bare_connection(await new_phone()))
    accepting.cancel()


@pytest.mark.parametrize("says", [(b"\x00\x00",), (b"\x01\x00", b"\x00\x00")])
async def test_a_phone_that_disables_notifications_and_stays_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
    accepting: asyncio.Task[Link],
    bench: LinkBench,
    new_phone: NewPhone,
    says: tuple[bytes, ...],
) -> None:
    """Else eight of them would keep everybody else from the door for as long as they like."""
    monkeypatch.setattr(station, "_SUBSCRIBE_SECONDS", 0.1)
    connection = await bare_connection(await new_phone())
    (handle,) = (each.handle for each in _attributes(bench) if "2902" in str(each.type))
    for value in says:  # in one instant: no link is accepted between the two
        await connection.gatt_client.write_value(handle, value, with_response=False)
    await gone(connection)


async def test_a_phone_that_starts_over_for_ever_is_disconnected(bench: LinkBench) -> None:
    theirs, _ = await bench.meet()
    assert await closed(_subscribe_for_ever(theirs))
    # It left one link at most for the reader to look at, and that has ended.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await bench.listener.accept()


async def _subscribe_for_ever(phone: CentralLink) -> None:
    while True:
        await phone.subscribe()


async def test_disabling_notifications_ends_the_link(bench: LinkBench) -> None:
    theirs, ours = await bench.meet()
    await theirs._notify.unsubscribe(force=True)
    assert "disabled" in await closed(ours.receive())


async def test_a_phone_with_the_smallest_mtu_gets_small_messages(
    accepting: asyncio.Task[Link], reader: Peripheral, new_phone: NewPhone
) -> None:
    peer = Peer(await bare_connection(await new_phone()))
    for service in await peer.discover_services():
        await service.discover_characteristics()
    (notify,) = peer.get_characteristics_by_uuid(UUID(NOTIFY_CHARACTERISTIC))
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await notify.subscribe(heard.put_nowait)
    link = await accepting
    assert link.mtu == 23
    with pytest.raises(ValueError, match="do not fit"):
        await link.send(bytes(21))
    await link.send(bytes(20))
    async with asyncio.timeout(PATIENCE):
        assert await heard.get() == bytes(20)
    # A long read brings what a notification cannot.
    assert await notify.read_value() == bytes(20)


async def test_when_all_places_are_taken_the_door_is_not_advertised(
    monkeypatch: pytest.MonkeyPatch, bench: LinkBench
) -> None:
    monkeypatch.setattr(station, "_PHONES_MAX", 2)
    (first, _), _ = await bench.meet(), await bench.meet()
    third = await bench.phone()
    with pytest.raises(ReaderNotFound, match="was not seen"):
        await third.find(name=bench.name, patience=0.2)
    await first.close()
    theirs, ours = await bench.meet(third)
    await ours.send(HELLO)
    assert await theirs.receive() == HELLO


@pytest.mark.slow
async def test_a_crowd_is_served(bench: LinkBench) -> None:
    """Twelve phones rush for a reader that serves eight at once; every one gets its turn."""
    served = 0

    async def reader() -> None:
        nonlocal served
        async with asyncio.TaskGroup() as sessions:
            for _ in range(12):
                sessions.create_task(session(await bench.listener.accept()))

    async def session(link: Link) -> None:
        nonlocal served
        try:
            await link.send(HELLO)
            await link.send(await link.receive())
            await link.close()
        except LinkClosed:
            return
        served += 1

    async def phone(central: Central, number: int) -> None:
        link = await central.connect(READER_ADDRESS, patience=8.0)
        assert await link.receive() == HELLO
        await link.send(b"phone %d" % number)
        assert await link.receive() == b"phone %d" % number
        await link.close()

    phones = [await bench.phone() for _ in range(12)]
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as tasks:
        tasks.create_task(reader())
        for number, central in enumerate(phones):
            tasks.create_task(phone(central, number))
    assert served == 12


# Broken hardware


async def test_the_loss_of_the_controller_ends_every_link(air: Air, bench: LinkBench) -> None:
    _, ours = await bench.meet()
    accepting = asyncio.create_task(bench.listener.accept())
    await asyncio.sleep(0)
    for seat in list(air._seats):
        seat.leave()
    assert "has gone" in await closed(ours.receive())
    with pytest.raises(HardwareFault, match="has gone"):
        await accepting
    assert await closed(ours.send(HELLO))
    await ours.close()


async def test_after_a_fault_the_next_accept_opens_it_again(air: Air, bench: LinkBench) -> None:
    accepting = asyncio.create_task(bench.listener.accept())
    phone = await bench.phone()
    await phone.find(name=bench.name)
    for seat in list(air._seats):
        if seat._controller and str(seat._controller.random_address) == READER_ADDRESS:
            seat.leave()
    with pytest.raises(HardwareFault):
        await accepting
    theirs, ours = await bench.meet(phone)
    await ours.send(HELLO)
    assert await theirs.receive() == HELLO


async def test_a_missing_controller_names_the_remedy(
    nothing_left_behind: None, unused_tcp_port: int
) -> None:
    reader = Peripheral(
        f"tcp-client:127.0.0.1:{unused_tcp_port}", name=DOOR, address=READER_ADDRESS
    )
    with pytest.raises(HardwareFault, match=r"python -m hw\.sim\.air"):
        await reader.accept()
    await reader.close()


async def test_closing_while_it_opens_leaves_nothing_open(air: Air, reader: Peripheral) -> None:
    accepting = asyncio.create_task(reader.accept())
    while not air.seats:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await reader.close()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(HardwareFault, match="has been closed"):
            await accepting
        while air.seats:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_close_that_is_cancelled_lets_the_controller_go(
    air: Air, bench: LinkBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.meet()

    async def for_ever(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(radio_module.Radio, "hang_up", for_ever)
    before = air.seats
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await bench.listener.close()
    async with asyncio.timeout(PATIENCE):
        while air.seats >= before:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_missing_dongle_names_the_remedy(nothing_left_behind: None) -> None:
    reader = Peripheral("usb:9999", name=DOOR, address=READER_ADDRESS)
    with pytest.raises(HardwareFault, match=r"is the dongle plugged in, and may this user open it"):
        await reader.accept()
    await reader.close()


@pytest.mark.parametrize("transport", ["carrier-pigeon:1", "tcp-client:nonsense", ""])
async def test_a_transport_that_cannot_be_is_a_fault(
    nothing_left_behind: None, transport: str
) -> None:
    reader = Peripheral(transport, name=DOOR, address=READER_ADDRESS)
    with pytest.raises(HardwareFault, match="cannot open the Bluetooth controller"):
        await reader.accept()
    await reader.close()


@pytest.mark.parametrize(
    "says",
    [b"", b"\x04\x0e\x04\x01\x03\x0c\x00", b"\xff" * 500, b"\x04\x0e\xff", b"\x04\x13\x05\x01"],
    ids=["mute", "falls mute", "garbage", "torn", "torn event"],
)
async def test_a_controller_that_does_not_answer_is_a_fault(
    nothing_left_behind: None, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    monkeypatch.setattr(radio_module, "_OPEN_SECONDS", 0.2)
    monkeypatch.setattr(radio_module, "_HANG_UP_SECONDS", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader = Peripheral(
            f"tcp-client:127.0.0.1:{port}",
            name=DOOR,
            address=READER_ADDRESS,
            backoff=Backoff(first=0.01, most=0.01),
        )
        for _ in range(2):
            with pytest.raises(HardwareFault, match="does not answer"):
                await reader.accept()
        await reader.close()
        await asyncio.sleep(0.05)
