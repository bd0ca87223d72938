"""Groups: people who get access together."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.drafts import Draft
from controller.intent.links import GROUP_PEOPLE, GROUP_PLANS, linked, set_links, unlink
from controller.lookup import check_exist, check_free, existing
from controller.pages import Page, Window, fetch
from controller.store.tables import Group, GroupMember, Person
from controller.store.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group and how many people are in it."""

    group: Group
    people_count: int


async def page(session: AsyncSession, window: Window) -> Page[GroupView]:
    """Return a page of groups, in order of name."""
    found = await fetch(session, _groups().order_by(Group.name, Group.id), window)
    return Page([GroupView(*row) for row in found.items], found.total, window)


async def get(session: AsyncSession, number: int) -> GroupView:
    """Return one group. Raises `NotFound`."""
    await existing(session, Group, number)
    return GroupView(*(await session.execute(_groups().where(Group.id == number))).one())


async def create(uow: UnitOfWork, draft: Draft) -> GroupView:
    """Make a group. Raises `Invalid`."""
    draft.require("name")
    await _check(uow, draft)
    draft.check()
    columns = draft.only(("name", "notes"))
    group = Group(**columns, created_at=uow.now, updated_at=uow.now)
    uow.session.add(group)
    await uow.session.flush()
    uow.subject = f"group {group.id}"
    await _set_people(uow, group.id, draft)
    return await get(uow.session, group.id)


async def update(uow: UnitOfWork, number: int, draft: Draft) -> GroupView:
    """Change a group; `person_ids` replace who is in it. Raises `NotFound` and `Invalid`."""
    group = await existing(uow.session, Group, number)
    await _check(uow, draft, but=number)
    draft.check()
    draft.copy_to(group, ("name", "notes"))
    group.updated_at = uow.now
    await _set_people(uow, number, draft)
    await uow.session.flush()
    return await get(uow.session, number)


async def remove(uow: UnitOfWork, number: int) -> None:
    """Remove a group, from its access plans too. Raises `NotFound`."""
    group = await existing(uow.session, Group, number)
    members = (await linked(uow.session, GROUP_PEOPLE, [number]))[number]
    for plan in (await linked(uow.session, GROUP_PLANS, [number]))[number]:
        uow.touch_plan(plan, people=members)
    await unlink(uow.session, GROUP_PEOPLE, number)
    await unlink(uow.session, GROUP_PLANS, number)
    await uow.session.delete(group)


async def add_person(uow: UnitOfWork, number: int, person: int) -> GroupView:
    """Put one person into a group, or leave them there. Raises `NotFound`."""
    group = await existing(uow.session, Group, number)
    await existing(uow.session, Person, person)
    if await uow.session.get(GroupMember, (number, person)) is None:
        uow.session.add(GroupMember(group_id=number, person_id=person))
        group.updated_at = uow.now
        uow.touch_people([person])
    await uow.session.flush()
    return await get(uow.session, number)


async def remove_person(uow: UnitOfWork, number: int, person: int) -> GroupView:
    """Take one person out of a group, if they are in it. Raises `NotFound`."""
    group = await existing(uow.session, Group, number)
    await existing(uow.session, Person, person)
    if (member := await uow.session.get(GroupMember, (number, person))) is not None:
        await uow.session.delete(member)
        group.updated_at = uow.now
        uow.touch_people([person])
    await uow.session.flush()
    return await get(uow.session, number)


async def _set_people(uow: UnitOfWork, number: int, draft: Draft) -> None:
    if "person_ids" in draft:
        people = draft.get("person_ids")
        uow.touch_people(await set_links(uow.session, GROUP_PEOPLE, number, people))


async def _check(uow: UnitOfWork, draft: Draft, but: int | None = None) -> None:
    await check_free(uow.session, Group.name, draft, but)
    await check_exist(uow.session, Person, draft, "person_ids")


def _groups() -> Select[Group, int]:
    count = (
        select(func.count())
        .select_from(GroupMember)
        .where(GroupMember.group_id == Group.id)
        .scalar_subquery()
    )
    return select(Group, count)
