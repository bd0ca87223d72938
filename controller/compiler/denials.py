"""Revocations that overtake: the readers' deny sets, kept in step with keys and their holders.

A key that must not open goes into the deny set of every reader whose plan has a row for it, so
that the refusal need not wait for the plan; once the key is good again, it is taken back wherever
it was said. A device key that a site refuses goes to those of its doors that take documents: nobody
here need have enrolled it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.compiler.ledger import Ledger
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
from shared.access.rows import Method

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

    What a key's credentials say of it stands, whatever a site says. A reader whose door takes
    documents no longer goes on refusing, until the key is refused nowhere.
    """
    some, concerned = set(readers), set(keys)
    everywhere = await _refused(session)
    concerned |= {key for reader, key in everywhere if reader in some}
    for part in chunks(sorted(concerned)):
        said = await _said(session, set(part))
        causes = await _causes(session, set(part))
        held = await _ever_held(session, part)
        refused = {place: cause for place, cause in everywhere.items() if place[1] in part}
        wanted = {
            place: causes.get(place[1], DenyCause.REVOKED if place[1] in held else None)
            or refused.get(place)
            for place in {*refused, *said}
        }
        await _say(session, ledger, wanted, said, refused.keys(), now=now)


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
    session: AsyncSession, keys: Collection[bytes] | None = None
) -> dict[Place, DenyCause]:
    """Return where sites refuse device keys (all, or these): at doors that take documents."""
    kept = await session.execute(select(Site.id, Site.refused_keys))
    sites = {number: refused for number, refused in kept if refused}
    if not sites:
        return {}
    query = (
        select(Reader.id, Door.site_id, Door.methods)
        .join(Door, Door.id == Reader.door_id)
        .where(Door.site_id.in_(sites))
    )
    found: dict[Place, DenyCause] = {}
    for reader, site, methods in await session.execute(query):
        if Method.ALIRO_NFC_DOCUMENT.value not in methods:
            continue
        for each in sites[site]:
            key = bytes.fromhex(each["public_key"])
            if keys is None or key in keys:
                found[reader, key] = DenyCause(each["cause"])
    return found


async def _ever_held(session: AsyncSession, keys: list[bytes]) -> set[bytes]:
    """Return those that are or were of some credential."""
    query = select(Credential.public_key).where(Credential.public_key.in_(keys))
    return {key for key in await session.scalars(query) if key is not None}


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


async def _said(session: AsyncSession, keys: set[bytes]) -> dict[tuple[str, bytes], str | None]:
    """Return the cause that stands in the deny sets, by reader and key."""
    found: dict[tuple[str, bytes], str | None] = {}
    for part in chunks(sorted(keys)):
        query = select(Denial.reader_id, Denial.key, Denial.cause).where(Denial.key.in_(part))
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
