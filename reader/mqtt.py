"""The uplink's bus over a real broker, by aiomqtt. Any MQTT 3.1.1 broker with QoS 1 will do."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiomqtt

from reader.bus import BusLost, Connection, Publication
from reader.config import Broker
from shared.wire.envelope import MAX_ENVELOPE

logger = logging.getLogger(__name__)

# The client library warns and prints tracebacks when a broker goes; that is ours to report.
_quiet = logging.getLogger("reader.mqtt.client")
_quiet.setLevel(logging.CRITICAL)

QOS = 1
KEEPALIVE = 20
CONNECT_TIMEOUT = 5.0
# Above 20 the client library gets slower, not faster.
IN_FLIGHT = 20
# A full incoming queue discards; a snapshot of a million grants has some 400 pages.
MAX_QUEUED = 500


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """What has arrived. A hostile broker must not fill the memory with what nobody would read."""

    def put_nowait(self, message: aiomqtt.Message) -> None:
        payload: Any = message.payload
        if len(payload or b"") <= MAX_ENVELOPE:
            super().put_nowait(message)
        else:
            logger.debug("%d bytes are no message", len(payload))


class MqttBus:
    """A broker at `address`, seen under one client id."""

    def __init__(self, address: Broker, client_id: str) -> None:
        """Remember where; nothing is opened yet."""
        self._address = address
        self._client_id = client_id

    @asynccontextmanager
    async def connect(
        self, subscribe: tuple[str, ...], will: Publication
    ) -> AsyncIterator[Connection]:
        """See `reader.bus.Bus.connect`."""
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            identifier=self._client_id,
            clean_session=True,  # nothing relies on what a broker queued
            keepalive=KEEPALIVE,
            timeout=CONNECT_TIMEOUT,
            max_inflight_messages=IN_FLIGHT,
            queue_type=_Inbox,
            max_queued_incoming_messages=MAX_QUEUED,
            will=aiomqtt.Will(will.topic, will.payload, QOS, will.retain),
            # Without it every small publish waits for Nagle: 20 ms instead of 0.3.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_quiet,
        )
        where = f"broker {self._address.host}:{self._address.port}"
        with _as_bus_lost(where):
            async with client:
                await client.subscribe([(topic, QOS) for topic in subscribe])
                yield _MqttConnection(client, where)


class _MqttConnection:
    def __init__(self, client: aiomqtt.Client, where: str) -> None:
        self._client = client
        self._where = where

    async def publish(self, publication: Publication) -> None:
        with _as_bus_lost(self._where):
            await self._client.publish(
                publication.topic, publication.payload, qos=QOS, retain=publication.retain
            )

    async def messages(self) -> AsyncIterator[Publication]:
        with _as_bus_lost(self._where):
            async for message in self._client.messages:
                payload: Any = message.payload
                yield Publication(message.topic.value, bytes(payload or b""), message.retain)
        raise BusLost(f"{self._where}: the connection has ended")


@contextmanager
def _as_bus_lost(where: str) -> Iterator[None]:
    """Raise what the client library raises as `BusLost`."""
    try:
        yield
    except aiomqtt.MqttError as error:
        raise BusLost(f"{where}: {error}") from error
