"""Journals in a real database: exactly once, whoever repeats what, and nothing lost in silence."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
import pytest
from sqlalchemy import select

from controller.ingest.store import OWN_JOURNAL, Outcome, store
from controller.ingest.writer import EventWriter
from controller.store.database import Database
from controller.store.tables import Credential, EventRecord, JournalHead
from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.wire.events import GENESIS, Event, EventKind, chain, encode_event
from shared.wire.messages import EventBatch
from tests.controller.building import Building, build

JOURNAL = b"journal1"


@pytest.fixture
async def building(database: Database) -> Building:
    """One door with an enrolled reader."""
    building = await build(database)
    await building.enrol()
    return building


def entry(seq: int, **more: object) -> bytes:
    fields: dict[str, object] = {"kind": EventKind.ACCESS, "reason": Reason.UNKNOWN, **more}
    return encode_event(Event(seq=seq, at=1_000 + seq, trust=Trust.TRUSTED, **fields))  # type: ignore[arg-type]


class Journal:
    """What a reader has written."""

    def __init__(self, reader: str, bodies: list[bytes]) -> None:
        self.reader = reader
        self.bodies = bodies

    def batch(self, first: int, last: int, *, live_from: int = 1, kept_from: int = 0) -> EventBatch:
        previous = GENESIS
        for body in self.bodies[: first - 1]:
            previous = chain(previous, body)
        return EventBatch(
            reader=self.reader,
            journal=JOURNAL,
            first=first,
            previous=previous,
            live_from=live_from,
            kept_from=kept_from,
            entries=tuple(self.bodies[first - 1 : last]),
        )


def journal(building: Building, count: int = 10) -> Journal:
    return Journal(building.readers[0], [entry(seq) for seq in range(1, count + 1)])


async def records(database: Database) -> list[EventRecord]:
    async with database.read() as session:
        return list(await session.scalars(select(EventRecord).order_by(EventRecord.id)))


async def test_entries_are_stored_in_order_and_confirmed(building: Building) -> None:
    written = journal(building)
    outcome = await store(building.database, [written.batch(1, 4), written.batch(5, 10)])
    assert [receipt.upto for receipt in outcome.receipts] == [10]  # one says it all
    assert [stored.event.seq for stored in outcome.events] == list(range(1, 11))
    found = await records(building.database)
    assert [row.body for row in found] == written.bodies
    assert {row.door_id for row in found} == {building.doors[0]}


async def test_what_comes_again_is_confirmed_again_and_stored_once(building: Building) -> None:
    written = journal(building)
    await store(building.database, [written.batch(1, 6)])
    outcome = await store(building.database, [written.batch(1, 6), written.batch(4, 8)])
    assert [receipt.upto for receipt in outcome.receipts] == [8]
    assert [stored.event.seq for stored in outcome.events] == [7, 8]
    assert [row.seq for row in await records(building.database)] == list(range(1, 9))


async def test_what_lacks_its_predecessors_is_neither_stored_nor_confirmed(
    building: Building,
) -> None:
    assert await store(building.database, [journal(building).batch(3, 5)]) == Outcome((), ())
    assert await records(building.database) == []


async def test_entries_that_are_gone_for_good_leave_a_note(building: Building) -> None:
    written = journal(building)
    outcome = await store(building.database, [written.batch(4, 6, kept_from=4)])
    assert [receipt.upto for receipt in outcome.receipts] == [6]
    note, *rest = await records(building.database)
    assert (note.kind, note.journal) == ("gap", OWN_JOURNAL)
    assert [row.seq for row in rest] == [4, 5, 6]


async def test_entries_written_before_the_session_are_marked_replayed(building: Building) -> None:
    await store(building.database, [journal(building).batch(1, 4, live_from=3)])
    found = await records(building.database)
    assert [row.replayed for row in found] == [True, True, False, False]


async def test_a_second_history_is_quarantined_with_an_alarm(building: Building) -> None:
    written = journal(building)
    await store(building.database, [written.batch(1, 5)])
    other = Journal(written.reader, [*written.bodies[:2], entry(99), *written.bodies[3:]])
    assert await store(building.database, [other.batch(1, 7)]) == Outcome((), ())
    assert await store(building.database, [written.batch(6, 7)]) == Outcome((), ())
    *kept, alarm = await records(building.database)
    assert [row.body for row in kept] == written.bodies[:5]
    assert alarm.kind == "clone"
    async with building.database.read() as session:
        head = (await session.scalars(select(JournalHead))).one()
    assert head.quarantined is not None


async def test_a_new_journal_of_the_same_reader_is_welcome(building: Building) -> None:
    written = journal(building)
    await store(building.database, [written.batch(1, 5)])
    fresh = EventBatch(
        reader=written.reader,
        journal=b"journal2",
        first=1,
        previous=GENESIS,
        live_from=1,
        kept_from=1,
        entries=(entry(1),),
    )
    outcome = await store(building.database, [fresh])
    assert [(receipt.journal, receipt.upto) for receipt in outcome.receipts] == [(b"journal2", 1)]


async def test_a_key_that_only_the_controller_knows_gets_its_name(building: Building) -> None:
    await building.add_card(await building.add_person("Ada"), 77)
    async with building.database.read() as session:
        credential = (await session.scalars(select(Credential))).one()
    assert credential.public_key is not None
    digest = hashlib.sha256(credential.public_key).digest()
    written = Journal(building.readers[0], [entry(1, key_hash=digest)])
    await store(building.database, [written.batch(1, 1)])
    (found,) = await records(building.database)
    assert (found.credential_id, found.person_id) == (credential.id, credential.person_id)


async def test_an_entry_that_cannot_be_read_is_kept_and_holds_nothing_up(
    building: Building,
) -> None:
    written = Journal(building.readers[0], [entry(1), b"\xa1\x01\x02", entry(3)])
    outcome = await store(building.database, [written.batch(1, 3)])
    assert [receipt.upto for receipt in outcome.receipts] == [3]
    found = await records(building.database)
    assert [row.kind for row in found] == ["access", "unreadable", "access"]
    assert found[1].body == b"\xa1\x01\x02"


async def test_nobody_writes_in_the_controllers_own_name(building: Building) -> None:
    """The controller's notes about a reader have a journal of their own: it must not collide."""
    written = journal(building)
    await store(building.database, [written.batch(4, 6, kept_from=4)])
    forged = msgspec.structs.replace(written.batch(1, 1), journal=OWN_JOURNAL)
    fine = written.batch(7, 8)
    outcome = await store(building.database, [forged, fine])
    assert [receipt.upto for receipt in outcome.receipts] == [8]
    notes = [row for row in await records(building.database) if row.journal == OWN_JOURNAL]
    assert [row.kind for row in notes] == ["gap"]


async def test_the_writer_confirms_only_what_is_committed(building: Building) -> None:
    """Every receipt is handed over after its entries can be read from the database."""
    written = journal(building)
    seen: list[tuple[int, int]] = []
    done = asyncio.Event()

    class Receiver:
        async def stored(self, outcome: Outcome) -> None:
            there = len(await records(building.database))
            seen.extend((receipt.upto, there) for receipt in outcome.receipts)
            if seen[-1][0] == 10:
                done.set()

    writer = EventWriter(building.database, Receiver())
    task = asyncio.create_task(writer.run())
    for first in range(1, 11):
        assert writer.offer(written.batch(first, first))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    assert seen[-1] == (10, 10)
    assert all(there >= upto for upto, there in seen)
