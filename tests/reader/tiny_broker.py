"""The few packets of MQTT 3.1.1 that a client needs to see, and a broker's ways to let it down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ = 1, 2, 3, 4, 8, 9, 12


@dataclass
class TinyBroker:
    """Serves one client after the other."""

    refuse: int = 0  # the CONNACK's return code
    drop_at: int = 0  # hang up on a packet of this type
    connects: int = 0
    subscribed: list[bytes] = field(default_factory=list)
    published: list[tuple[str, bytes, bool]] = field(default_factory=list)
    connected: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    port: int = 0

    def send(self, topic: str, payload: bytes) -> None:
        """Publish to everybody, at most once."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + payload
        for writer in self.writers:
            writer.write(packet(PUBLISH, body))

    def cut(self) -> None:
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _length(reader))
                if head >> 4 == self.drop_at:
                    break
                if answer := self.answer(head, body):
                    writer.write(answer)
        writer.close()

    def answer(self, head: int, body: bytes) -> bytes:
        match head >> 4:
            case 1:
                self.connects += 1
                self.connected.append(body)
                return packet(CONNACK, bytes([0, self.refuse]))
            case 8:
                self.subscribed.append(body)
                topics = body.count(b"doorward/")
                return packet(SUBACK, body[:2] + bytes([1] * topics))
            case 3:
                size = int.from_bytes(body[:2], "big")
                topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
                self.published.append((topic, rest[2:], bool(head & 1)))
                return packet(PUBACK, rest[:2])
            case 12:
                return packet(13, b"")
            case _:
                return b""


def packet(kind: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind << 4]) + length + body


async def _length(reader: asyncio.StreamReader) -> int:
    total, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        total |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return total


@contextlib.asynccontextmanager
async def serving(broker: TinyBroker) -> AsyncIterator[TinyBroker]:
    """Listen on a port of the loopback."""
    server = await asyncio.start_server(broker.serve, "127.0.0.1", broker.port)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        broker.cut()
        await server.wait_closed()
