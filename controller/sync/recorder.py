"""Writes down what readers say: who is there, what they have, which changes are processed.

What arrives while one transaction commits is written together by the next, one note a reader, so
that a thousand receipts cost a few commits and not a thousand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.store.database import Database
from controller.store.tables import Base, Change, ChangeTarget, Outbox, ReaderPlan
from controller.store.uninterrupted import uninterrupted
from controller.sync.link import Receipt

_PLAN = Base.metadata.tables[ReaderPlan.__tablename__]
_TARGET = Base.metadata.tables[ChangeTarget.__tablename__]
_CHANGE = Base.metadata.tables[Change.__tablename__]
_OUTBOX = Base.metadata.tables[Outbox.__tablename__]


@dataclass(slots=True)
class _Note:
    """What is new about one reader; None: nothing."""

    online: bool | None = None
    session: bytes | None = None
    seen_at: int | None = None
    version: int | None = None
    deny_counter: int | None = None
    acked_at: int | None = None
    state: dict[str, Any] = field(default_factory=dict)


# Between two commits. What it adds to a receipt is little; a commit for each handful costs more.
PACE = 0.02


class Recorder:
    """Takes notes at any time; `run` writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes: dict[str, _Note] = {}
        self._noted = asyncio.Event()

    def heard(self, reader: str, session: bytes | None = None) -> None:
        """The reader is there (in `session`)."""
        note = self._note(reader)
        note.online, note.seen_at = True, self._database.clock()
        note.session = session or note.session

    def gone(self, reader: str) -> None:
        """The reader is not there any more."""
        self._note(reader).online = False

    def received(self, reader: str, receipt: Receipt) -> None:
        """The reader has confirmed what it has."""
        note = self._note(reader)
        note.deny_counter, note.acked_at = receipt.deny_counter, self._database.clock()
        if receipt.version is not None:
            note.version = receipt.version

    def state(self, reader: str, **values: Any) -> None:
        """Keep `values` in the reader's state; None removes one."""
        self._note(reader).state.update(values)

    async def run(self) -> None:
        """Write notes until cancelled."""
        while True:
            await self._noted.wait()
            await self.flush()
            await asyncio.sleep(PACE)

    async def flush(self) -> None:
        """Write what has been noted so far."""
        notes, self._notes = self._notes, {}
        self._noted.clear()
        if notes:
            await uninterrupted(self._write(notes))

    async def nobody(self) -> None:
        """Write down that no reader can be seen: the broker is gone, or we have just begun."""
        for note in self._notes.values():
            note.online = None
        await uninterrupted(self._nobody())

    async def _write(self, notes: dict[str, _Note]) -> None:
        async with self._database.transaction() as session:
            await _write(session, notes, self._database.clock())

    async def _nobody(self) -> None:
        async with self._database.transaction() as session:
            await session.execute(update(_PLAN).where(_PLAN.c.online).values(online=False))

    def _note(self, reader: str) -> _Note:
        self._noted.set()
        return self._notes.setdefault(reader, _Note())


async def _write(session: AsyncSession, notes: dict[str, _Note], now: int) -> None:
    connection = await session.connection()
    await connection.execute(_UPDATE, [_values(reader, note) for reader, note in notes.items()])
    await _merge_states(
        session, {reader: note.state for reader, note in notes.items() if note.state}
    )
    confirmed = [reader for reader, note in notes.items() if note.acked_at is not None]
    for part in chunks(confirmed):
        changes = set(await session.scalars(_CONFIRM, {"readers": part}))
        await _process(session, changes, now)
        await session.execute(_PRUNE, {"readers": part})


async def _merge_states(session: AsyncSession, states: dict[str, dict[str, Any]]) -> None:
    for part in chunks(states):
        query = select(_PLAN.c.reader_id, _PLAN.c.state).where(_PLAN.c.reader_id.in_(part))
        for reader, before in (await session.execute(query)).all():
            merged = {**(before or {}), **states[reader]}
            after = {name: value for name, value in merged.items() if value is not None}
            if after != before:
                await session.execute(
                    update(_PLAN).where(_PLAN.c.reader_id == reader).values(state=after)
                )


async def _process(session: AsyncSession, changes: Iterable[int], now: int) -> None:
    """A change is processed once nobody it concerns is missing."""
    waiting = exists().where(_TARGET.c.change_id == _CHANGE.c.id, _TARGET.c.acked_at.is_(None))
    for part in chunks(sorted(changes)):
        await session.execute(
            update(_CHANGE)
            .where(_CHANGE.c.id.in_(part), _CHANGE.c.processed_at.is_(None), ~waiting)
            .values(processed_at=now)
        )


def _values(reader: str, note: _Note) -> dict[str, Any]:
    return {
        "at_reader": reader,
        "new_online": note.online,
        "new_session": note.session,
        "new_seen_at": note.seen_at,
        "new_version": note.version,
        "new_deny": note.deny_counter,
        "new_acked_at": note.acked_at,
    }


def _or_as_it_is(name: str, parameter: str) -> dict[str, Any]:
    column = _PLAN.c[name]
    return {name: func.coalesce(bindparam(parameter, type_=column.type), column)}


_UPDATE = (
    update(_PLAN)
    .where(_PLAN.c.reader_id == bindparam("at_reader"))
    .values(
        **_or_as_it_is("online", "new_online"),
        **_or_as_it_is("session", "new_session"),
        **_or_as_it_is("seen_at", "new_seen_at"),
        **_or_as_it_is("acked_version", "new_version"),
        **_or_as_it_is("acked_deny", "new_deny"),
        **_or_as_it_is("acked_at", "new_acked_at"),
    )
)
_READERS: BindParameter[str] = bindparam("readers", expanding=True)
_HAS_ALL = exists().where(
    _PLAN.c.reader_id == _TARGET.c.reader_id,
    _PLAN.c.acked_version >= _TARGET.c.version,
    _PLAN.c.acked_deny >= _TARGET.c.deny_counter,
)
_CONFIRM = (
    update(_TARGET)
    .where(_TARGET.c.reader_id.in_(_READERS), _TARGET.c.acked_at.is_(None), _HAS_ALL)
    .values(
        acked_at=select(_PLAN.c.acked_at)
        .where(_PLAN.c.reader_id == _TARGET.c.reader_id)
        .scalar_subquery()
    )
    .returning(_TARGET.c.change_id)
)
# What a reader has confirmed need not be sent again; the record of where it stands stays.
_PRUNE = delete(_OUTBOX).where(
    _OUTBOX.c.reader_id.in_(_READERS),
    _OUTBOX.c.version
    < select(_PLAN.c.acked_version)
    .where(_PLAN.c.reader_id == _OUTBOX.c.reader_id)
    .scalar_subquery(),
)
