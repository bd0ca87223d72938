"""A broker in memory: `reader.bus.Bus` for the reader, two plain methods for the controller.

It does what a broker does (retained messages, last wills, echoes to whoever subscribed), and from
a seed what brokers do on bad days: drop, repeat, delay, and cut the line.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from reader.bus import BusLost, Connection, Publication


@dataclass(frozen=True)
class Weather:
    """How bad a day it is: chances between 0 and 1, delays in seconds."""

    drop: float = 0.0
    repeat: float = 0.0
    delay: float = 0.0


FAIR = Weather()


class Broker:
    """Carries messages between one reader and its controller, in order where there is no delay."""

    def __init__(self, *, seed: int = 1) -> None:
        self.weather = FAIR
        self.up = True
        self.retained: dict[str, bytes] = {}
        self.connects = 0
        self.log: list[Publication] = []  # what the reader published
        self.controller: Callable[[Publication], None] = lambda _: None
        self._chance = random.Random(seed)
        self._clients: set[_Client] = set()

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """The controller (or somebody who claims to be) publishes."""
        self._carry(Publication(topic, payload, retain), self._to_readers)

    def cut(self) -> None:
        """Every line breaks; the broker speaks the wills."""
        for client in list(self._clients):
            client.lose()
            self._will(client)

    @asynccontextmanager
    async def connect(
        self, subscribe: tuple[str, ...], will: Publication
    ) -> AsyncIterator[Connection]:
        """See `reader.bus.Bus.connect`."""
        if not self.up:
            raise BusLost("broker: not there")
        self.connects += 1
        client = _Client(self, subscribe, will)
        self._clients.add(client)
        for topic in subscribe:
            if topic in self.retained:
                client.deliver(Publication(topic, self.retained[topic], retain=True))
        try:
            yield client
        finally:
            self._clients.discard(client)

    def publish(self, publication: Publication) -> None:
        """A reader publishes."""
        self.log.append(publication)
        self._carry(publication, self._from_reader)

    def _from_reader(self, publication: Publication) -> None:
        self._to_readers(publication)
        self.controller(publication)

    def _to_readers(self, publication: Publication) -> None:
        if publication.retain:
            self.retained[publication.topic] = publication.payload
        for client in self._clients:
            if publication.topic in client.subscribed:
                client.deliver(Publication(publication.topic, publication.payload))

    def _will(self, client: _Client) -> None:
        self._clients.discard(client)
        self._from_reader(client.will)

    def _carry(self, publication: Publication, to: Callable[[Publication], None]) -> None:
        weather = self.weather
        times = 1 + (self._chance.random() < weather.repeat)
        for _ in range(times):
            if self._chance.random() < weather.drop:
                continue
            wait = self._chance.random() * weather.delay
            loop = asyncio.get_running_loop()
            if wait:
                loop.call_later(wait, to, publication)
            else:
                loop.call_soon(to, publication)


class _Client:
    """One connection."""

    def __init__(self, broker: Broker, subscribed: tuple[str, ...], will: Publication) -> None:
        self.subscribed = subscribed
        self.will = will
        self._broker = broker
        self._inbox: asyncio.Queue[Publication | None] = asyncio.Queue()
        self._lost = False

    def deliver(self, publication: Publication) -> None:
        self._inbox.put_nowait(publication)

    def lose(self) -> None:
        self._lost = True
        self._inbox.put_nowait(None)

    async def publish(self, publication: Publication) -> None:
        await asyncio.sleep(0)
        if self._lost:
            raise BusLost("broker: the line is cut")
        self._broker.publish(publication)

    async def messages(self) -> AsyncIterator[Publication]:
        while (publication := await self._inbox.get()) is not None:
            yield publication
        raise BusLost("broker: the line is cut")
