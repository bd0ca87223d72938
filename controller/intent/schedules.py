"""Schedules: weekly times and holiday rules, kept in the shape of the API."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.drafts import Draft
from controller.lookup import check_free, existing
from controller.pages import Page, Window, fetch
from controller.problems import Conflict
from controller.store.tables import AccessPlan, Door, Schedule
from controller.store.uow import UnitOfWork
from controller.timetable import merge_blocks, merge_times


async def page(session: AsyncSession, window: Window) -> Page[Schedule]:
    """Return a page of schedules, in order of name."""
    found = await fetch(session, select(Schedule).order_by(Schedule.name, Schedule.id), window)
    return Page([schedule for (schedule,) in found.items], found.total, window)


async def get(session: AsyncSession, number: int) -> Schedule:
    """Return one schedule. Raises `NotFound`."""
    return await existing(session, Schedule, number)


async def create(uow: UnitOfWork, draft: Draft) -> Schedule:
    """Make a schedule; without times it is never open. Raises `Invalid`."""
    draft.require("name")
    await check_free(uow.session, Schedule.name, draft)
    draft.check()
    schedule = Schedule(name=draft.get("name"), times=[], holidays=[])
    _set_times(schedule, draft)
    uow.session.add(schedule)
    await uow.session.flush()
    uow.subject = f"schedule {schedule.id}"
    return schedule


async def update(uow: UnitOfWork, number: int, draft: Draft) -> Schedule:
    """Change a schedule; every reader that has it is told. Raises `NotFound` and `Invalid`."""
    schedule = await existing(uow.session, Schedule, number)
    await check_free(uow.session, Schedule.name, draft, but=number)
    draft.check()
    draft.copy_to(schedule, ("name",))
    _set_times(schedule, draft)
    uow.touch_schedules([number])
    return schedule


async def delete(uow: UnitOfWork, number: int) -> None:
    """Remove a schedule. Raises `NotFound`, and `Conflict` while something follows it."""
    schedule = await existing(uow.session, Schedule, number)
    plan = select(AccessPlan.name).where(AccessPlan.schedule_id == number).limit(1)
    door = select(Door.name).where(Door.unlock_schedule_id == number, Door.deleted_at.is_(None))
    for what, query in (("access plan", plan), ("door", door.limit(1))):
        if (name := await uow.session.scalar(query)) is not None:
            raise Conflict(f"the {what} {name!r} follows this schedule; give it another one first")
    await uow.session.delete(schedule)


def _set_times(schedule: Schedule, draft: Draft) -> None:
    if "times" in draft:
        schedule.times = merge_blocks(draft.get("times"))
    if "holidays" in draft:
        schedule.holidays = [
            {**rule, "times": merge_times(rule["times"])} for rule in draft.get("holidays")
        ]
