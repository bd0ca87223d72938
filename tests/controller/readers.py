"""A reader that begins with a snapshot and then listens to nothing but outbox and deny set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import select

from controller.store.database import Database
from controller.store.tables import CompiledRow, Denial, Outbox, ReaderPlan
from shared import cbor
from shared.access.digest import SetDigest
from shared.access.plan import Delta, apply
from shared.access.rows import Calendar, Door, Grant, Row, decode_row
from shared.access.schedule import Schedule


@dataclass
class Listener:
    """What reader `id` has heard so far."""

    database: Database
    id: str
    version: int = 0
    rows: dict[bytes, bytes] = field(default_factory=dict)
    deltas: list[Delta] = field(default_factory=list)

    @classmethod
    async def join(cls, database: Database, reader: str) -> Self:
        """Return a reader that has its plan as it is now."""
        async with database.read() as session:
            query = select(CompiledRow).where(CompiledRow.reader_id == reader)
            rows = {row.row_key: row.body for row in await session.scalars(query)}
            plan = await session.get_one(ReaderPlan, reader)
            return cls(database, reader, plan.version, rows)

    async def listen(self) -> Listener:
        """Take all deltas that are new; the digest must be right after each."""
        async with self.database.read() as session:
            query = (
                select(Outbox)
                .where(Outbox.reader_id == self.id, Outbox.version > self.version)
                .order_by(Outbox.version)
            )
            for entry in await session.scalars(query):
                assert entry.version == self.version + 1
                self.version = entry.version
                delta = cbor.decode_as(entry.delta, Delta, limit=2**26)
                self.deltas.append(delta)
                self.rows = apply(delta, self.rows)
                digest = SetDigest.of(self.rows.values())
                assert (digest.value, digest.count) == (entry.digest, entry.count)
            plan = await session.get_one(ReaderPlan, self.id)
            assert plan.version == self.version
        return self

    def of(self, kind: type[Row]) -> list[Row]:
        """Return the rows of one kind, in order of their keys."""
        rows = [decode_row(body) for _, body in sorted(self.rows.items())]
        return [row for row in rows if isinstance(row, kind)]

    @property
    def grants(self) -> list[Grant]:
        return [row for row in self.of(Grant) if isinstance(row, Grant)]

    @property
    def grant(self) -> Grant:
        (grant,) = self.grants
        return grant

    @property
    def door(self) -> Door:
        (door,) = self.of(Door)
        assert isinstance(door, Door)
        return door

    @property
    def calendar(self) -> Calendar:
        (calendar,) = self.of(Calendar)
        assert isinstance(calendar, Calendar)
        return calendar

    @property
    def schedules(self) -> list[int]:
        return [row.id for row in self.of(Schedule) if isinstance(row, Schedule)]

    async def denied(self) -> dict[bytes, str | None]:
        """Return the deny set by key, lifted entries as None; check that counters are in order."""
        async with self.database.read() as session:
            query = select(Denial).where(Denial.reader_id == self.id).order_by(Denial.counter)
            entries = list(await session.scalars(query))
            plan = await session.get_one(ReaderPlan, self.id)
        assert all(0 < entry.counter <= plan.deny_counter for entry in entries)
        return {entry.key: entry.cause for entry in entries}
