"""A crowd of light readers: enough of each to keep the controller as busy as a real one does.

They hold keys and a place in plan, deny set and journal, seal what they say, and believe what they
hear without a look at signature or rows: what a reader's own processor does is not measured here.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import cbor2

from reader.enrol import enrol
from reader.identity import Enrolment, Keys, new_private_key
from reader.session import MAX_UNCONFIRMED
from reader.sync import ANSWER_WITHIN
from reader.upload import Window
from shared.wire.envelope import PairwiseKey, seal_signed
from shared.wire.events import GENESIS, chain
from shared.wire.messages import (
    Ack,
    CacheHealth,
    DenyUpdate,
    EventBatch,
    EventReceipt,
    Hello,
    Lease,
    Message,
    PlanPage,
    PlanState,
    Pulse,
    decode,
)
from shared.wire.topics import DOWN, Leaf, topic
from tests.bench.bare_mqtt import BareClient, bare_client
from tests.bench.report import Progress
from tests.bench.servers import Servers

SOFTWARE = "doorward bench"
JOURNAL = b"journal1"
ASK_AGAIN = 1.0


class Sealed(NamedTuple):
    """Entries `first` to `upto` of a journal, as they travel."""

    first: int
    upto: int
    payload: bytes


class LightReader:
    """One reader, as the controller sees it."""

    def __init__(self, enrolment: Enrolment, keys: Keys) -> None:
        self.id = enrolment.reader
        self.leased = asyncio.Event()
        self._stored_upto = 0
        self._moved = asyncio.Event()
        self._keys = keys
        self._pairwise = PairwiseKey(keys.identity, enrolment.controller_key, enrolment.reader)
        self._client: BareClient | None = None
        self._session = secrets.token_bytes(16)
        self._plan: PlanState | None = None
        self._deny_counter = 0
        self._head = GENESIS
        self._next_seq = 1

    async def connect(self, stack: contextlib.AsyncExitStack, servers: Servers) -> None:
        """Connect, and ask for what is missing."""
        client = bare_client(servers.broker, f"crowd-{self.id}", self._took)
        self._client = await stack.enter_async_context(client)
        await self._client.subscribe(*(topic(self.id, leaf) for leaf in DOWN))
        self.hello()

    def write(self, bodies: Sequence[bytes], *, live: bool) -> Sealed:
        """Write the next entries of the journal, `bodies`; return them as they travel."""
        first, previous = self._next_seq, self._head
        for body in bodies:
            self._head = chain(self._head, body)
        self._next_seq += len(bodies)
        batch = EventBatch(
            reader=self.id,
            journal=JOURNAL,
            kept_from=1,
            first=first,
            previous=previous,
            live_from=first if live else first + len(bodies),
            entries=tuple(bodies),
        )
        payload = seal_signed(batch, self._keys.identity, Leaf.EVENT)
        return Sealed(first, self._next_seq - 1, payload)

    async def upload(self, batches: Sequence[Sealed]) -> None:
        """Send `batches` as a real reader does; return once all of them are stored."""
        now = asyncio.get_running_loop().time
        by_number = {batch.first: batch for batch in batches}
        window = Window(batches[0].first - 1, room=MAX_UNCONFIRMED, patience=ANSWER_WITHIN)
        while self._stored_upto < batches[-1].upto:
            self._moved.clear()
            window.confirm(self._stored_upto, now())
            start = window.next(now())
            if start in by_number:
                self._publish(Leaf.EVENT, by_number[start].payload)
                window.sent(by_number[start].upto, now())
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(window.deadline):
                    await self._moved.wait()

    def _publish(self, leaf: Leaf, payload: bytes) -> None:
        if self._client is not None:
            self._client.publish(topic(self.id, leaf), payload)

    def _took(self, where: str, payload: bytes) -> None:
        leaf = Leaf(where.rpartition("/")[2])
        match self._open(leaf, payload):
            case PlanPage(page=page, pages=pages, after=after) if page == pages - 1:
                self._plan = after
                self._say(self._ack(), Leaf.ACK)
            case DenyUpdate(counter=counter):
                self._deny_counter = max(self._deny_counter, counter)
                self._say(self._ack(), Leaf.ACK)
            case Lease():
                self.leased.set()
            case EventReceipt(upto=upto):
                self._stored_upto = max(self._stored_upto, upto)
                self._moved.set()
            case _:
                pass
        if not self.leased.is_set() and self._plan is not None and leaf is not Leaf.CMD:
            self.hello()

    def _open(self, leaf: Leaf, payload: bytes) -> Message:
        content = cbor2.loads(payload).value[2]
        return decode(content, PlanPage, Lease, DenyUpdate, Pulse, EventReceipt)

    def hello(self) -> None:
        """Ask for what is missing."""
        hello = Hello(
            reader=self.id,
            session=self._session,
            nonce=secrets.token_bytes(16),
            plan=self._plan,
            health=CacheHealth.EMPTY if self._plan is None else CacheHealth.GOOD,
            deny_counter=self._deny_counter,
            journal=JOURNAL,
            next_seq=self._next_seq,
            software=SOFTWARE,
        )
        self._say(hello, Leaf.HELLO)

    def _ack(self) -> Ack:
        return Ack(
            reader=self.id,
            session=self._session,
            plan=self._plan,
            deny_counter=self._deny_counter,
        )

    def _say(self, message: Message, leaf: Leaf) -> None:
        self._publish(leaf, self._pairwise.seal(message, leaf))


@contextlib.asynccontextmanager
async def crowd(
    servers: Servers, count: int, progress: Progress
) -> AsyncIterator[list[LightReader]]:
    """Yield `count` readers that are enrolled and connected, have their plans, and a lease."""
    readers = []
    async with contextlib.AsyncExitStack() as stack:
        for number in range(count):
            readers.append(await _enrol(servers, number))
            await readers[-1].connect(stack, servers)
            progress(number + 1, count)
        await _until_leased(readers)
        yield readers


async def _until_leased(readers: list[LightReader]) -> None:
    """Wait, and ask again now and then: a first hello may come before it is known who enrolled."""
    while waiting := [reader for reader in readers if not reader.leased.is_set()]:
        for reader in waiting:
            reader.hello()
        await asyncio.sleep(ASK_AGAIN)


async def _enrol(servers: Servers, number: int) -> LightReader:
    door = await servers.post("/doors", {"name": f"Door {number:04}"})
    reader = await servers.post("/readers", {"door_id": door["id"], "name": f"Reader {number:04}"})
    keys = Keys(new_private_key(), new_private_key())
    token = reader["enrolment"]["token"]
    enrolment = await asyncio.to_thread(enrol, servers.controller, token, keys, SOFTWARE)
    return LightReader(enrolment, keys)
