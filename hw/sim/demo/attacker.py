"""Somebody who sits on the broker: hears every plan message, and says things to the readers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiomqtt

from hw.sim.demo.broker import NoBroker
from shared.credential.p256 import PublicKey
from shared.wire.envelope import Forged, Malformed, open_signed
from shared.wire.messages import Lease, PlanPage
from shared.wire.topics import Leaf, Place, every, parse, topic

# The client library prints tracebacks when the broker goes; here it goes on purpose.
_quiet = logging.getLogger("hw.sim.demo.mqtt")
_quiet.setLevel(logging.CRITICAL)
_RETRY_SECONDS = 0.1
_CONNECT_SECONDS = 5.0
_PATIENCE = 15.0


class Attacker:
    """Knows nothing secret. Use `overhearing` around whatever shall be recorded."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard: dict[str, list[bytes]] = {}
        self._said: set[bytes] = set()
        self._news = asyncio.Condition()
        self._listening = asyncio.Event()

    @contextlib.asynccontextmanager
    async def overhearing(self) -> AsyncIterator[None]:
        """Listen until the block ends; when the broker is lost, come back as soon as it does."""
        task = asyncio.get_running_loop().create_task(self._overhear())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ready(self) -> None:
        """Wait until it listens. Raises `NoBroker` if the broker does not let it."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._listening.wait()
        except TimeoutError:
            raise NoBroker(
                f"the broker on port {self._port} takes connections and says nothing for "
                f"{_PATIENCE:.0f} s; look at its log"
            ) from None

    def heard(self, reader: str) -> list[bytes]:
        """The plan messages for `reader` so far, without its own."""
        return self._heard.get(reader, [])

    async def next_page(self, reader: str, key: PublicKey, *, patience: float) -> PlanPage:
        """The first page of a plan in several pages, from now on. Raises `TimeoutError`."""
        known = len(self.heard(reader))
        async with asyncio.timeout(patience), self._news:
            while True:
                for data in self.heard(reader)[known:]:
                    known += 1
                    page = page_of(data, reader, key)
                    if page is not None and page.pages > 1:
                        return page
                await self._news.wait()

    async def say(self, reader: str, *messages: bytes) -> None:
        """Publish plan messages to `reader`, one after the other."""
        async with self._connection() as client:
            for message in messages:
                self._said.add(message)
                await client.publish(topic(reader, Leaf.PLAN), message, qos=1)

    async def _overhear(self) -> None:
        while True:
            try:
                async with self._connection() as client:
                    await client.subscribe(every(Leaf.PLAN), qos=1)
                    self._listening.set()
                    async for message in client.messages:
                        await self._take(message)
            except aiomqtt.MqttError:
                self._listening.clear()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _take(self, message: aiomqtt.Message) -> None:
        place = parse(message.topic.value)
        payload = bytes(message.payload or b"")
        # Some brokers give a new client what it has not asked for.
        if place is None or place.leaf is not Leaf.PLAN or payload in self._said:
            return
        async with self._news:
            self._heard.setdefault(place.reader, []).append(payload)
            self._news.notify_all()

    def _connection(self) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self._port, timeout=_CONNECT_SECONDS, logger=_quiet)


def page_of(data: bytes, reader: str, key: PublicKey) -> PlanPage | None:
    """The plan page that a recorded message is, if it is one and `key` has signed it."""
    place = Place(reader, Leaf.PLAN)
    try:
        message = open_signed(data, key, place, PlanPage, Lease)
    except (Malformed, Forged):
        return None
    return message if isinstance(message, PlanPage) else None
