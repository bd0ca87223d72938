"""The controller's bus over a real broker, by aiomqtt. Any MQTT 3.1.1 broker with QoS 1 will do."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

import aiomqtt

from controller.sync.bus import BusLost, Connection, Publication

# The client library warns and prints tracebacks when a broker goes; that is ours to report.
_quiet = logging.getLogger("controller.sync.mqtt.client")
_quiet.setLevel(logging.CRITICAL)

QOS = 1
KEEPALIVE = 20
TIMEOUT = 10.0
# Above 20 the client library gets slower, not faster.
IN_FLIGHT = 20
# A full incoming queue discards without a word. What is lost comes again: hellos and batches
# until they are answered, receipts when what they confirm is sent once more.
MAX_QUEUED_INCOMING = 20_000
# A thousand readers that drain their journals send some 200 MB at once; more than that is a flood.
MAX_INCOMING_BYTES = 256 * 1024 * 1024
MAX_QUEUED_OUTGOING = 1_000


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker listens. Shows no password."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the address that `mqtt://[user:password@]host[:port]` is. Raises `ValueError`."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme != "mqtt" or not parts.hostname or port == 0 or parts.path not in ("", "/"):
            raise ValueError("a broker is given as mqtt://host or mqtt://host:port")
        return cls(
            parts.hostname,
            port or 1883,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class MqttBus:
    """The broker at `address`, seen under one client id."""

    def __init__(self, address: BrokerAddress, client_id: str = "doorward-controller") -> None:
        self._address = address
        self._client_id = client_id

    @asynccontextmanager
    async def connect(self, subscribe: tuple[str, ...]) -> AsyncIterator[Connection]:
        """See `controller.sync.bus.Bus.connect`."""
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            identifier=self._client_id,
            clean_session=True,  # nothing relies on what a broker queued
            keepalive=KEEPALIVE,
            timeout=TIMEOUT,
            max_inflight_messages=IN_FLIGHT,
            max_queued_incoming_messages=MAX_QUEUED_INCOMING,
            queue_type=arrivals(MAX_INCOMING_BYTES),
            max_queued_outgoing_messages=MAX_QUEUED_OUTGOING,
            # Without it every small publish waits for Nagle: 20 ms instead of 0.3.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_quiet,
        )
        # The lanes keep to the limit; the library would warn from the tenth call on.
        client.pending_calls_threshold = 2 * IN_FLIGHT
        try:
            async with client:
                await client.subscribe([(topic, QOS) for topic in subscribe])
                yield _MqttConnection(client)
        except aiomqtt.MqttError as error:
            raise BusLost(f"broker {self._address}: {error}") from error


def arrivals(most: int) -> type[asyncio.Queue[aiomqtt.Message]]:
    """Return a kind of queue that is also full once its messages have `most` bytes together."""

    class Arrivals(asyncio.Queue[aiomqtt.Message]):
        _bytes = 0

        def full(self) -> bool:
            return self._bytes >= most or super().full()

        def _put(self, item: aiomqtt.Message) -> None:
            self._bytes += len(item.payload)
            super()._put(item)

        def _get(self) -> aiomqtt.Message:
            item = super()._get()
            self._bytes -= len(item.payload)
            return item

    return Arrivals


class _MqttConnection:
    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def publish(self, publication: Publication) -> None:
        try:
            await self._client.publish(publication.topic, publication.payload, qos=QOS)
        except aiomqtt.MqttError as error:
            raise BusLost(f"a message could not be handed over: {error}") from error

    async def messages(self) -> AsyncIterator[Publication]:
        try:
            async for message in self._client.messages:
                payload = message.payload
                if isinstance(payload, bytes | bytearray):
                    yield Publication(message.topic.value, bytes(payload))
        except aiomqtt.MqttError as error:
            raise BusLost(f"the line broke: {error}") from error
