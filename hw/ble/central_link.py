"""One reader as a phone sees it: GATT discovered, subscribed, messages out and in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from bumble.core import UUID
from bumble.device import Connection, Peer
from bumble.gatt_client import CharacteristicProxy

from hw.ble.mailbox import Mailbox
from hw.ble.pkoc_gatt import NOTIFY_CHARACTERISTIC, SERVICE, WRITE_CHARACTERISTIC
from hw.ble.radio import Radio
from hw.ble.tasks import apart, stop
from hw.ports import LinkClosed

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# A reader sends three notifications in a session; a virtual phone reads each at once.
_UNREAD_MAX = 16
_WANTED_MTU = 512  # what the phone apps of the field ask for


class NotAReader(LinkClosed):
    """It advertises FFF0, a number that many gadgets use, but it has no PKOC characteristics."""


class CentralLink:
    """A connection to a reader with notifications enabled. The mirror image of `hw.ports.Link`."""

    def __init__(self, radio: Radio, connection: Connection) -> None:
        self._radio = radio
        self._connection = connection
        self._mailbox = Mailbox(_UNREAD_MAX)
        self._write: CharacteristicProxy[bytes]
        self._notify: CharacteristicProxy[bytes]
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        if radio.device.connections.get(connection.handle) is not connection:
            self._mailbox.close(f"reader {self.peer} took another phone")

    @classmethod
    async def set_up(cls, radio: Radio, connection: Connection) -> Self:
        """Ask for a large MTU, discover the service, enable notifications.

        Raises `NotAReader`, or `LinkClosed` when the connection ends on the way.
        """
        link = cls(radio, connection)
        try:
            await link._gatt(link._discover())
            await link.subscribe()
        except BaseException:
            await link.close()
            raise
        return link

    @property
    def peer(self) -> str:
        """The reader's device address."""
        return str(self._connection.peer_address)

    @property
    def mtu(self) -> int:
        return int(self._connection.att_mtu)

    async def subscribe(self) -> None:
        """Write the 2902 descriptor. Doing it again asks the reader for a new session."""
        await self._gatt(self._notify.subscribe(self._on_notification))

    async def send(self, message: bytes, *, acknowledged: bool = False) -> None:
        """Write one whole message, by default without response as the phone apps do.

        Without response it must fit `mtu - 3`; acknowledged it may be 512 bytes (a long write).
        """
        if acknowledged:
            await self._gatt(self._write.write_value(message, with_response=True))
            return
        if len(message) > self.mtu - 3:
            raise ValueError(f"{len(message)} bytes do not fit an MTU of {self.mtu}")
        if self._mailbox.closed is not None:
            raise LinkClosed(self._mailbox.closed)
        await self._write.write_value(message)  # only queues: there is nothing to wait for

    async def receive(self) -> bytes:
        """Wait for the next notification. Raises `LinkClosed`."""
        return await self._mailbox.receive()

    async def read(self) -> bytes:
        """Read the reader's current message, as a page with a small MTU does."""
        return bytes(await self._gatt(self._notify.read_value()))

    async def close(self) -> None:
        """Disconnect. Closing twice does nothing."""
        self._mailbox.close("closed by the phone")
        await self._radio.hang_up(self._connection)

    async def _discover(self) -> None:
        peer = Peer(self._connection)
        await peer.request_mtu(_WANTED_MTU)
        service = UUID.from_16_bits(SERVICE)
        for found in await peer.discover_service(service):
            await peer.discover_characteristics(service=found)
        self._write = self._characteristic(peer, WRITE_CHARACTERISTIC)
        self._notify = self._characteristic(peer, NOTIFY_CHARACTERISTIC)

    def _characteristic(self, peer: Peer, uuid: str) -> CharacteristicProxy[bytes]:
        found = peer.get_characteristics_by_uuid(UUID(uuid))
        if not found:
            raise NotAReader(f"{self.peer} offers FFF0 but not {uuid}: not a PKOC reader")
        return found[0]

    async def _gatt(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do one GATT procedure, for as long as the connection lasts."""
        if self._mailbox.closed is not None:
            work.close()
            raise LinkClosed(self._mailbox.closed)
        loop = asyncio.get_running_loop()
        ended = loop.create_task(self._mailbox.ended())
        task = loop.create_task(apart(work))
        try:
            await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop([task, ended])
        if task.cancelled():
            raise LinkClosed(f"reader {self.peer} has disconnected")
        error = task.exception()
        if error is None or isinstance(error, LinkClosed):
            return task.result()
        raise LinkClosed(f"reader {self.peer}: {error}") from error

    def _on_notification(self, message: bytes) -> None:
        if not self._mailbox.deliver(message):
            self._mailbox.close(f"reader {self.peer} sent more than {_UNREAD_MAX} messages unasked")

    def _on_disconnection(self, _reason: int) -> None:
        # In the next turn: bumble passes the notification before it on through a task.
        reason = f"reader {self.peer} has disconnected"
        asyncio.get_running_loop().call_soon(self._mailbox.close, reason)
