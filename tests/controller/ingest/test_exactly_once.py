"""A reader that resends, a line that repeats and reorders, a controller that dies: each entry once.

The model reader is the real journal's rule: it sends from the first entry that is not confirmed,
and forgets what is. The controller may die between commit and receipt, or before the commit.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from controller.ingest.store import OWN_JOURNAL, store
from controller.storage import open_database
from controller.store.database import Database
from controller.store.tables import EventRecord
from shared.access.mode import Trust
from shared.wire.events import GENESIS, Event, EventKind, chain, encode_event
from shared.wire.messages import EventBatch, EventReceipt
from tests.controller.building import build
from tests.controller.conftest import NOON
from tests.controller.keys import load_issuer

JOURNAL = b"journal1"


class PowerCut(Exception):
    """The machine stops here."""


class Last:
    """A batch at which it does."""

    def __init__(self, reader: str) -> None:
        self.reader = reader

    @property
    def journal(self) -> bytes:
        raise PowerCut


class Ingest(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="doorward-ingest-"))
        self.database: Database = self.runner.run(
            open_database(
                self.folder / "doorward.db",
                load_issuer,
                clock=lambda: NOON,
                random_bytes=Random(1).randbytes,
            )
        )
        building = self.runner.run(build(self.database))
        self.runner.run(building.enrol())
        self.reader = building.readers[0]
        self.bodies: list[bytes] = []
        self.hashes = [GENESIS]
        self.kept_from = 1
        self.line: list[EventBatch] = []
        self.receipts: list[EventReceipt] = []

    # --- The reader ----------------------------------------------------------------------------

    @rule(count=st.integers(1, 5))
    def something_happens(self, count: int) -> None:
        for _ in range(count):
            seq = len(self.bodies) + 1
            event = Event(seq=seq, at=NOON + seq, trust=Trust.TRUSTED, kind=EventKind.EXIT)
            self.bodies.append(encode_event(event))
            self.hashes.append(chain(self.hashes[-1], self.bodies[-1]))

    @rule(skip=st.integers(0, 3), count=st.integers(1, 6))
    def reader_sends(self, skip: int, count: int) -> None:
        first = self.kept_from + skip
        entries = tuple(self.bodies[first - 1 : first - 1 + count])
        if entries:
            self.line.append(
                EventBatch(
                    reader=self.reader,
                    journal=JOURNAL,
                    kept_from=self.kept_from,
                    first=first,
                    previous=self.hashes[first - 1],
                    live_from=1,
                    entries=entries,
                )
            )

    @rule(data=st.data())
    def reader_hears(self, data: st.DataObject) -> None:
        if self.receipts:
            receipt = self.receipts.pop(data.draw(st.integers(0, len(self.receipts) - 1)))
            assert receipt.upto <= len(self.bodies)
            self.kept_from = max(self.kept_from, receipt.upto + 1)

    # --- The line and the controller ------------------------------------------------------------

    @rule(data=st.data(), keep=st.booleans())
    def a_batch_comes_again(self, data: st.DataObject, keep: bool) -> None:
        if self.line:
            place = data.draw(st.integers(0, len(self.line) - 1))
            self.line.append(self.line[place])
            if not keep:
                del self.line[place]

    @rule(count=st.integers(1, 4), told=st.booleans())
    def controller_stores(self, count: int, told: bool) -> None:
        """Without `told` it dies after the commit, before anybody hears of it."""
        group, self.line = self.line[:count], self.line[count:]
        outcome = self.runner.run(store(self.database, group))
        for receipt in outcome.receipts:
            assert receipt.upto <= len(self.stored())
        if told:
            self.receipts.extend(outcome.receipts)

    @rule(count=st.integers(1, 4))
    def controller_dies_before_the_commit(self, count: int) -> None:
        group, self.line = self.line[:count], self.line[count:]

        async def fail() -> None:
            with pytest.raises(PowerCut):
                await store(self.database, [*group, Last(self.reader)])  # type: ignore[list-item]

        self.runner.run(fail())

    # --- What always holds ----------------------------------------------------------------------

    def stored(self) -> list[tuple[int, bytes]]:
        async def read() -> list[tuple[int, bytes]]:
            async with self.database.read() as session:
                found = await session.execute(
                    select(EventRecord.seq, EventRecord.body)
                    .where(EventRecord.journal == JOURNAL)
                    .order_by(EventRecord.id)
                )
                return [(seq, body) for seq, body in found]

        return self.runner.run(read())

    @invariant()
    def what_is_stored_is_the_journal_from_its_beginning(self) -> None:
        stored = self.stored()
        assert stored == list(enumerate(self.bodies[: len(stored)], 1))

    @invariant()
    def nothing_that_was_forgotten_is_missing(self) -> None:
        assert self.kept_from - 1 <= len(self.stored())

    def teardown(self) -> None:
        for _ in range(3):
            self.reader_sends(skip=0, count=len(self.bodies) + 1)
            self.controller_stores(count=len(self.line) + 1, told=True)
            for receipt in self.receipts:
                self.kept_from = max(self.kept_from, receipt.upto + 1)
        assert len(self.stored()) == len(self.bodies)
        assert self.kept_from == len(self.bodies) + 1
        assert self.alarms() == []
        self.runner.run(self.database.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def alarms(self) -> list[str]:
        async def read() -> list[str]:
            async with self.database.read() as session:
                query = select(EventRecord.kind).where(EventRecord.journal == OWN_JOURNAL)
                return list(await session.scalars(query))

        return self.runner.run(read())


Ingest.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestIngest = pytest.mark.slow(Ingest.TestCase)
