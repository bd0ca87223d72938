"""Revocations that overtake: the readers' deny sets, kept in step with keys and their holders.

A key that must not open goes into the deny set of every reader whose plan has a row for it, so
that the refusal need not wait for the plan; once the key is good again, it is taken back wherever
it was said. Doors that take documents are told of every such key, so that no document lets in whom
the office has locked out elsewhere, and of the device keys that their site refuses: nobody here
need have enrolled those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import Any, TypeAlias

from sqlalchemy import String, bindparam, cast, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import CHUNK, chunks
from controller.compiler.ledger import Ledger
from controller.intent.keys import key_hash
from controller.store.tables import (
    Base,
    CompiledRow,
    Credential,
    Denial,
    Door,
    Person,
    Reader,
    Site,
)
from shared.access.decide import DenyCause
from shared.access.rows import DOOR_KEY, Method, decode_row
from shared.access.rows import Door as DoorRow
from shared.credential.identifier import is_point

Place: TypeAlias = tuple[str, bytes]  # a reader, and a key in its deny set

_DENIALS = Base.metadata.tables[Denial.__tablename__]
_VALUES: dict[str, Any] = {
    "counter": bindparam("new_counter"),
    "cause": bindparam("new_cause"),
    "created_at": bindparam("now"),
}
_INSERT = insert(_DENIALS).values(
    reader_id=bindparam("new_reader"), key=bindparam("new_key"), **_VALUES
)
_UPDATE = (
    update(_DENIALS)
    .where(_DENIALS.c.reader_id == bindparam("new_reader"), _DENIALS.c.key == bindparam("new_key"))
    .values(_VALUES)
)
_TAKES = Method.ALIRO_NFC_DOCUMENT.value
_BY_STATE = {
    "lost": DenyCause.LOST,
    "stolen": DenyCause.STOLEN,
    "inactive": DenyCause.SUSPENDED,
}


async def update_denials(
    session: AsyncSession, ledger: Ledger, credentials: Iterable[int], now: int
) -> None:
    """Write what has changed about the keys of `credentials`; before their rows are compiled."""
    for part in chunks(credentials):
        at = await _compiled_at(session, part)
        keys = {key for _, key in at} | await _current_keys(session, part)
        said = await _said(session, keys)
        causes = await _causes(session, keys)
        bad = {key for key in keys if causes.get(key, DenyCause.REVOKED) and is_point(key)}
        at |= set(product(await _takers(session), bad)) if bad else set()
        refused = await _refused(session, keys)
        wanted = {
            place: causes.get(place[1], DenyCause.REVOKED) or refused.get(place)
            for place in {*at, *said}
        }
        await _say(session, ledger, wanted, said, at | refused.keys(), now=now)


async def update_refusals(
    session: AsyncSession, ledger: Ledger, keys: Iterable[bytes], readers: Iterable[str], now: int
) -> None:
    """Write what has changed about refused device `keys`, and at `readers` of which all may have.

    What a key's credentials say of it stands, whatever a site says. Who refuses a key goes on doing
    so, also if the door takes no documents any more, until the key is refused nowhere.
    """
    edited, some = set(keys), set(readers)
    refused = await _refused(session, edited, some)
    still = {key for _, key in refused}
    needed = refused.keys() | await _held_back(session, some)
    for part in chunks(sorted(edited | {key for _, key in needed})):
        concerned = set(part)
        said = await _said(session, concerned, None if edited & concerned else some)
        causes = await _causes(session, concerned)
        held = await _ever_held(session, part)
        places = {place for place in needed if place[1] in concerned}
        places |= {place for place in said if place[1] in edited}
        wanted = {
            place: causes.get(place[1], DenyCause.REVOKED if place[1] in held else None)
            or refused.get(place)
            for place in places
        }
        news = {place: cause for place, cause in wanted.items() if cause or place[1] not in still}
        await _say(session, ledger, news, said, needed, now=now)


async def _say(
    session: AsyncSession,
    ledger: Ledger,
    wanted: Mapping[Place, DenyCause | None],
    said: Mapping[Place, str | None],
    needed: Collection[Place],
    *,
    now: int,
) -> None:
    """Write the difference. A refusal is news only where it is `needed`."""
    await ledger.open({reader for reader, _ in wanted})
    news: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for place, cause in sorted(wanted.items(), key=lambda each: each[0]):
        if _is_news(cause, said.get(place), needed=place in needed):
            entry = _entry(place, ledger.account(place[0]).next_denial(), cause, now)
            news[place in said].append(entry)
    connection = await session.connection()
    for again, entries in news.items():
        for part in chunks(entries):
            await connection.execute(_UPDATE if again else _INSERT, part)


async def _refused(
    session: AsyncSession, keys: Collection[bytes], readers: Collection[str] = ()
) -> dict[Place, DenyCause]:
    """Return where sites refuse these device keys, and any at `readers`: only for documents."""
    if not keys and not readers:
        return {}
    kept = await session.execute(select(Site.id, Site.refused_keys))
    sites = {number: refused for number, refused in kept if refused}
    found: dict[Place, DenyCause] = {}
    for reader, site in (await _takers(session)).items() if sites else ():
        for each in sites.get(site, ()):
            key = bytes.fromhex(each["public_key"])
            if key in keys or reader in readers:
                found[reader, key] = DenyCause(each["cause"])
    return found


async def _takers(session: AsyncSession) -> dict[str, int]:
    """Return the readers whose doors take documents, and the numbers of their sites."""
    query = (
        select(Reader.id, Door.site_id, Door.methods)
        .join(Door, Door.id == Reader.door_id)
        .where(cast(Door.methods, String).contains(_TAKES))
    )
    found = await session.execute(query)
    return {reader: site for reader, site, methods in found if _TAKES in methods}


async def _held_back(session: AsyncSession, readers: Collection[str]) -> set[Place]:
    """Return where keys of credentials that must not open begin to be ones to say so of.

    That is at those of `readers` whose doors have begun to take documents with this edit.
    """
    takers = readers & (await _takers(session)).keys() if readers else set()
    fresh = set(takers)
    for part in chunks(takers):
        query = select(CompiledRow.reader_id, CompiledRow.body).where(
            CompiledRow.reader_id.in_(part), CompiledRow.row_key == DOOR_KEY
        )
        for reader, body in await session.execute(query):
            row = decode_row(body)
            if isinstance(row, DoorRow) and Method.ALIRO_NFC_DOCUMENT in row.methods:
                fresh.discard(reader)
    return set(product(fresh, await _bad_keys(session))) if fresh else set()


async def _bad_keys(session: AsyncSession) -> set[bytes]:
    """Return the keys of credentials that are there, and must not open."""
    query = (
        select(Credential.public_key)
        .join(Person, Person.id == Credential.person_id)
        .where(
            Credential.public_key.is_not(None),
            Credential.deleted_at.is_(None),
            or_(Credential.state.in_(_BY_STATE), ~Person.enabled),
        )
    )
    return {key for key in await session.scalars(query) if key is not None and is_point(key)}


async def _ever_held(session: AsyncSession, keys: list[bytes]) -> set[bytes]:
    """Return those that are of some credential, or were until it was removed: it keeps the hash."""
    hashes = {key_hash(key): key for key in keys}
    query = select(Credential.key_hash).where(Credential.key_hash.in_(hashes))
    return {hashes[found] for found in await session.scalars(query) if found is not None}


def _entry(
    place: tuple[str, bytes], counter: int, cause: DenyCause | None, now: int
) -> dict[str, Any]:
    reader, key = place
    return {
        "new_reader": reader,
        "new_key": key,
        "new_counter": counter,
        "new_cause": cause and cause.value,
        "now": now,
    }


def _is_news(cause: DenyCause | None, said: str | None, *, needed: bool) -> bool:
    if (cause and cause.value) == said:
        return False
    return cause is None or needed


async def _compiled_at(session: AsyncSession, credentials: list[int]) -> set[tuple[str, bytes]]:
    """Return (reader, key) of every compiled row of `credentials`."""
    query = select(CompiledRow.reader_id, CompiledRow.row_key).where(
        CompiledRow.credential_id.in_(credentials)
    )
    return {(reader, row[2 : 2 + row[1]]) for reader, row in await session.execute(query)}


async def _current_keys(session: AsyncSession, credentials: list[int]) -> set[bytes]:
    query = select(Credential.public_key).where(
        Credential.id.in_(credentials), Credential.public_key.is_not(None)
    )
    return {key for key in await session.scalars(query) if key is not None}


async def _said(
    session: AsyncSession, keys: set[bytes], readers: Collection[str] | None = None
) -> dict[Place, str | None]:
    """Return the cause that stands in the deny sets (of all, or of `readers`)."""
    found: dict[Place, str | None] = {}
    for part in chunks(sorted(keys)):
        query = select(Denial.reader_id, Denial.key, Denial.cause).where(Denial.key.in_(part))
        if readers is not None and len(readers) <= CHUNK:
            query = query.where(Denial.reader_id.in_(readers))
        for reader, key, cause in await session.execute(query):
            found[reader, key] = cause
    return found


async def _causes(session: AsyncSession, keys: set[bytes]) -> dict[bytes, DenyCause | None]:
    """Return why each of `keys` is refused (None: it is not); a key that nobody holds is absent."""
    causes: dict[bytes, DenyCause | None] = {}
    for part in chunks(sorted(keys)):
        query = (
            select(Credential.public_key, Credential.state, Person.enabled)
            .join(Person, Person.id == Credential.person_id)
            .where(
                Credential.public_key.in_(part),
                Credential.issuance == "active",
                Credential.deleted_at.is_(None),
                Person.deleted_at.is_(None),
            )
        )
        for key, state, enabled in await session.execute(query):
            if key is not None:
                causes[key] = _BY_STATE.get(state, None if enabled else DenyCause.SUSPENDED)
    return causes
