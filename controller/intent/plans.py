"""Access plans: groups and people, at doors, by a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.drafts import Draft
from controller.intent.links import PLAN_DOORS, PLAN_GROUPS, PLAN_PEOPLE, linked, set_links
from controller.lookup import check_exist, check_free, existing
from controller.pages import Page, Window, fetch
from controller.store.tables import (
    AccessPlan,
    AccessPlanDoor,
    AccessPlanGroup,
    AccessPlanPerson,
    Door,
    Group,
    GroupMember,
    Person,
    Schedule,
)
from controller.store.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class PlanView:
    """An access plan with what it joins, as numbers in order."""

    plan: AccessPlan
    group_ids: list[int]
    person_ids: list[int]
    door_ids: list[int]


async def page(session: AsyncSession, window: Window) -> Page[PlanView]:
    """Return a page of access plans, in order of name."""
    query = select(AccessPlan).order_by(AccessPlan.name, AccessPlan.id)
    found = await fetch(session, query, window)
    views = await _views(session, [plan for (plan,) in found.items])
    return Page(views, found.total, window)


async def get(session: AsyncSession, number: int) -> PlanView:
    """Return one access plan. Raises `NotFound`."""
    return (await _views(session, [await existing(session, AccessPlan, number)]))[0]


async def create(uow: UnitOfWork, draft: Draft) -> PlanView:
    """Make an access plan. Raises `Invalid`."""
    draft.require("name")
    await _check(uow, draft)
    draft.check()
    columns = draft.only(("name", "notes", "schedule_id"))
    plan = AccessPlan(**columns, created_at=uow.now, updated_at=uow.now)
    uow.session.add(plan)
    await uow.session.flush()
    uow.subject = f"access plan {plan.id}"
    await _set_all_links(uow, plan.id, draft)
    return await get(uow.session, plan.id)


async def update(uow: UnitOfWork, number: int, draft: Draft) -> PlanView:
    """Change an access plan; lists that are given replace. Raises `NotFound` and `Invalid`."""
    plan = await existing(uow.session, AccessPlan, number)
    await _check(uow, draft, but=number)
    draft.check()
    different = draft.copy_to(plan, ("name", "notes", "schedule_id"))
    plan.updated_at = uow.now
    await _set_all_links(uow, number, draft)
    if "schedule_id" in different:
        uow.touch_plan(number)
        uow.touch_doors(await _doors_of(uow.session, number))
    await uow.session.flush()
    return await get(uow.session, number)


async def remove(uow: UnitOfWork, number: int) -> None:
    """Remove an access plan: nobody enters by it any more. Raises `NotFound`."""
    plan = await existing(uow.session, AccessPlan, number)
    uow.touch_plan(number)
    uow.touch_doors(await _doors_of(uow.session, number))
    for table in (AccessPlanGroup, AccessPlanPerson, AccessPlanDoor):
        await uow.session.execute(delete(table).where(table.plan_id == number))
    await uow.session.delete(plan)


async def _set_all_links(uow: UnitOfWork, number: int, draft: Draft) -> None:
    """Replace the lists that were given, and touch exactly what that can affect."""
    session = uow.session
    if "group_ids" in draft:
        groups = await set_links(session, PLAN_GROUPS, number, draft.get("group_ids"))
        uow.touch_plan(number, people=await _members(session, groups))
    if "person_ids" in draft:
        people = await set_links(session, PLAN_PEOPLE, number, draft.get("person_ids"))
        uow.touch_plan(number, people=people)
    if "door_ids" in draft:
        doors = await set_links(session, PLAN_DOORS, number, draft.get("door_ids"))
        uow.touch_plan(number, doors=doors)
        uow.touch_doors(doors)


async def _check(uow: UnitOfWork, draft: Draft, but: int | None = None) -> None:
    session = uow.session
    await check_free(session, AccessPlan.name, draft, but)
    await check_exist(session, Schedule, draft, "schedule_id")
    await check_exist(session, Group, draft, "group_ids")
    await check_exist(session, Person, draft, "person_ids")
    await check_exist(session, Door, draft, "door_ids")


async def _members(session: AsyncSession, groups: Iterable[int]) -> set[int]:
    query = select(GroupMember.person_id).where(GroupMember.group_id.in_(list(groups)))
    return set(await session.scalars(query))


async def _doors_of(session: AsyncSession, plan: int) -> set[int]:
    query = select(AccessPlanDoor.door_id).where(AccessPlanDoor.plan_id == plan)
    return set(await session.scalars(query))


async def _views(session: AsyncSession, plans: list[AccessPlan]) -> list[PlanView]:
    numbers = [plan.id for plan in plans]
    groups = await linked(session, PLAN_GROUPS, numbers)
    people = await linked(session, PLAN_PEOPLE, numbers)
    doors = await linked(session, PLAN_DOORS, numbers)
    return [PlanView(plan, groups[plan.id], people[plan.id], doors[plan.id]) for plan in plans]
