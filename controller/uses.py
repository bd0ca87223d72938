"""The uses of a key that opens only so many times: spent at the doors, or set aside for one.

A reader that alone has the key counts by itself and tells us in its events. Readers that share it
claim each use here first. A claim stands until the reader's journal says what became of it, or the
reader has started anew since: it writes down a use before it lets anybody in, so a claim without
an entry was not used. While it stands it counts as spent; a reader that never comes back keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.store.tables import CompiledRow, Credential, UseClaim, UseCount
from shared.wire.events import Event, EventKind
from shared.wire.messages import Claim, Verdict


class Place(NamedTuple):
    """Who counts: a reader, for an access plan."""

    reader: str
    plan: int


# Uses that were claimed are counted here, wherever they were made.
SHARED = Place("", 0)


class Entry(NamedTuple):
    """An entry of a reader's journal that is new to us."""

    reader: str
    journal: bytes
    event: Event


async def spent(session: AsyncSession, credentials: Iterable[int]) -> dict[int, int]:
    """Return how many uses of each credential (by number) are spent or set aside, if any are."""
    found: Counter[int] = Counter()
    for part in chunks(credentials):
        counted = select(UseCount.credential_id, func.sum(UseCount.spent))
        claimed = select(UseClaim.credential_id, func.count())
        for query in (
            counted.where(UseCount.credential_id.in_(part)).group_by(UseCount.credential_id),
            claimed.where(UseClaim.credential_id.in_(part), ~UseClaim.settled).group_by(
                UseClaim.credential_id
            ),
        ):
            for credential, uses in await session.execute(query):
                found[credential] += uses
    return dict(found)


async def elsewhere(session: AsyncSession, places: Mapping[int, Place]) -> set[int]:
    """Return those credentials of which a use was spent or set aside at another place than this."""
    found: set[int] = set()
    for part in chunks(places):
        counts = select(UseCount).where(UseCount.credential_id.in_(part))
        for row in await session.scalars(counts):
            if (row.reader_id, row.plan_id) != places[row.credential_id]:
                found.add(row.credential_id)
        claims = select(UseClaim.credential_id).where(
            UseClaim.credential_id.in_(part), ~UseClaim.settled
        )
        found.update(await session.scalars(claims))
    return found


async def claim(session: AsyncSession, asked: Claim, now: int) -> Verdict | None:
    """Set a use aside, if there is one; None: no such grant at that reader, or settled before.

    A claim that comes twice is answered twice and counts once.
    """
    known = await session.get(UseClaim, asked.id)
    if known is not None:
        standing = not known.settled and known.reader_id == asked.reader
        return Verdict.RESERVED if standing else None
    limit = await session.scalar(
        select(Credential.max_uses)
        .join(CompiledRow, CompiledRow.credential_id == Credential.id)
        .where(
            CompiledRow.reader_id == asked.reader,
            CompiledRow.credential_id == asked.credential,
            CompiledRow.plan_id == asked.plan,
        )
    )
    if limit is None:
        return None
    if (await spent(session, [asked.credential])).get(asked.credential, 0) >= limit:
        return Verdict.USED_UP
    session.add(
        UseClaim(
            id=asked.id,
            credential_id=asked.credential,
            reader_id=asked.reader,
            journal=asked.journal,
            next_seq=asked.next_seq,
            made_at=now,
            settled=False,
        )
    )
    await session.flush()
    return Verdict.RESERVED


async def settle(session: AsyncSession, entries: Iterable[Entry], now: int) -> None:
    """Count what `entries` say was spent, and end the claims of which they say what became."""
    counts: Counter[tuple[int, Place]] = Counter()
    for reader, journal, event in entries:
        if event.counted and event.credential is not None:
            at = SHARED if event.claim else Place(reader, event.plan or 0)
            counts[event.credential, at] += 1
        if event.claim is not None:
            await _end(session, Entry(reader, journal, event), event.claim, now)
        if event.kind is EventKind.STARTED:
            await session.execute(
                update(UseClaim)
                .where(
                    UseClaim.reader_id == reader,
                    UseClaim.journal == journal,
                    UseClaim.next_seq <= event.seq,
                )
                .values(settled=True)
            )
    await _count(session, counts)


async def _end(session: AsyncSession, entry: Entry, number: bytes, now: int) -> None:
    """Settle a claim; one that is still on its way here must find itself settled."""
    known = await session.get(UseClaim, number)
    if known is None:
        session.add(
            UseClaim(
                id=number,
                credential_id=entry.event.credential or 0,
                reader_id=entry.reader,
                journal=entry.journal,
                next_seq=entry.event.seq,
                made_at=now,
                settled=True,
            )
        )
    elif known.reader_id == entry.reader:
        known.settled = True
    await session.flush()


async def _count(session: AsyncSession, counts: Mapping[tuple[int, Place], int]) -> None:
    """Add to what is counted of credentials that exist."""
    exist: set[int] = set()
    for part in chunks({credential for credential, _ in counts}):
        exist.update(await session.scalars(select(Credential.id).where(Credential.id.in_(part))))
    for (credential, at), uses in counts.items():
        row = await session.get(UseCount, (credential, *at))
        if row is not None:
            row.spent += uses
        elif credential in exist:
            session.add(
                UseCount(credential_id=credential, reader_id=at.reader, plan_id=at.plan, spent=uses)
            )
