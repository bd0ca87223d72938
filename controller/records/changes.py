"""Changes: who did what, and which readers have it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.lookup import existing
from controller.pages import Page, Window, fetch
from controller.store.tables import Change, ChangeTarget, Reader, ReaderPlan


@dataclass(frozen=True, slots=True)
class Target:
    """A reader that a change concerns."""

    target: ChangeTarget
    name: str
    online: bool


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change and the readers it concerns, in order of name."""

    change: Change
    targets: list[Target]


async def page(session: AsyncSession, *, processing: bool, window: Window) -> Page[ChangeView]:
    """Return a page of changes, newest first; only those on their way if `processing`."""
    query = select(Change).order_by(Change.id.desc())
    if processing:
        query = query.where(Change.processed_at.is_(None))
    found = await fetch(session, query, window)
    views = await _views(session, [change for (change,) in found.items])
    return Page(views, found.total, window)


async def get(session: AsyncSession, number: int) -> ChangeView:
    """Return one change. Raises `NotFound`."""
    return (await _views(session, [await existing(session, Change, number)]))[0]


async def _views(session: AsyncSession, changes: list[Change]) -> list[ChangeView]:
    query = (
        select(ChangeTarget, Reader.name, ReaderPlan.online)
        .join(Reader, Reader.id == ChangeTarget.reader_id)
        .join(ReaderPlan, ReaderPlan.reader_id == Reader.id)
        .where(ChangeTarget.change_id.in_([change.id for change in changes]))
        .order_by(Reader.name, Reader.id)
    )
    targets: dict[int, list[Target]] = defaultdict(list)
    for target, name, online in await session.execute(query):
        targets[target.change_id].append(Target(target, name, online))
    return [ChangeView(change, targets[change.id]) for change in changes]
