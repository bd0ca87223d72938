"""A broker in memory, and the faults of a bad line: for tests, and for everything in one process.

Delivers to every subscriber at once, keeps retained messages, and forgets whoever is not there.
With faults it loses, repeats and reorders messages as a seeded generator says, which is more than
MQTT allows and as much as reconnecting brokers do.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from controller.sync.bus import BusLost, Connection, Publication


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of messages that are lost, sent twice, or overtaken by the next."""

    lost: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0


@dataclass(slots=True)
class MemoryBroker:
    """Topics of `keep` (by their last level) are retained; while `down`, nobody connects."""

    generator: random.Random = field(default_factory=random.SystemRandom)
    faults: Faults = Faults()
    keep: tuple[str, ...] = ("state",)
    down: bool = False
    published: int = 0
    _clients: list[_Client] = field(default_factory=list)
    _retained: dict[str, bytes] = field(default_factory=dict)

    @asynccontextmanager
    async def connect(self, subscribe: tuple[str, ...]) -> AsyncIterator[Connection]:
        """See `controller.sync.bus.Bus.connect`."""
        if self.down:
            raise BusLost("the broker in memory is down")
        client = _Client(self, tuple(filter_.split("/") for filter_ in subscribe))
        self._clients.append(client)
        for topic, payload in self._retained.items():
            if client.wants(topic):
                client.deliver(Publication(topic, payload))
        try:
            yield client
        finally:
            client.end()
            if client in self._clients:
                self._clients.remove(client)

    def drop(self) -> None:
        """Break every connection there is."""
        clients, self._clients = self._clients, []
        for client in clients:
            client.end()

    def send(self, publication: Publication) -> None:
        """Pass `publication` on, or do what the faults say."""
        self.published += 1
        if publication.topic.rpartition("/")[2] in self.keep:
            self._retained[publication.topic] = publication.payload
        for client in self._clients:
            if not client.wants(publication.topic):
                continue
            if self._happens(self.faults.lost):
                continue
            for _ in range(2 if self._happens(self.faults.repeated) else 1):
                client.deliver(publication, late=self._happens(self.faults.reordered))

    def _happens(self, share: float) -> bool:
        return share > 0 and self.generator.random() < share


class _Client:
    """One connection to the broker."""

    def __init__(self, broker: MemoryBroker, filters: tuple[list[str], ...]) -> None:
        self._broker = broker
        self._filters = filters
        self._arrived: asyncio.Queue[Publication | None] = asyncio.Queue()
        self._held_back: Publication | None = None
        self._ended = False

    def wants(self, topic: str) -> bool:
        levels = topic.split("/")
        return any(_matches(filter_, levels) for filter_ in self._filters)

    def deliver(self, publication: Publication, *, late: bool = False) -> None:
        if late and self._held_back is None:
            self._held_back = publication
            return
        self._arrived.put_nowait(publication)
        if self._held_back is not None:
            self._arrived.put_nowait(self._held_back)
            self._held_back = None

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._arrived.put_nowait(None)

    async def publish(self, publication: Publication) -> None:
        if self._ended:
            raise BusLost("the broker in memory is gone")
        self._broker.send(publication)
        await asyncio.sleep(0)

    async def messages(self) -> AsyncIterator[Publication]:
        while (publication := await self._arrived.get()) is not None:
            yield publication
            await asyncio.sleep(0)  # a full queue must not keep everybody else waiting
        raise BusLost("the broker in memory is gone")


def _matches(filter_: list[str], levels: list[str]) -> bool:
    return len(filter_) == len(levels) and all(
        wanted in ("+", level) for wanted, level in zip(filter_, levels, strict=True)
    )
