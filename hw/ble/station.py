"""A PKOC reader on the air for as long as its controller lives: advertises, and serves phones.

Two sides look at the same phones. The controller reports connections, the GATT server reports
writes; a link exists from the write that enables notifications until the phone writes again,
leaves, floods or is hung up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from bumble import att, gatt
from bumble.core import UUID
from bumble.device import Connection, Device

from hw.ble.peripheral_link import PeripheralLink
from hw.ble.pkoc_gatt import NOTIFY_CHARACTERISTIC, SERVICE, WRITE_CHARACTERISTIC, advertisement
from hw.ble.radio import Radio
from hw.ble.tasks import stop

logger = logging.getLogger(__name__)

# Phones served at once. Cheap dongles hold five to ten connections.
_PHONES_MAX = 8
# A phone app connects, discovers and subscribes in two or three seconds on a bad day.
_SUBSCRIBE_SECONDS = 10.0
# Often enough that a scanning phone sees the door within two of its scan windows.
_ADVERTISING_INTERVAL_MS = 30.0
_ADVERTISING_RETRY_SECONDS = 1.0
# bumble passes a write on through two tasks, and a disconnection at once.
_TURNS_OF_A_WRITE = 3
# An app that lost its way starts over once or twice; nobody needs more on one connection.
_SUBSCRIPTIONS_MAX = 8


@dataclass(slots=True)
class _Phone:
    """A connected central, its present link if it has one, and when to lose patience with it."""

    patience: asyncio.TimerHandle
    link: PeripheralLink | None = None
    subscriptions: int = 0

    def end(self, reason: str) -> None:
        if self.link is not None:
            self.link.end(reason)


class Station:
    """One life of a reader's radio. `next_link` gives each phone; `close` ends all of it."""

    def __init__(self, radio: Radio, name: str) -> None:
        self._radio = radio
        self._device: Device = radio.device
        self._advertisement = advertisement(name)
        self._notify, service = self._service()
        self._device.add_service(service)
        self._lock_attributes(service)
        self._phones: dict[Connection, _Phone] = {}
        # One waiting link per phone, so that no phone can fill the queue.
        self._arrivals: dict[Connection, PeripheralLink] = {}
        self._news = asyncio.Event()
        self._over = False
        self._slot_free = asyncio.Event()
        # Not bumble's word for it: that says yes when a phone took the door in the same instant.
        self._advertising = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Go on the air."""
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        self._notify.on(gatt.Characteristic.EVENT_SUBSCRIPTION, self._on_subscription)
        self._slot_free.set()
        self._spawn(self._advertise())
        self._spawn(self._watch())

    async def next_link(self) -> PeripheralLink:
        """Wait for the next phone. Raises `HardwareFault` when the controller has gone."""
        while not self._over:
            for phone in list(self._arrivals):
                link = self._arrivals.pop(phone)
                if not link.ended:
                    return link
            self._news.clear()
            await self._news.wait()
        raise self._radio.fault()

    async def close(self) -> None:
        """Leave the air: no more advertising, every phone disconnected, the controller free."""
        self._end("this reader has left the air")
        try:
            await stop(self._tasks)
            if not self._radio.lost.done():
                await asyncio.gather(*(self._radio.hang_up(phone) for phone in self._phones))
        finally:
            for state in self._phones.values():
                state.patience.cancel()
            await self._radio.close()

    def _end(self, reason: str) -> None:
        """Wake everything that waits: there will be no more phones and no more messages."""
        for phone in self._phones.values():
            phone.end(reason)
        self._over = True
        self._news.set()

    # The attribute table

    def _service(self) -> tuple[gatt.Characteristic[bytes], gatt.Service]:
        properties, permissions = gatt.Characteristic.Properties, att.Attribute.Permissions
        write: gatt.Characteristic[bytes] = gatt.Characteristic(
            WRITE_CHARACTERISTIC,
            properties.WRITE | properties.WRITE_WITHOUT_RESPONSE,
            permissions.WRITEABLE | permissions.READ_REQUIRES_AUTHORIZATION,
            att.AttributeValue(write=self._on_write),
        )
        notify: gatt.Characteristic[bytes] = gatt.Characteristic(
            NOTIFY_CHARACTERISTIC,
            properties.READ | properties.NOTIFY,
            permissions.READABLE,
            att.AttributeValue(read=self._on_read),
        )
        uuid = UUID.from_16_bits(SERVICE)
        return notify, gatt.Service(uuid, [write, notify])

    def _lock_attributes(self, service: gatt.Service) -> None:
        """Refuse writes to everything but the write characteristic and the 2902 descriptor.

        bumble lets a peer overwrite any attribute, the declaration of a service included, unless
        a permission that cannot be satisfied stands in the way.
        """
        open_to_phones = {gatt.GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR}
        for attribute in self._device.gatt_server.attributes:
            if attribute is not service.characteristics[0] and attribute.type not in open_to_phones:
                attribute.permissions |= att.Attribute.Permissions.WRITE_REQUIRES_AUTHORIZATION

    def _on_write(self, connection: Connection, message: bytes) -> None:
        link = self._link(connection)
        if link is None:
            logger.debug("phone %s writes before it listens", connection.peer_address)
        elif not link.wrote(message):
            self._cut_off(connection, "floods this reader")

    def _on_read(self, connection: Connection) -> bytes:
        link = self._link(connection)
        return b"" if link is None else link.message

    def _link(self, connection: Connection) -> PeripheralLink | None:
        phone = self._phones.get(connection)
        return None if phone is None else phone.link

    def _on_subscription(self, connection: Connection, notify: bool, _indicate: bool) -> None:  # noqa: FBT001
        phone = self._phones.get(connection)
        if phone is None:
            return  # it has left
        old, phone.link = phone.link, None
        if not notify:
            if old is not None:
                old.end(f"phone {old.peer} disabled notifications")
                phone.patience = self._patience(connection)
            return
        phone.patience.cancel()
        if old is not None:
            old.superseded()
        phone.subscriptions += 1
        if phone.subscriptions > _SUBSCRIPTIONS_MAX:
            self._cut_off(connection, "starts over and over again")
            return
        phone.link = PeripheralLink(self._radio, connection, self._notify)
        self._arrivals[connection] = phone.link
        self._news.set()

    # The connections

    def _on_connection(self, connection: Connection) -> None:
        self._phones[connection] = _Phone(self._patience(connection))
        self._advertising = False
        connection.on(
            Connection.EVENT_DISCONNECTION, lambda _: self._spawn(self._forget(connection))
        )
        self._slot_free.set()

    def _patience(self, connection: Connection) -> asyncio.TimerHandle:
        """Nobody keeps a place at this door who does not listen to it."""
        return asyncio.get_running_loop().call_later(
            _SUBSCRIBE_SECONDS, self._cut_off, connection, "is here and does not listen"
        )

    async def _forget(self, connection: Connection) -> None:
        """The phone has left; what it wrote just before is still on its way through bumble."""
        for _ in range(_TURNS_OF_A_WRITE):
            await asyncio.sleep(0)
        phone = self._phones.pop(connection, None)
        self._arrivals.pop(connection, None)
        if phone is not None:
            phone.patience.cancel()
            phone.end(f"phone {connection.peer_address} has disconnected")
        self._slot_free.set()

    def _cut_off(self, connection: Connection, why: str) -> None:
        logger.warning("phone %s %s: disconnected", connection.peer_address, why)
        self._spawn(self._radio.hang_up(connection))

    async def _advertise(self) -> None:
        """Keep advertising while a further phone can be served; every connection ends it."""
        while not self._over:
            await self._slot_free.wait()
            self._slot_free.clear()
            if self._advertising or len(self._phones) >= _PHONES_MAX:
                continue
            self._advertising = True  # until a phone connects, which may be before this has begun
            try:
                await self._start_advertising()
            except Exception as error:  # noqa: BLE001 - a full or busy controller; tried again
                self._advertising = False
                logger.warning("%s does not advertise: %s", self._radio.name, error)
                await asyncio.sleep(_ADVERTISING_RETRY_SECONDS)
                self._slot_free.set()

    async def _start_advertising(self) -> None:
        known = self._device.legacy_advertising_set
        if known is not None:
            await known.start()
            return
        await self._device.start_advertising(
            advertising_data=self._advertisement,
            scan_response_data=b"",
            advertising_interval_min=_ADVERTISING_INTERVAL_MS,
            advertising_interval_max=_ADVERTISING_INTERVAL_MS,
        )

    async def _watch(self) -> None:
        """Turn the loss of the controller into the end of everything that waits."""
        with contextlib.suppress(Exception):  # some transports report their end as an error
            await asyncio.shield(self._radio.lost)
        self._end(str(self._radio.fault()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
