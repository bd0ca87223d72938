"""Many people and their cards at once: all of them, or none.

Whatever is wrong is said with the index of the person: `people[17].email`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from controller.compiler.chunks import chunks
from controller.drafts import Draft
from controller.intent.card_values import CardValue, read_value
from controller.intent.credential_types import CARD, CARD_NUMBER, CredentialType
from controller.intent.credentials import new_handle
from controller.intent.keys import OURS, is_ours, key_hash, own_keys
from controller.intent.people import COLUMNS, REQUIRED, WORDS
from controller.intent.person_search import index_people, words_of
from controller.lookup import missing
from controller.problems import Invalid
from controller.store.tables import Base, Credential, Group, GroupMember, Person
from controller.store.uow import UnitOfWork
from shared.credential.p256 import OwnKeys

MAX_PEOPLE = 20_000
# Nobody reads more; what is wrong beyond is said at the next try.
MAX_ERRORS = 500
_TAKEN = "is taken by another person, here or in this list"


@dataclass(frozen=True, slots=True)
class Imported:
    """How many people and credentials were made."""

    created: int
    credentials: int


@dataclass(frozen=True, slots=True)
class _Card:
    person: int  # index in the list
    field: str
    draft: Draft
    kind: CredentialType
    value: CardValue
    label: str


async def import_people(uow: UnitOfWork, drafts: list[Draft]) -> Imported:
    """Make a person of each draft, with groups and cards. Raises `Invalid`."""
    for draft in drafts:
        draft.require(*REQUIRED)
    await _check_people(uow.session, drafts)
    cards = await _read_cards(drafts, await own_keys(uow.session, uow.issuer))
    await _check_cards(uow.session, cards)
    _raise_all(drafts)
    people = await _insert_people(uow, drafts)
    await _insert_groups(uow, drafts, people)
    await _insert_cards(uow, cards, people)
    uow.subject = f"{len(people)} people"
    uow.touch_people(people)
    return Imported(len(people), len(cards))


async def _check_people(session: AsyncSession, drafts: list[Draft]) -> None:
    for column in (Person.email, Person.system_id):
        await _check_free(session, drafts, column)
    groups = {number for draft in drafts for number in draft.get("group_ids", [])}
    unknown = set(await missing(session, Group, groups))
    for draft in drafts:
        for number in sorted(unknown.intersection(draft.get("group_ids", []))):
            draft.add("group_ids", f"there is no group {number}")
        valid_from, valid_to = draft.get("valid_from"), draft.get("valid_to")
        if valid_from is not None and valid_to is not None and valid_to <= valid_from:
            draft.add("valid_to", "is not after valid_from")


async def _check_free(
    session: AsyncSession, drafts: list[Draft], column: InstrumentedAttribute[str | None]
) -> None:
    given = Counter(draft.get(column.key) for draft in drafts)
    taken = {value for value, count in given.items() if count > 1}
    for part in chunks(value for value in given if value is not None):
        taken.update(await session.scalars(select(column).where(column.in_(part))))
    for draft in drafts:
        value = draft.get(column.key)
        if value is not None and value in taken:
            draft.add(column.key, _TAKEN)


async def _read_cards(drafts: list[Draft], ours: OwnKeys) -> list[_Card]:
    """Read every card's key. Twenty thousand points take seconds, so it is done in a thread."""
    return await asyncio.to_thread(lambda: list(_cards(drafts, ours)))


def _cards(drafts: list[Draft], ours: OwnKeys) -> Iterator[_Card]:
    for index, draft in enumerate(drafts):
        for number, card in enumerate(draft.get("cards", [])):
            name, kind = _given(card)
            field = f"cards[{number}].{name}"
            try:
                value = read_value(kind, card[name])
            except ValueError as error:
                draft.add(field, str(error))
                continue
            if is_ours(value.identifier, ours):
                draft.add(field, OURS)
            yield _Card(index, field, draft, kind, value, card.get("label") or kind.label)


def _given(card: dict[str, Any]) -> tuple[str, CredentialType]:
    """Return which member of `card` says what it is, and what kind of credential that makes."""
    return ("card_number", CARD_NUMBER) if card.get("card_number") else ("public_key", CARD)


async def _check_cards(session: AsyncSession, cards: list[_Card]) -> None:
    given = Counter(card.value.identifier for card in cards)
    taken = {point for point, count in given.items() if count > 1}
    column = Credential.public_key
    for part in chunks(given):
        found = await session.scalars(select(column).where(column.in_(part)))
        taken.update(point for point in found if point is not None)
    for card in cards:
        if card.value.identifier in taken:
            card.draft.add(card.field, "is in use, here or in this list")


def _raise_all(drafts: list[Draft]) -> None:
    errors = {
        f"people[{index}].{field}": texts
        for index, draft in enumerate(drafts)
        for field, texts in draft.errors.items()
    }
    if errors:
        raise Invalid(dict(list(errors.items())[:MAX_ERRORS]))


async def _insert_people(uow: UnitOfWork, drafts: list[Draft]) -> list[int]:
    """Return the numbers of the new people, in order of `drafts`."""
    given = [dict.fromkeys(COLUMNS) | _defaults() | draft.only(COLUMNS) for draft in drafts]
    rows = [{**person, "created_at": uow.now, "updated_at": uow.now} for person in given]
    people = await _numbered(uow.session, rows)
    words = (words_of(*(person[name] for name in WORDS)) for person in given)
    await index_people(uow.session, dict(zip(people, words, strict=True)))
    return people


async def _numbered(session: AsyncSession, rows: list[dict[str, Any]]) -> list[int]:
    """Insert people and return their numbers in order of `rows`.

    Databases number the rows of one statement as they come, but do not promise it: it is checked.
    """
    table = Base.metadata.tables[Person.__tablename__]
    told = [table.c[name] for name in WORDS]
    statement = insert(table).returning(table.c.id, *told)
    connection = await session.connection()
    made: list[tuple[Any, ...]] = []
    for part in chunks(rows):
        made.extend(sorted(map(tuple, await connection.execute(statement, part))))
    for (_, *said), row in zip(made, rows, strict=True):
        if said != [row[name] for name in WORDS]:
            raise RuntimeError("the database has numbered people out of order")
    return [number for number, *_ in made]


def _defaults() -> dict[str, Any]:
    return {"enabled": True, "extended_release": False, "override_lockdown": False}


async def _insert_groups(uow: UnitOfWork, drafts: list[Draft], people: list[int]) -> None:
    await _insert(
        uow,
        GroupMember,
        (
            {"group_id": group, "person_id": person}
            for draft, person in zip(drafts, people, strict=True)
            for group in sorted(set(draft.get("group_ids", [])))
        ),
    )


async def _insert_cards(uow: UnitOfWork, cards: list[_Card], people: list[int]) -> None:
    await _insert(
        uow,
        Credential,
        (
            {
                "handle": new_handle(uow),
                "person_id": people[card.person],
                "type_id": card.kind.id,
                "label": card.label,
                "external_id": card.value.text if card.kind.cloneable else None,
                "public_key": card.value.identifier,
                "key_hash": key_hash(card.value.identifier),
                "state": "active",
                "issuance": "active",
                "created_at": uow.now,
                "updated_at": uow.now,
            }
            for card in cards
        ),
    )


async def _insert(uow: UnitOfWork, table: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    connection = await uow.session.connection()
    statement = insert(Base.metadata.tables[table.__tablename__])
    for part in chunks(rows, 5_000):
        await connection.execute(statement, part)
