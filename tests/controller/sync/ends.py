"""A model reader on a bus: seals and opens what it says and hears, and keeps its hellos going."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from controller.sync.bus import Bus, BusLost, Connection, Publication
from shared.wire.envelope import is_signed, open_signed
from shared.wire.messages import (
    Ack,
    Claim,
    Claimed,
    DenyUpdate,
    EventReceipt,
    Hello,
    Lease,
    Message,
    PlanPage,
    Pulse,
    State,
)
from shared.wire.topics import DOWN, Leaf, parse, topic
from tests.controller.building import CONTROLLER, ReaderKeys
from tests.controller.sync.model_reader import ModelReader

_LEAF: dict[type[Message], Leaf] = {
    Hello: Leaf.HELLO,
    Ack: Leaf.ACK,
    Claim: Leaf.CLAIM,
    State: Leaf.STATE,
}


class ReaderEnd:
    """Connects `model` to `bus`, again and again, each time after `pause` seconds."""

    def __init__(
        self, model: ModelReader, keys: ReaderKeys, bus: Bus, *, pause: float = 0.4
    ) -> None:
        self.model = model
        self.pause = pause
        self._bus = bus
        self._pairwise = keys.pairwise(model.reader)
        self._moved = asyncio.Event()
        self._asked = asyncio.Event()
        self._connection: Connection | None = None
        self.deaf = False  # hears, but neither applies nor answers

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            session = asyncio.create_task(self._session())
            try:
                await asyncio.wait([session])
            finally:
                session.cancel()
                await asyncio.wait([session])
                self._connection = None
            try:
                session.result()
            except* BusLost:
                pass
            await asyncio.sleep(self.pause)

    async def until(self, holds: Callable[[ModelReader], bool], seconds: float = 10.0) -> None:
        """Return once `holds` is true of the model."""
        async with asyncio.timeout(seconds):
            while not holds(self.model):
                self._moved.clear()
                await self._moved.wait()

    async def say(self, message: Message) -> None:
        """Publish `message`, if there is a connection."""
        leaf = _LEAF[type(message)]
        await self.publish(leaf, self._pairwise.seal(message, leaf))

    async def publish(self, leaf: Leaf, payload: bytes) -> None:
        """Publish `payload` as it is, if there is a connection."""
        if self._connection is not None:
            await self._connection.publish(Publication(topic(self.model.reader, leaf), payload))

    async def _session(self) -> None:
        topics = tuple(topic(self.model.reader, leaf) for leaf in DOWN)
        async with self._bus.connect(topics) as connection:
            self._connection = connection
            first = self.model.connect(time.monotonic())
            await self.say(State(reader=self.model.reader, session=self.model.session, online=True))
            for message in first:
                await self.say(message)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(connection))
                tasks.create_task(self._ask())

    async def _listen(self, connection: Connection) -> None:
        async for publication in connection.messages():
            if self.deaf:
                continue
            for answer in self.model.take(self._open(publication), time.monotonic()):
                await self.say(answer)
            self._moved.set()
            self._asked.set()

    async def _ask(self) -> None:
        while True:
            self._asked.clear()
            for message in self.model.tick(time.monotonic()):
                await self.say(message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self.model.hello_due - time.monotonic())):
                    await self._asked.wait()

    def _open(self, publication: Publication) -> Message:
        place = parse(publication.topic)
        assert place is not None
        signer, payload = CONTROLLER.signing.public, publication.payload
        match place.leaf:
            case Leaf.PLAN:
                return open_signed(payload, signer, place, PlanPage, Lease)
            case Leaf.DENY:
                return open_signed(payload, signer, place, DenyUpdate)
            case Leaf.CLAIMED:
                return self._pairwise.open(payload, place, Claimed)
            case _ if is_signed(payload):
                return open_signed(payload, signer, place, Pulse)
            case _:
                return self._pairwise.open(payload, place, EventReceipt)
