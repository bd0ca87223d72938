"""One phone at a reader's radio: what it wrote, and notifications to it alone."""

from __future__ import annotations

import asyncio
import logging

from bumble.device import Connection
from bumble.gatt import Characteristic

from hw.ble.mailbox import Mailbox
from hw.ble.pkoc_gatt import MESSAGE_MAX
from hw.ble.radio import Radio
from hw.ports import LinkClosed

logger = logging.getLogger(__name__)

# A PKOC phone writes two messages in a session; repeats are tolerated, a flood is not.
_UNREAD_MAX = 8
# A phone acknowledges within a connection interval, 4 s at most by the specification; one that
# takes longer than half of that is gone and only the supervision timeout does not know it yet.
_DRAIN_SECONDS = 2.0


class PeripheralLink:
    """A phone from the moment it enabled notifications. See `hw.ports.Link`."""

    def __init__(self, radio: Radio, connection: Connection, notify: Characteristic[bytes]) -> None:
        self._radio = radio
        self._connection = connection
        self._notify = notify
        self._mailbox = Mailbox(_UNREAD_MAX)
        self._hangs_up = True
        self.message = b""
        """The last message sent: what a READ of the notify characteristic returns."""

    @property
    def peer(self) -> str:
        return str(self._connection.peer_address)

    @property
    def mtu(self) -> int:
        return int(self._connection.att_mtu)

    async def receive(self) -> bytes:
        return await self._mailbox.receive()

    async def send(self, message: bytes) -> None:
        if len(message) > self.mtu - 3:
            raise ValueError(f"{len(message)} bytes do not fit an MTU of {self.mtu}")
        await self._drained()
        if self._mailbox.closed is not None:
            raise LinkClosed(self._mailbox.closed)
        self.message = message
        server = self._radio.device.gatt_server
        try:
            await server.notify_subscriber(self._connection, self._notify, message)
        except Exception as error:
            raise LinkClosed(f"phone {self.peer}: {error}") from error

    async def _drained(self) -> None:
        """Wait until the radio has passed on what was sent before: one message in flight."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._connection.drain()
        except TimeoutError:
            self.end(f"phone {self.peer} no longer listens")
            await self._radio.hang_up(self._connection)

    async def close(self) -> None:
        if self._mailbox.closed is None:
            # Not before the phone has the last notification, which tells it the result.
            await self._drained()
        self.end("closed by the reader")
        if self._hangs_up:
            self._hangs_up = False
            await self._radio.hang_up(self._connection)

    def wrote(self, message: bytes) -> bool:
        """The phone wrote. False if it floods: then this link has ended."""
        if len(message) <= MESSAGE_MAX and self._mailbox.deliver(message):
            return True
        self.end(f"phone {self.peer} sent more than {_UNREAD_MAX} messages unasked")
        return False

    def end(self, reason: str) -> None:
        """The link is over: every `receive` and `send` now raises `LinkClosed`."""
        self._mailbox.close(reason)

    def superseded(self) -> None:
        """The phone started over: this link ends, its connection belongs to the next one."""
        self._hangs_up = False
        self.end(f"phone {self.peer} enabled notifications again")

    @property
    def ended(self) -> bool:
        return self._mailbox.closed is not None
