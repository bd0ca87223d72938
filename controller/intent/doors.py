"""Doors: their settings, and the modes an operator wants of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.drafts import Draft
from controller.lookup import check_exist, check_free, existing
from controller.pages import Page, Window, fetch
from controller.problems import Conflict
from controller.store.tables import AccessPlanDoor, Door, Reader, ReaderPlan, Schedule, Site
from controller.store.uow import UnitOfWork
from shared.access.rows import Method

# The un-encrypted flow of PKOC over BLE is for doors that ask for it.
DEFAULT_METHODS = [Method.PKOC_NFC.value, Method.PKOC_BLE_ECDHE.value]

# "Until I say otherwise": the last second of the year 9999, in milliseconds.
UNTIL_CANCELLED = 253_402_300_799_000

SETTINGS = (
    "site_id",
    "name",
    "methods",
    "release_seconds",
    "release_extended_seconds",
    "held_after_seconds",
    "lease_seconds",
    "fail_safe",
    "unlock_schedule_id",
    "first_person_in",
    "reader_certificate",
    "lockdown",
    "maintenance",
    "lock_until",
    "unlock_until",
)


@dataclass(frozen=True, slots=True)
class DoorView:
    """A door with its reader, if it has one."""

    door: Door
    reader: Reader | None
    plan: ReaderPlan | None


async def page(session: AsyncSession, site: int | None, window: Window) -> Page[DoorView]:
    """Return a page of doors (of `site`), in order of name."""
    query = _doors().order_by(Door.name, Door.id)
    if site is not None:
        query = query.where(Door.site_id == site)
    found = await fetch(session, query, window)
    return Page([DoorView(*row) for row in found.items], found.total, window)


async def get(session: AsyncSession, number: int) -> DoorView:
    """Return one door. Raises `NotFound`."""
    await existing(session, Door, number)
    row = (await session.execute(_doors().where(Door.id == number))).one()
    return DoorView(*row)


async def create(uow: UnitOfWork, draft: Draft) -> DoorView:
    """Make a door, at the only site if no other is named. Raises `Invalid`."""
    draft.require("name")
    await _check(uow, draft)
    if "site_id" not in draft:
        await _default_site(uow, draft)
    draft.check()
    door = Door(**{"methods": DEFAULT_METHODS, **draft.only(SETTINGS)})
    uow.session.add(door)
    await uow.session.flush()
    uow.subject = f"door {door.id}"
    return await get(uow.session, door.id)


async def update(uow: UnitOfWork, number: int, draft: Draft) -> DoorView:
    """Change settings or modes of a door. Raises `NotFound` and `Invalid`."""
    door = await existing(uow.session, Door, number)
    await _check(uow, draft, but=number)
    draft.check()
    if draft.copy_to(door, SETTINGS) - {"name"}:
        uow.touch_doors([number])
    await uow.session.flush()
    return await get(uow.session, number)


async def remove(uow: UnitOfWork, number: int) -> None:
    """Remove a door, from its access plans too. Raises `NotFound`, and `Conflict` with a reader."""
    door = await existing(uow.session, Door, number)
    reader = await uow.session.scalar(select(Reader.name).where(Reader.door_id == number))
    if reader is not None:
        raise Conflict(f"the reader {reader!r} serves this door; delete the reader first")
    await uow.session.execute(delete(AccessPlanDoor).where(AccessPlanDoor.door_id == number))
    door.deleted_at = uow.now
    door.unlock_schedule_id = None


async def unlock(uow: UnitOfWork, number: int, draft: Draft) -> DoorView:
    """Keep a door unlocked until `relock_at`, or until it is set to normal.

    Raises `NotFound`, and `Invalid` for a time that is over.
    """
    door = await existing(uow.session, Door, number)
    until = draft.get("relock_at") or UNTIL_CANCELLED
    if until <= uow.now:
        draft.add("relock_at", "is in the past")
    draft.check()
    return await _set_modes(uow, door, unlock_until=until, lock_until=None)


async def normal(uow: UnitOfWork, number: int) -> DoorView:
    """End an unlock or a lock that somebody set by hand; a lockdown stays. Raises `NotFound`."""
    door = await existing(uow.session, Door, number)
    return await _set_modes(uow, door, unlock_until=None, lock_until=None)


async def lockdown(uow: UnitOfWork, number: int, *, on: bool) -> DoorView:
    """Begin or end a lockdown. Raises `NotFound`."""
    door = await existing(uow.session, Door, number)
    return await _set_modes(uow, door, lockdown=on)


async def _set_modes(uow: UnitOfWork, door: Door, **modes: int | bool | None) -> DoorView:
    for name, value in modes.items():
        setattr(door, name, value)
    uow.touch_doors([door.id])
    await uow.session.flush()
    return await get(uow.session, door.id)


async def _check(uow: UnitOfWork, draft: Draft, but: int | None = None) -> None:
    await check_free(uow.session, Door.name, draft, but)
    await check_exist(uow.session, Site, draft, "site_id")
    await check_exist(uow.session, Schedule, draft, "unlock_schedule_id")


async def _default_site(uow: UnitOfWork, draft: Draft) -> None:
    first, count = (await uow.session.execute(select(func.min(Site.id), func.count()))).one()
    if count == 1:
        draft.fields["site_id"] = first
    else:
        draft.add("site_id", "is required, because there is more than one site")


def _doors() -> Select[Door, Reader | None, ReaderPlan | None]:
    return (
        select(Door, Reader, ReaderPlan)
        .outerjoin(Reader, Reader.door_id == Door.id)
        .outerjoin(ReaderPlan, ReaderPlan.reader_id == Reader.id)
        .where(Door.deleted_at.is_(None))
    )
