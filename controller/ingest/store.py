"""Writes journal entries into the database: each once, many batches in one transaction.

What is known of the journals is read first and what is new is written last, each in a few
statements however many batches there are; in between the journals are followed in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller import uses
from controller.compiler.chunks import chunks
from controller.ingest import chain
from controller.ingest.chain import EMPTY, Continues, Contradicts, Head, Missing, judge
from controller.ingest.entries import read_entry
from controller.store.database import Database
from controller.store.tables import Base, Credential, EventRecord, JournalHead, Reader
from controller.uses import Entry
from shared.access.mode import Trust
from shared.wire.events import Event, EventKind, encode_event
from shared.wire.messages import EventBatch, EventReceipt

logger = logging.getLogger(__name__)

# What the controller itself notes about a reader stands in a journal of this name.
OWN_JOURNAL = bytes(8)

_EVENT = Base.metadata.tables[EventRecord.__tablename__]
_HEAD = Base.metadata.tables[JournalHead.__tablename__]
_UPDATE_HEAD = (
    update(_HEAD)
    .where(
        _HEAD.c.reader_id == bindparam("at_reader"),
        _HEAD.c.journal == bindparam("at_journal"),
    )
    .values(
        upto=bindparam("new_upto"),
        hash=bindparam("new_hash"),
        quarantined=bindparam("new_quarantined"),
    )
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some batches: receipts to send, and what is new."""

    receipts: tuple[EventReceipt, ...]
    events: tuple[Entry, ...]


async def store(database: Database, batches: Sequence[EventBatch]) -> Outcome:
    """Store `batches`, which their readers signed, in one transaction.

    A receipt is returned for every journal of which a batch is stored now or was before; none for
    batches that lack their predecessors or belong to a journal under suspicion.
    """
    upto: dict[tuple[str, bytes], int] = {}
    async with database.transaction() as session:
        work = _Work(session, database.clock())
        await work.load(batches)
        for batch in batches:
            stored = await work.take(batch)
            if stored is not None:
                upto[batch.reader, batch.journal] = stored
        await work.write()
    receipts = tuple(
        EventReceipt(reader=reader, journal=journal, upto=number)
        for (reader, journal), number in upto.items()
    )
    return Outcome(receipts, tuple(work.stored))


@dataclass(slots=True)
class _Journal:
    """One journal as it stands in the course of the transaction."""

    head: Head = EMPTY
    quarantined: str | None = None
    known: bool = False  # has a row already
    changed: bool = False
    added: dict[int, bytes] = field(default_factory=dict)  # entries that are not written yet


class _Work:
    """One transaction; what is looked up once serves all its batches."""

    def __init__(self, session: AsyncSession, now: int) -> None:
        self.stored: list[Entry] = []
        self._session = session
        self._now = now
        self._journals: dict[tuple[str, bytes], _Journal] = {}
        self._doors: dict[str, int] = {}
        self._notes: dict[str, int] = {}  # the number of the last note about a reader
        self._rows: list[dict[str, Any]] = []

    async def load(self, batches: Sequence[EventBatch]) -> None:
        """Read how far the journals of `batches` are stored, and where their readers are."""
        for part in chunks(sorted({batch.reader for batch in batches})):
            journals = {batch.journal for batch in batches}
            heads = select(JournalHead).where(
                JournalHead.reader_id.in_(part), JournalHead.journal.in_(journals)
            )
            for row in await self._session.scalars(heads):
                self._journals[row.reader_id, row.journal] = _Journal(
                    Head(row.upto, row.hash), row.quarantined, known=True
                )
            doors = select(Reader.id, Reader.door_id).where(Reader.id.in_(part))
            for reader, door in await self._session.execute(doors):
                self._doors[reader] = door or 0

    async def take(self, batch: EventBatch) -> int | None:
        """Take what is new in `batch`; return the number up to which it is stored, if it may be."""
        if batch.journal == OWN_JOURNAL:
            logger.error(
                "reader %s writes in the controller's name; is it still ours?", batch.reader
            )
            return None
        journal = self._journals.setdefault((batch.reader, batch.journal), _Journal())
        if journal.quarantined is not None:
            return None
        match judge(batch, journal.head, await self._stored(batch, journal)):
            case Missing():
                return None
            case Contradicts(seq):
                await self._quarantine(batch, journal, seq)
                return None
            case Continues(entries, after, lost):
                if lost:
                    what = f"{lost} entries before number {batch.first} are lost"
                    await self._note(batch.reader, EventKind.GAP, what, lost)
                self._add(batch, entries)
                journal.added.update((entry.seq, entry.body) for entry in entries)
                journal.changed |= after != journal.head
                journal.head = after
                return after.upto

    async def write(self) -> None:
        """Write all that is new."""
        await self._name_holders()
        await uses.settle(self._session, self.stored, self._now)
        connection = await self._session.connection()
        for rows in chunks(self._rows):
            await connection.execute(insert(_EVENT), rows)
        changed = [(place, one) for place, one in self._journals.items() if one.changed]
        fresh = [_head_row(*place, one) for place, one in changed if not one.known]
        moved = [_head_update(*place, one) for place, one in changed if one.known]
        if fresh:
            await connection.execute(insert(_HEAD), fresh)
        if moved:
            await connection.execute(_UPDATE_HEAD, moved)

    async def _stored(self, batch: EventBatch, journal: _Journal) -> Mapping[int, bytes]:
        """Return those entries of the numbers of `batch` that are stored already."""
        if batch.first > journal.head.upto:
            return {}
        last = min(journal.head.upto, batch.first + len(batch.entries) - 1)
        found = await self._session.execute(
            select(_EVENT.c.seq, _EVENT.c.body).where(
                _EVENT.c.reader_id == batch.reader,
                _EVENT.c.journal == batch.journal,
                _EVENT.c.seq.between(batch.first, last),
            )
        )
        return {**dict(found.all()), **journal.added}

    def _add(self, batch: EventBatch, entries: Iterable[chain.Entry]) -> None:
        for entry in entries:
            event = read_entry(entry.body, entry.seq, self._now)
            self.stored.append(Entry(batch.reader, batch.journal, event))
            self._rows.append(
                self._row(
                    batch.reader,
                    event,
                    journal=batch.journal,
                    seq=entry.seq,
                    replayed=entry.replayed,
                    body=entry.body,
                )
            )

    def _row(
        self, reader: str, event: Event, *, journal: bytes, seq: int, replayed: bool, body: bytes
    ) -> dict[str, Any]:
        return {
            "reader_id": reader,
            "journal": journal,
            "seq": seq,
            "door_id": self._doors.get(reader, 0),
            "at": event.at,
            "received_at": self._now,
            "replayed": replayed,
            "kind": event.kind.value,
            "reason": event.reason.value if event.reason else None,
            "person_id": event.person,
            "credential_id": event.credential,
            "body": body,
            "key_hash": event.key_hash,
        }

    async def _name_holders(self) -> None:
        """Say whose keys they were that a reader did not know, but we do."""
        hashes = {row["key_hash"] for row in self._rows} - {None}
        holders: dict[bytes | None, tuple[int, int]] = {}
        for part in chunks(sorted(hashes)):
            query = select(Credential.key_hash, Credential.id, Credential.person_id)
            for key, credential, person in await self._session.execute(
                query.where(Credential.key_hash.in_(part))
            ):
                holders[key] = (credential, person)
        for row in self._rows:
            holder = holders.get(row.pop("key_hash"))
            if holder is not None:
                row["credential_id"], row["person_id"] = holder

    async def _quarantine(self, batch: EventBatch, journal: _Journal, seq: int) -> None:
        what = f"entry {seq} of this reader's journal came twice with different content"
        logger.error("reader %s: %s; is there a copy of it?", batch.reader, what)
        journal.quarantined, journal.changed = what, True
        await self._note(batch.reader, EventKind.CLONE, what, None)

    async def _note(self, reader: str, kind: EventKind, what: str, count: int | None) -> None:
        """Write an event of the controller's own about `reader`."""
        if reader not in self._notes:
            query = select(func.max(_EVENT.c.seq)).where(
                _EVENT.c.reader_id == reader, _EVENT.c.journal == OWN_JOURNAL
            )
            self._notes[reader] = await self._session.scalar(query) or 0
        self._notes[reader] += 1
        seq = self._notes[reader]
        event = Event(
            seq=seq, at=self._now, trust=Trust.TRUSTED, kind=kind, detail=what, count=count
        )
        body = encode_event(event)
        self._rows.append(
            self._row(reader, event, journal=OWN_JOURNAL, seq=seq, replayed=False, body=body)
        )


def _head_row(reader: str, name: bytes, journal: _Journal) -> dict[str, Any]:
    return {
        "reader_id": reader,
        "journal": name,
        "upto": journal.head.upto,
        "hash": journal.head.hash,
        "quarantined": journal.quarantined,
    }


def _head_update(reader: str, name: bytes, journal: _Journal) -> dict[str, Any]:
    return {
        "at_reader": reader,
        "at_journal": name,
        "new_upto": journal.head.upto,
        "new_hash": journal.head.hash,
        "new_quarantined": journal.quarantined,
    }
