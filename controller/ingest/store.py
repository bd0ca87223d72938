"""Writes journal entries into the database: each once, many batches in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.ingest.chain import EMPTY, Continues, Contradicts, Entry, Head, Missing, judge
from controller.ingest.entries import read_entry
from controller.store.database import Database
from controller.store.tables import Credential, EventRecord, JournalHead, Reader
from shared.access.mode import Trust
from shared.wire.events import Event, EventKind, encode_event
from shared.wire.messages import EventBatch, EventReceipt

logger = logging.getLogger(__name__)

# What the controller itself notes about a reader stands in a journal of this name.
OWN_JOURNAL = bytes(8)


@dataclass(frozen=True, slots=True)
class Stored:
    """An event that has just become durable, with the reader that told it."""

    reader: str
    event: Event


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some batches: receipts to send, and what is new."""

    receipts: tuple[EventReceipt, ...]
    events: tuple[Stored, ...]


async def store(database: Database, batches: Sequence[EventBatch]) -> Outcome:
    """Store `batches`, which their readers signed, in one transaction.

    A receipt is returned for every batch that is stored now or was before; none for one that lacks
    its predecessors or belongs to a journal under suspicion.
    """
    receipts: list[EventReceipt] = []
    events: list[Stored] = []
    async with database.transaction() as session:
        work = _Work(session, database.clock())
        for batch in batches:
            upto, new = await work.take(batch)
            events.extend(Stored(batch.reader, event) for event in new)
            if upto is not None:
                receipts.append(EventReceipt(reader=batch.reader, journal=batch.journal, upto=upto))
    return Outcome(tuple(receipts), tuple(events))


class _Work:
    """One transaction; what is looked up once serves all its batches."""

    def __init__(self, session: AsyncSession, now: int) -> None:
        self._session = session
        self._now = now
        self._doors: dict[str, int] = {}

    async def take(self, batch: EventBatch) -> tuple[int | None, list[Event]]:
        """Store what is new in `batch`; return the number up to which it is stored, and the new."""
        if batch.journal == OWN_JOURNAL:
            logger.error(
                "reader %s writes in the controller's name; is it still ours?", batch.reader
            )
            return None, []
        row = await self._session.get(JournalHead, (batch.reader, batch.journal))
        if row is not None and row.quarantined is not None:
            return None, []
        head = Head(row.upto, row.hash) if row is not None else EMPTY
        match judge(batch, head, await self._known(batch, head)):
            case Missing():
                return None, []
            case Contradicts(seq):
                await self._quarantine(batch, row, seq)
                return None, []
            case Continues(entries, after, lost):
                if lost:
                    what = f"{lost} entries before number {batch.first} are lost"
                    await self._note(batch.reader, EventKind.GAP, what, lost)
                events = await self._insert(batch, entries)
                self._advance(batch, row, after)
                return after.upto, events

    async def _known(self, batch: EventBatch, head: Head) -> dict[int, bytes]:
        if batch.first > head.upto:
            return {}
        last = min(head.upto, batch.first + len(batch.entries) - 1)
        found = await self._session.execute(
            select(EventRecord.seq, EventRecord.body).where(
                EventRecord.reader_id == batch.reader,
                EventRecord.journal == batch.journal,
                EventRecord.seq.between(batch.first, last),
            )
        )
        return {seq: body for seq, body in found}  # noqa: C416 - rows are no pairs to the checker

    async def _insert(self, batch: EventBatch, entries: Sequence[Entry]) -> list[Event]:
        decoded = [(entry, read_entry(entry.body, entry.seq, self._now)) for entry in entries]
        credentials = await self._by_key([event for _, event in decoded])
        door = await self._door(batch.reader)
        for entry, event in decoded:
            person, credential = event.person, event.credential
            if event.key_hash is not None and event.key_hash in credentials:
                credential, person = credentials[event.key_hash]
            self._session.add(
                EventRecord(
                    reader_id=batch.reader,
                    journal=batch.journal,
                    seq=entry.seq,
                    door_id=door,
                    at=event.at,
                    received_at=self._now,
                    replayed=entry.replayed,
                    kind=event.kind.value,
                    reason=event.reason.value if event.reason else None,
                    person_id=person,
                    credential_id=credential,
                    body=entry.body,
                )
            )
        await self._session.flush()
        return [event for _, event in decoded]

    async def _by_key(self, events: Sequence[Event]) -> dict[bytes, tuple[int, int]]:
        """Return (credential, person) of keys that a reader did not know, but we do."""
        hashes = {event.key_hash for event in events if event.key_hash is not None}
        if not hashes:
            return {}
        query = select(Credential.key_hash, Credential.id, Credential.person_id).where(
            Credential.key_hash.in_(hashes)
        )
        found = await self._session.execute(query)
        return {key: (number, person) for key, number, person in found if key is not None}

    async def _door(self, reader: str) -> int:
        if reader not in self._doors:
            query = select(Reader.door_id).where(Reader.id == reader)
            self._doors[reader] = await self._session.scalar(query) or 0
        return self._doors[reader]

    def _advance(self, batch: EventBatch, row: JournalHead | None, after: Head) -> None:
        if row is None:
            row = JournalHead(reader_id=batch.reader, journal=batch.journal)
            self._session.add(row)
        row.upto, row.hash = after.upto, after.hash

    async def _quarantine(self, batch: EventBatch, row: JournalHead | None, seq: int) -> None:
        what = f"entry {seq} of this reader's journal came twice with different content"
        logger.error("reader %s: %s; is there a copy of it?", batch.reader, what)
        if row is not None:
            row.quarantined = what
        await self._note(batch.reader, EventKind.CLONE, what, None)

    async def _note(self, reader: str, kind: EventKind, what: str, count: int | None) -> None:
        """Write an event of the controller's own about `reader`."""
        query = select(func.max(EventRecord.seq)).where(
            EventRecord.reader_id == reader, EventRecord.journal == OWN_JOURNAL
        )
        seq = (await self._session.scalar(query) or 0) + 1
        event = Event(
            seq=seq, at=self._now, trust=Trust.TRUSTED, kind=kind, detail=what, count=count
        )
        self._session.add(
            EventRecord(
                reader_id=reader,
                journal=OWN_JOURNAL,
                seq=seq,
                door_id=await self._door(reader),
                at=self._now,
                received_at=self._now,
                replayed=False,
                kind=kind.value,
                body=encode_event(event),
            )
        )
        await self._session.flush()
