"""People: who they are, whether and how long they may enter, what groups they are in."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.drafts import Draft
from controller.intent import credentials
from controller.intent.links import PERSON_GROUPS, PERSON_PLANS, linked, set_links, unlink
from controller.intent.person_search import containing, index_people, words_of
from controller.lookup import check_exist, check_free, existing
from controller.pages import Page, Window, fetch
from controller.store.tables import Group, GroupMember, Person
from controller.store.uow import UnitOfWork

REQUIRED = ("first_name", "last_name")
CONTACT = ("email", "mobile", "system_id", "department", "job_title", "notes")
RIGHTS = ("enabled", "extended_release", "override_lockdown", "valid_from", "valid_to")
# What they are found by.
WORDS = (*REQUIRED, "email", "system_id")
COLUMNS = (*REQUIRED, *CONTACT, *RIGHTS)


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person and the numbers of their groups."""

    person: Person
    group_ids: list[int]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which people: `email` has this part, `system_id` is this, `words` begin words of theirs."""

    email: str | None = None
    system_id: str | None = None
    words: str | None = None
    group_id: int | None = None


async def page(session: AsyncSession, which: Filter, window: Window) -> Page[PersonView]:
    """Return a page of the people that `which` lets through, in order of last name."""
    ordered = _matching(which).order_by(Person.last_name, Person.first_name, Person.id)
    found = await fetch(session, ordered, window)
    groups = await linked(session, PERSON_GROUPS, [person.id for (person,) in found.items])
    views = [PersonView(person, groups[person.id]) for (person,) in found.items]
    return Page(views, found.total, window)


async def get(session: AsyncSession, number: int) -> PersonView:
    """Return one person. Raises `NotFound`."""
    person = await existing(session, Person, number)
    return PersonView(person, (await linked(session, PERSON_GROUPS, [number]))[number])


async def create(uow: UnitOfWork, draft: Draft) -> PersonView:
    """Make a person. Raises `Invalid`."""
    draft.require(*REQUIRED)
    await _check(uow, draft, None)
    draft.check()
    person = Person(**draft.only(COLUMNS), created_at=uow.now, updated_at=uow.now)
    uow.session.add(person)
    await uow.session.flush()
    await index_people(uow.session, {person.id: _words(person)})
    uow.subject = f"person {person.id}"
    await _set_groups(uow, person, draft)
    return await get(uow.session, person.id)


async def update(uow: UnitOfWork, number: int, draft: Draft) -> PersonView:
    """Change a person; `group_ids` replace their groups. Raises `NotFound` and `Invalid`."""
    person = await existing(uow.session, Person, number)
    await _check(uow, draft, person)
    draft.check()
    different = draft.copy_to(person, COLUMNS)
    person.updated_at = uow.now
    if different & set(WORDS):
        await index_people(uow.session, {number: _words(person)})
    if different & set(RIGHTS):
        uow.touch_people([number])
    await _set_groups(uow, person, draft)
    await uow.session.flush()
    return await get(uow.session, number)


async def remove(uow: UnitOfWork, number: int) -> None:
    """Remove a person and all credentials; the name stays for the record. Raises `NotFound`."""
    person = await existing(uow.session, Person, number)
    await credentials.remove_all_of(uow, number)
    await unlink(uow.session, PERSON_GROUPS, number)
    await unlink(uow.session, PERSON_PLANS, number)
    for name in CONTACT:
        setattr(person, name, None)
    await index_people(uow.session, {number: set()})
    person.enabled = False
    person.deleted_at = person.updated_at = uow.now
    uow.touch_people([number])


def _words(person: Person) -> set[str]:
    return words_of(*(getattr(person, name) for name in WORDS))


def _matching(which: Filter) -> Select[Person]:
    query = select(Person).where(Person.deleted_at.is_(None))
    if which.email:
        # Several times as fast as LIKE: something of the address goes when the part is taken out.
        # By itself, because the index of addresses has all it takes; people are not looked at.
        without = func.replace(Person.email, which.email.lower(), "")
        query = query.where(Person.id.in_(select(Person.id).where(without != Person.email)))
    if which.system_id is not None:
        query = query.where(Person.system_id == which.system_id)
    if which.words is not None:
        query = containing(query, which.words)
    if which.group_id is not None:
        members = select(GroupMember.person_id).where(GroupMember.group_id == which.group_id)
        query = query.where(Person.id.in_(members))
    return query


async def _set_groups(uow: UnitOfWork, person: Person, draft: Draft) -> None:
    if "group_ids" not in draft:
        return
    if await set_links(uow.session, PERSON_GROUPS, person.id, draft.get("group_ids")):
        uow.touch_people([person.id])


async def _check(uow: UnitOfWork, draft: Draft, person: Person | None) -> None:
    but = None if person is None else person.id
    await check_free(uow.session, Person.email, draft, but)
    await check_free(uow.session, Person.system_id, draft, but)
    await check_exist(uow.session, Group, draft, "group_ids")
    valid_from = draft.get("valid_from", person and person.valid_from)
    valid_to = draft.get("valid_to", person and person.valid_to)
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        draft.add("valid_to", "is not after valid_from")
