"""Sync and ingest as one service: connect, stay in step, come back after every loss."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from controller.identity.keys import ControllerKeys
from controller.ingest.store import Outcome
from controller.ingest.writer import EventWriter
from controller.store.database import Database
from controller.store.uninterrupted import uninterrupted
from controller.sync.admissions import Admissions
from controller.sync.bus import Bus, BusLost, Connection, Publication
from controller.sync.claims import Claims
from controller.sync.housekeeping import Housekeeping
from controller.sync.inbox import SUBSCRIPTIONS, Inbox
from controller.sync.lanes import Lanes, Urgency
from controller.sync.publisher import Publisher
from controller.sync.recorder import Recorder
from controller.sync.roster import Roster
from controller.sync.wallet_keys import WalletKeys
from shared.wire.messages import EventReceipt
from shared.wire.topics import Leaf, topic

logger = logging.getLogger(__name__)

RECONNECT_FIRST, RECONNECT_MAX = 0.25, 15.0
# A connection that ends sooner was none: two controllers may be turning each other out.
LASTING = 5.0
_random = random.SystemRandom()


class SyncService:
    """Everything between the database and the broker. `run` once per process."""

    def __init__(
        self,
        database: Database,
        keys: ControllerKeys,
        bus: Bus,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = _random.random,
    ) -> None:
        self._database = database
        self._bus = bus
        self._monotonic = monotonic
        self._jitter = jitter
        self.roster = Roster(keys.agreement, jitter)
        self.lanes = Lanes()
        self.recorder = Recorder(database)
        self.publisher = Publisher(
            database,
            keys.signing,
            self.roster,
            self.lanes,
            self.recorder,
            monotonic=monotonic,
        )
        self.writer = EventWriter(database, self)
        self.claims = Claims(self.publisher.post)
        self.wallet_keys = WalletKeys(database)
        self.inbox = Inbox(
            self.publisher.post, self.writer, self.claims, self.wallet_keys, monotonic
        )
        self.admissions = Admissions(self.publisher.post)

    @property
    def connected(self) -> bool:
        """Whether there is a broker."""
        return self.lanes.open

    async def run(self) -> None:
        """Serve until cancelled."""
        await self.publisher.look()
        await self.recorder.nobody()
        await uninterrupted(self.admissions.begin())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_on_rings())
            tasks.create_task(self._stay_connected())
            tasks.create_task(self.publisher.run())
            tasks.create_task(self.recorder.run())
            tasks.create_task(self.writer.run())
            tasks.create_task(self.admissions.run())
            tasks.create_task(self.claims.run())
            tasks.create_task(self.wallet_keys.run())
            tasks.create_task(Housekeeping(self._database).run())

    async def stored(self, outcome: Outcome) -> None:
        """Tell readers what is stored for good, and operators what came of their requests."""
        for receipt in outcome.receipts:
            self._send_receipt(receipt)
        answers = [(stored.reader, stored.event) for stored in outcome.events]
        await uninterrupted(self.admissions.answered(answers))

    def _send_receipt(self, receipt: EventReceipt) -> None:
        member = self.roster.get(receipt.reader)
        if member is None or not self.lanes.open:
            return  # The reader will send what it has no receipt for, and then get one.
        pairwise = member.pairwise

        async def job(connection: Connection) -> None:
            payload = pairwise.seal(receipt, Leaf.CMD)
            await connection.publish(Publication(topic(receipt.reader, Leaf.CMD), payload))

        self.lanes.urgent.submit(job, Urgency.RECEIPT)

    async def _pass_on_rings(self) -> None:
        while True:
            await self._database.committed.wait()
            self.publisher.ring()
            self.admissions.ring()

    async def _stay_connected(self) -> None:
        wait = RECONNECT_FIRST
        while True:
            began = self._monotonic()
            # A task of its own: a group that fails while it is cancelled tells of the failure
            # alone, and a cancellation that is not told of would make this loop go on for ever.
            line = asyncio.create_task(self._line(warn=wait == RECONNECT_FIRST))
            try:
                await asyncio.wait([line])
            finally:
                line.cancel()
                await asyncio.wait([line])
                connected = self.lanes.open
                self.publisher.reset()
            line.result()
            if connected:
                await self.recorder.nobody()
            if self._monotonic() - began >= LASTING:
                wait = RECONNECT_FIRST
            await asyncio.sleep(wait * (0.5 + self._jitter()))
            wait = min(wait * 2, RECONNECT_MAX)

    async def _line(self, *, warn: bool) -> None:
        """Connect, and serve until the connection is lost."""
        try:
            async with self._bus.connect(SUBSCRIPTIONS) as connection:
                logger.info("connected to the broker")
                await self._serve(connection)
        except* BusLost as lost:
            if warn:
                logger.warning("%s; trying again; readers go on by their last plan", _first(lost))

    async def _serve(self, connection: Connection) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.lanes.run(connection))
            tasks.create_task(self.inbox.listen(connection))
            self.lanes.open = True
            self.publisher.resume()


def _first(lost: BaseExceptionGroup[BusLost]) -> BaseException:
    """Return what was raised first inside nested groups: it has the text."""
    error: BaseException = lost
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
