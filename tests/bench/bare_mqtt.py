"""A bare MQTT 3.1.1 client: a hundred lines that cost next to nothing, so that crowds are cheap.

It connects with a clean session, subscribes and publishes at QoS 1, and acknowledges what it gets.
It sends nothing again and takes what the broker says for granted: for benchmarks only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import cast

from reader.config import Broker

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
_QOS_1 = 0b10
Took = Callable[[str, bytes], None]


class BareClient(asyncio.Protocol):
    """One connection. `took` gets topic and payload of whatever arrives."""

    def __init__(self, client_id: str, took: Took) -> None:
        self._client_id = client_id
        self._took = took
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._packet_id = 0
        self._answered = asyncio.Event()

    async def subscribe(self, *topics: str) -> None:
        """Subscribe, and return once the broker has."""
        self._answered.clear()
        filters = b"".join(_string(topic) + b"\x01" for topic in topics)
        self._send(SUBSCRIBE << 4 | _QOS_1, self._next_id() + filters)
        await self._answered.wait()

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message over, whenever the line lets it through."""
        self._send(PUBLISH << 4 | _QOS_1, _string(topic) + self._next_id() + payload)

    async def connected(self) -> None:
        """Return once the broker has let us in."""
        await self._answered.wait()

    # --- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clean, no_keepalive = b"\x02", bytes(2)
        head = _string("MQTT") + b"\x04" + clean + no_keepalive
        self._send(CONNECT << 4, head + _string(self._client_id))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (packet := self._cut()) is not None:
            self._take(*packet)

    # --- Inside ----------------------------------------------------------------------------------

    def _cut(self) -> tuple[int, bytes] | None:
        """Return first byte and body of the next packet, if all of it is there."""
        length, at = 0, 1
        while True:
            if at >= len(self._buffer):
                return None
            length |= (self._buffer[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if not self._buffer[at - 1] & 0x80:
                break
        if len(self._buffer) < at + length:
            return None
        packet = self._buffer[0], bytes(self._buffer[at : at + length])
        del self._buffer[: at + length]
        return packet

    def _take(self, first: int, body: bytes) -> None:
        if first >> 4 in (CONNACK, SUBACK):
            self._answered.set()
        elif first >> 4 == PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            topic, rest = body[2:end].decode(), body[end:]
            if first & _QOS_1:
                self._send(PUBACK << 4, rest[:2])
                rest = rest[2:]
            self._took(topic, rest)

    def _next_id(self) -> bytes:
        self._packet_id = self._packet_id % 0xFFFF + 1
        return self._packet_id.to_bytes(2, "big")

    def _send(self, first: int, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(bytes([first]) + _length(len(body)) + body)


@contextlib.asynccontextmanager
async def bare_client(broker: Broker, client_id: str, took: Took) -> AsyncIterator[BareClient]:
    """Yield a client that is connected; close it at the end."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(
        lambda: BareClient(client_id, took), broker.host, broker.port
    )
    try:
        await client.connected()
        yield client
    finally:
        transport.close()


def _string(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _length(number: int) -> bytes:
    parts = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        parts.append(low | (0x80 if number else 0))
        if not number:
            return bytes(parts)
