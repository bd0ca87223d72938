"""The controller, played by tests: real keys and envelopes, an office's plan, stored events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from reader.bus import Publication
from shared.credential.p256 import PrivateKey
from shared.wire.envelope import PairwiseKey, open_signed, seal_signed
from shared.wire.events import GENESIS, Event, chain, decode_event
from shared.wire.messages import (
    Ack,
    Claim,
    Claimed,
    EventBatch,
    EventReceipt,
    Hello,
    Lease,
    Message,
    Pulse,
    State,
    Verdict,
)
from shared.wire.topics import Leaf, parse, topic
from tests.reader.bus import Broker
from tests.reader.clocks import NOW
from tests.reader.keys import CONTROLLER_KEY, KEYS, PLAN_KEY, READER
from tests.reader.office import Office

T = TypeVar("T", bound=Message)

SPOKEN: dict[Leaf, type[Hello | Ack | Claim | State]] = {
    Leaf.HELLO: Hello,
    Leaf.ACK: Ack,
    Leaf.CLAIM: Claim,
    Leaf.STATE: State,
}


class Controller:
    """Answers one reader. Every habit can be switched off."""

    def __init__(self, broker: Broker, office: Office) -> None:
        self.office = office
        self.answers = True
        self.receipts = True
        self.pages = 1  # so many to a plan
        self.heard: list[tuple[float, Message]] = []
        self.stored: list[bytes] = []
        self.uses: dict[int, int] = {}  # that are left, by credential; others are not answered
        self.live_from = 0  # of the last batch
        self.clone_alarm = False
        self._broker = broker
        self._asked = asyncio.Event()
        self._pairwise = PairwiseKey(CONTROLLER_KEY, KEYS.identity.public, READER)
        broker.controller = self._hear

    async def asked(self) -> Hello:
        """Wait for the reader's next hello."""
        self._asked.clear()
        await self._asked.wait()
        return self.last(Hello)

    def all(self, kind: type[T]) -> list[T]:
        """Every message of a kind, in order."""
        return [message for _, message in self.heard if isinstance(message, kind)]

    def last(self, kind: type[T]) -> T:
        return self.all(kind)[-1]

    def when(self, kind: type[Message]) -> list[float]:
        """At what times messages of a kind came."""
        return [at for at, message in self.heard if isinstance(message, kind)]

    def events(self, *kinds: str) -> list[Event]:
        """The events that are stored, in order; of these kinds, or all."""
        entries = [decode_event(entry) for entry in self.stored]
        return [entry for entry in entries if not kinds or entry.kind.value in kinds]

    def complaints(self) -> list[str]:
        """What the reader refused."""
        return [event.detail or "" for event in self.events("message_refused")]

    def say(self, message: Message, leaf: Leaf = Leaf.PLAN, key: PrivateKey = PLAN_KEY) -> bytes:
        """Sign `message` and send it to the reader."""
        payload = seal_signed(message, key, leaf)
        self._broker.send(topic(READER, leaf), payload)
        return payload

    def say_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.say(message)

    def receipt(self, upto: int, journal: bytes | None = None) -> None:
        journal = journal or self.last(Hello).journal
        message = EventReceipt(reader=READER, journal=journal, upto=upto)
        payload = self._pairwise.seal(message, Leaf.CMD)
        self._broker.send(topic(READER, Leaf.CMD), payload)

    def claimed(self, claim: bytes, verdict: Verdict) -> None:
        message = Claimed(reader=READER, id=claim, verdict=verdict)
        payload = self._pairwise.seal(message, Leaf.CLAIMED)
        self._broker.send(topic(READER, Leaf.CLAIMED), payload)

    def pulse(self, number: int = 1, **more: object) -> Pulse:
        """A remote opening for the session that is on."""
        values = {
            "reader": READER,
            "id": number.to_bytes(16, "big"),
            "session": self.last(Hello).session,
            "operator": 7,
            "issued_at": int(self.now() * 1000),
            **more,
        }
        return Pulse(**values)  # type: ignore[arg-type]  # the names are those of Pulse

    def push(self) -> None:
        """Send what the office has and the reader has not acknowledged."""
        ack = self.last(Ack)
        if ack.plan is not None and ack.plan.version < self.office.version:
            self.say_all(self.office.delta(ack.plan.version, pages=self.pages))
        if ack.deny_counter < self.office.deny_counter:
            self.say(self.office.deny_update(ack.deny_counter), Leaf.DENY)

    def answer(self, hello: Hello) -> None:
        """Send what the reader lacks, then the lease."""
        if hello.deny_counter < self.office.deny_counter:
            self.say(self.office.deny_update(hello.deny_counter), Leaf.DENY)
        plan, known = hello.plan, self.office.plans
        if plan is None or plan.version not in known or plan != self.office.state_of(plan.version):
            self.say_all(self.office.snapshot(pages=self.pages))
        elif plan != self.office.state:
            self.say_all(self.office.delta(plan.version, pages=self.pages))
        self.say(self.lease(hello))

    def lease(self, hello: Hello) -> Lease:
        return self.office.lease(hello.nonce, self.now())

    @staticmethod
    def now() -> float:
        """The controller's time, which is right."""
        return NOW + asyncio.get_running_loop().time()

    def _hear(self, publication: Publication) -> None:
        place = parse(publication.topic)
        assert place is not None
        if place.leaf is Leaf.EVENT:
            message: Message = open_signed(
                publication.payload, KEYS.identity.public, place, EventBatch
            )
        else:
            message = self._pairwise.open(publication.payload, place, SPOKEN[place.leaf])
        self.heard.append((asyncio.get_running_loop().time(), message))
        match message:
            case Hello():
                self._asked.set()
                if self.answers:
                    self.answer(message)
            case EventBatch():
                self._store(message)
            case Claim(id=claim, credential=number) if number in self.uses:
                left = self.uses[number] > 0
                self.uses[number] -= left
                self.claimed(claim, Verdict.RESERVED if left else Verdict.USED_UP)
            case _:
                pass

    def _store(self, batch: EventBatch) -> None:
        """Store what is new, if it continues what is there; acknowledge cumulatively."""
        self.live_from = batch.live_from
        if batch.first > len(self.stored) + 1:
            return  # something before it was lost; the reader sends it again
        head = GENESIS
        for entry in self.stored[: batch.first - 1]:
            head = chain(head, entry)
        known = self.stored[batch.first - 1 :][: len(batch.entries)]
        if head != batch.previous or known != list(batch.entries[: len(known)]):
            self.clone_alarm = True
            return
        self.stored.extend(batch.entries[len(known) :])
        if self.receipts:
            self.receipt(len(self.stored), batch.journal)
