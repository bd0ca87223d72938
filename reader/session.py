"""One connection to the broker: listening, asking, sending the journal, telling the state."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from reader.bus import BusLost, Connection, Publication
from reader.claims import Claims
from reader.database import Unusable
from reader.door import Who
from reader.doorkeeper import Doorkeeper
from reader.identity import Enrolment, Keys
from reader.memory import Memory
from reader.refusals import Refusals
from reader.sync import ANSWER_WITHIN, Outgoing, Sync
from reader.upload import Window
from shared.access.rows import Door, Grant
from shared.wire.envelope import PairwiseKey, seal_signed
from shared.wire.events import EventKind
from shared.wire.messages import MAX_BATCH, Claim, EventBatch, Pulse, State
from shared.wire.topics import DOWN, Leaf, Place, parse, topic

logger = logging.getLogger(__name__)

# Enough to keep the line busy while the controller commits, little enough to send again.
MAX_UNCONFIRMED = 4 * MAX_BATCH
# A batch of the longest entries must stay below what a message may be.
BATCH_BYTES = 200_000
# A journal that cannot be read is tried again after so long.
JOURNAL_RETRY = 60.0
# Somebody else's word in our place is put right, but not in a race.
REPAIR_PAUSE = 1.0
GOODBYE_WITHIN = 1.0
# The pages of a snapshot of a million grants. They wait here, so that what comes after them need
# not: a revocation, a remote opening, a receipt. More are dropped, and asked for later.
MAX_PAGES_WAITING = 500


class Session:
    """From connect to disconnect. Make a new one for every connection."""

    def __init__(
        self,
        enrolment: Enrolment,
        keys: Keys,
        memory: Memory,
        doorkeeper: Doorkeeper,
        refusals: Refusals,
        *,
        claims: Claims,
        software: str,
    ) -> None:
        """Prepare everything that does not need the connection yet."""
        self._reader = enrolment.reader
        self._signing = keys.identity
        self._pairwise = PairwiseKey(keys.identity, enrolment.controller_key, enrolment.reader)
        self._memory = memory
        self._door = doorkeeper
        self._refusals = refusals
        self._claims = claims
        self._connection: Connection | None = None
        self._grown = memory.journal.grown
        self._asked = asyncio.Event()
        self._live_from = memory.journal.next_seq
        self._told = b""
        self._overwritten = asyncio.Event()
        self._plans: asyncio.Queue[tuple[Place, bytes]] = asyncio.Queue(MAX_PAGES_WAITING)
        self._overflowed = False  # pages were dropped
        self._sync = Sync(
            enrolment,
            keys,
            memory,
            say=self._say,
            pulse=self._pulse,
            claimed=claims.answered,
            refused=self._refused,
            changed=self._changed,
            software=software,
        )

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to: everything for this reader, and its own retained state."""
        return tuple(topic(self._reader, leaf) for leaf in (*DOWN, Leaf.STATE))

    @property
    def will(self) -> Publication:
        """What the broker says when this reader is gone without a word."""
        gone = State(reader=self._reader, session=self._sync.session, online=False)
        return self._sealed(Outgoing(Leaf.STATE, gone))

    async def run(self, connection: Connection) -> None:
        """Serve `connection` until it is lost. Raises `BusLost` (in a group)."""
        self._connection = connection
        try:
            with self._claims.line(self._claim):
                await self._serve(connection)
        except asyncio.CancelledError:
            # A broker speaks the will of those who vanish only; this reader takes its leave.
            with suppress(BusLost, TimeoutError):
                async with asyncio.timeout(GOODBYE_WITHIN):
                    await connection.publish(self.will)
            raise

    async def _serve(self, connection: Connection) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(connection))
            tasks.create_task(self._take_plans())
            tasks.create_task(self._ask())
            tasks.create_task(self._send_journal())
            tasks.create_task(self._tell_state())
            tasks.create_task(self._repair_state())

    def ask_again(self) -> None:
        """Something is missing here: say hello soon."""
        self._sync.ask_again()
        self._asked.set()

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.messages():
            place = parse(message.topic)
            if place is None or place.reader != self._reader:
                continue
            if place.leaf is Leaf.STATE:
                self._check_state(message.payload)
            elif place.leaf is Leaf.PLAN:
                self._put_aside(place, message.payload)
            else:
                await self._take(place, message.payload)

    def _put_aside(self, place: Place, payload: bytes) -> None:
        try:
            self._plans.put_nowait((place, payload))
        except asyncio.QueueFull:
            self._overflowed = True

    async def _take_plans(self) -> None:
        while True:
            place, payload = await self._plans.get()
            await self._take(place, payload)
            if self._overflowed and self._plans.empty():
                self._overflowed = False
                self.ask_again()

    async def _take(self, place: Place, payload: bytes) -> None:
        before = self._sync.stored_upto
        await self._sync.take(place, payload)
        if self._sync.stored_upto != before:
            self._grown.set()
        self._asked.set()

    async def _ask(self) -> None:
        """Say hello whenever it is due."""
        while True:
            self._asked.clear()
            await self._sync.tick()
            wait = max(0.0, self._sync.deadline - self._memory.time.uptime())
            try:
                async with asyncio.timeout(wait):
                    await self._asked.wait()
            except TimeoutError:
                pass

    async def _send_journal(self) -> None:
        """Send what is not confirmed, in order; again from there when no receipt comes."""
        while True:
            try:
                await self._send_from(self._memory.journal.kept_from)
            except Unusable as error:
                logger.warning("%s; nothing is sent from it", error)
                await asyncio.sleep(JOURNAL_RETRY)

    async def _send_from(self, first: int) -> None:
        now = asyncio.get_running_loop().time
        window = Window(first - 1, room=MAX_UNCONFIRMED, patience=ANSWER_WITHIN)
        while True:
            self._grown.clear()
            window.confirm(self._sync.stored_upto, now())
            start = window.next(now())
            upto = await self._send_batch(start) if start is not None else None
            if upto is not None:
                window.sent(upto, now())
                continue
            try:
                async with asyncio.timeout_at(window.deadline):
                    await self._grown.wait()
            except TimeoutError:
                pass

    async def _send_batch(self, first: int) -> int | None:
        """Send the entries from number `first` on; return the last sent, None for none."""
        batch = self._memory.journal.batch(first)
        if batch is None:
            return None
        entries, size = [], 0
        for entry in batch.entries:
            size += len(entry) + 4
            if size > BATCH_BYTES:
                break
            entries.append(entry)
        message = EventBatch(
            reader=self._reader,
            journal=self._memory.journal.id,
            kept_from=self._memory.journal.kept_from,
            first=batch.first,
            previous=batch.previous,
            live_from=self._live_from,
            entries=tuple(entries),
        )
        await self._say(Outgoing(Leaf.EVENT, message))
        return batch.first + len(entries) - 1

    async def _tell_state(self) -> None:
        """Publish the retained state now and whenever something of it changes."""
        while True:
            self._door.changed.clear()
            await self._publish_state()
            await self._door.changed.wait()

    async def _repair_state(self) -> None:
        """Publish the retained state again where somebody (an old session's will) spoke last."""
        while True:
            await self._overwritten.wait()
            await asyncio.sleep(REPAIR_PAUSE)
            self._overwritten.clear()
            self._told = b""
            await self._publish_state()

    async def _publish_state(self) -> None:
        publication = self._sealed(Outgoing(Leaf.STATE, self._state()))
        if publication.payload != self._told:
            self._told = publication.payload
            await self._publish(publication)

    def _check_state(self, payload: bytes) -> None:
        if self._told and payload != self._told:
            self._overwritten.set()

    def _changed(self) -> None:
        """Plan, deny set or lease are others than before."""
        self._door.settle()
        self._door.changed.set()

    def _state(self) -> State:
        return State(
            reader=self._reader,
            session=self._sync.session,
            online=True,
            mode=self._door.mode.name.lower(),
            contact="open" if self._door.open else "closed",
            health=self._memory.health.value,
        )

    async def _pulse(self, pulse: Pulse) -> None:
        """Open for an operator, if the door's mode lets it, and say what came of it."""
        door = self._door.view().door
        who = Who(operator=pulse.operator)
        released = self._door.grant(_seconds(door), who, overrides=pulse.override)
        detail = "released" if released else f"not released: {self._door.mode.name.lower()}"
        event = self._door.event(EventKind.REMOTE, who, command=pulse.id, detail=detail)
        await self._door.record([event])

    async def _claim(self, claim: bytes, grant: Grant) -> None:
        """Ask the controller for one use of `grant`."""
        journal = self._memory.journal
        message = Claim(
            reader=self._reader,
            id=claim,
            session=self._sync.session,
            credential=grant.credential,
            plan=grant.plan,
            journal=journal.id,
            next_seq=journal.next_seq,
        )
        await self._say(Outgoing(Leaf.CLAIM, message))

    async def _refused(self, what: str) -> None:
        if self._refusals.worth_recording(self._memory.time.uptime()):
            logger.warning("refused: %s", what)
            event = self._door.event(EventKind.MESSAGE_REFUSED, detail=what[:200])
            await self._door.record([event])

    async def _say(self, outgoing: Outgoing) -> None:
        await self._publish(self._sealed(outgoing))

    async def _publish(self, publication: Publication) -> None:
        if self._connection is not None:
            await self._connection.publish(publication)

    def _sealed(self, outgoing: Outgoing) -> Publication:
        leaf = outgoing.leaf
        if leaf is Leaf.EVENT:
            payload = seal_signed(outgoing.message, self._signing, leaf)
        else:
            payload = self._pairwise.seal(outgoing.message, leaf)
        return Publication(topic(self._reader, leaf), payload, retain=leaf is Leaf.STATE)


def _seconds(door: Door | None) -> int:
    return door.release if door is not None else 5
