"""What the sync reads from the database. Every function sees one moment of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.tables import Base, CompiledRow, Denial, Outbox, Reader, ReaderPlan
from controller.sync.core import Held, Record, Wanted
from controller.sync.pages import cut, decode_delta, entry, snapshot_page
from shared.access.plan import Delta
from shared.wire.messages import DenyEntry, PlanPage, PlanState

# Deltas up to this size are read with their records; longer ones one by one, when they are sent.
SMALL_DELTA = 4_096
# Where a reader's state keeps why it is left alone.
QUARANTINE = "ahead"

_PLAN = Base.metadata.tables[ReaderPlan.__tablename__]
_OUTBOX = Base.metadata.tables[Outbox.__tablename__]
_ROW = Base.metadata.tables[CompiledRow.__tablename__]
_DENIAL = Base.metadata.tables[Denial.__tablename__]
_READER = Base.metadata.tables[Reader.__tablename__]


class PlanRow(NamedTuple):
    """What an enrolled reader should have."""

    reader: str
    identity_key: bytes
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class MemberRow:
    """An enrolled reader, and what was known of it when the controller last ran.

    `sure`: the plan it was known to have has been compared with ours.
    """

    reader: str
    identity_key: bytes
    wallet_key: bytes | None
    session: bytes | None
    online: bool
    held: Held
    sure: bool
    quarantine: str | None
    quarantine_epoch: int


@dataclass(frozen=True, slots=True)
class Steps:
    """The outbox of one reader: records in order, and those deltas that are small."""

    wanted: Wanted
    records: list[Record]
    deltas: dict[int, bytes]


async def plans(session: AsyncSession) -> list[PlanRow]:
    """Return what every enrolled reader should have."""
    query = (
        select(_PLAN.c.reader_id, _READER.c.identity_key, *_WANTED)
        .join(_READER, _READER.c.id == _PLAN.c.reader_id)
        .where(_READER.c.status == "enrolled", _READER.c.identity_key.is_not(None))
    )
    found = await session.execute(query)
    return [PlanRow(row[0], row[1], _wanted(row[2:])) for row in found]


async def members(session: AsyncSession, readers: Sequence[str]) -> list[MemberRow]:
    """Return the rows of these readers, as far as they have enrolled."""
    known = _OUTBOX.alias()
    query = (
        select(
            _READER.c.id,
            _READER.c.identity_key,
            _READER.c.aliro_key,
            _PLAN.c.session,
            _PLAN.c.online,
            _PLAN.c.acked_version,
            _PLAN.c.acked_deny,
            _PLAN.c.state,
            known.c.digest,
            known.c.count,
            *_WANTED,
        )
        .join(_PLAN, _PLAN.c.reader_id == _READER.c.id)
        .outerjoin(
            known,
            (known.c.reader_id == _READER.c.id) & (known.c.version == _PLAN.c.acked_version),
        )
        .where(_READER.c.id.in_(readers), _READER.c.identity_key.is_not(None))
    )
    return [_member(row) for row in await session.execute(query)]


async def denials(
    session: AsyncSession, readers: Sequence[str], after: int
) -> dict[str, tuple[Wanted, list[DenyEntry]]]:
    """Return the changes of the readers' deny sets after counter `after`, in order."""
    query = (
        select(_DENIAL.c.reader_id, _DENIAL.c.counter, _DENIAL.c.key, _DENIAL.c.cause)
        .where(_DENIAL.c.reader_id.in_(readers), _DENIAL.c.counter > after)
        .order_by(_DENIAL.c.reader_id, _DENIAL.c.counter)
    )
    entries: dict[str, list[DenyEntry]] = defaultdict(list)
    for reader, counter, key, cause in await session.execute(query):
        entries[reader].append(entry(counter, key, cause))
    wanted = await _wanted_of(session, readers)
    return {reader: (want, entries[reader]) for reader, want in wanted.items()}


async def steps(session: AsyncSession, readers: Sequence[str]) -> dict[str, Steps]:
    """Return the outboxes of these readers. What they confirmed has left them."""
    size = func.length(_OUTBOX.c.delta)
    query = (
        select(
            _OUTBOX.c.reader_id,
            _OUTBOX.c.version,
            _OUTBOX.c.digest,
            _OUTBOX.c.count,
            size,
            case((size <= SMALL_DELTA, _OUTBOX.c.delta)),
        )
        .where(_OUTBOX.c.reader_id.in_(readers))
        .order_by(_OUTBOX.c.reader_id, _OUTBOX.c.version)
    )
    wanted = await _wanted_of(session, readers)
    found = {reader: Steps(want, [], {}) for reader, want in wanted.items()}
    for reader, version, digest, count, length, delta in await session.execute(query):
        if reader in found:
            found[reader].records.append(Record(version, digest, count, length))
            if delta is not None:
                found[reader].deltas[version] = delta
    return found


async def delta(session: AsyncSession, reader: str, version: int) -> Delta | None:
    """Return one delta of the outbox, if it is still there."""
    query = select(_OUTBOX.c.delta).where(
        _OUTBOX.c.reader_id == reader, _OUTBOX.c.version == version
    )
    data = await session.scalar(query)
    return None if data is None else decode_delta(data)


async def snapshot(
    session: AsyncSession, reader: str, issued_at: int
) -> tuple[Wanted | None, AsyncGenerator[PlanPage]]:
    """Return what `reader` should have, and all pages of it; read page by page while `session` is
    open, so that memory does not grow with the plan.
    """
    wanted = (await _wanted_of(session, [reader])).get(reader)
    if wanted is None:
        return None, _nothing()
    return wanted, _pages(session, reader, wanted.plan, issued_at)


async def _pages(
    session: AsyncSession, reader: str, after: PlanState, issued_at: int
) -> AsyncGenerator[PlanPage]:
    """Yield pages, each read by itself; the transaction sees to it that they fit together."""
    of_reader = _ROW.c.reader_id == reader
    sizes = select(func.length(_ROW.c.body)).where(of_reader).order_by(_ROW.c.row_key)
    cuts = list(cut(await session.scalars(sizes)))
    last = b""
    for page, (start, end) in enumerate(cuts):
        query = select(_ROW.c.row_key, _ROW.c.body).where(of_reader, _ROW.c.row_key > last)
        rows = (await session.execute(query.order_by(_ROW.c.row_key).limit(end - start))).all()
        last = rows[-1][0] if rows else last
        bodies = [body for _, body in rows]
        yield snapshot_page(reader, after, bodies, issued_at, page=page, pages=len(cuts))


async def _nothing() -> AsyncGenerator[PlanPage]:
    return
    yield


_WANTED = (
    _PLAN.c.epoch,
    _PLAN.c.version,
    _PLAN.c.digest,
    _PLAN.c.count,
    _PLAN.c.deny_counter,
)


def _wanted(row: Sequence[Any]) -> Wanted:
    epoch, version, digest, count, deny_counter = row
    return Wanted(PlanState(epoch, version, digest, count), deny_counter)


async def _wanted_of(session: AsyncSession, readers: Sequence[str]) -> dict[str, Wanted]:
    query = select(_PLAN.c.reader_id, *_WANTED).where(_PLAN.c.reader_id.in_(readers))
    return {row[0]: _wanted(row[1:]) for row in await session.execute(query)}


def _member(row: Sequence[Any]) -> MemberRow:
    reader, identity, wallet, session, online, version, deny, state, digest, count = row[:10]
    wanted = _wanted(row[10:])
    plan: PlanState | None = None
    if version == wanted.plan.version and version:
        plan = wanted.plan
    elif digest is not None:
        plan = PlanState(wanted.plan.epoch, version, digest, count)
    quarantine = (state or {}).get(QUARANTINE) or {}
    return MemberRow(
        reader=reader,
        identity_key=identity,
        wallet_key=wallet,
        session=session,
        online=bool(online),
        held=Held(plan, min(deny, wanted.deny_counter)),
        sure=plan is not None,
        quarantine=quarantine.get("why"),
        quarantine_epoch=quarantine.get("epoch", 0),
    )
