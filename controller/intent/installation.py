"""What an installation has from its first start on, and what must be renewed every year."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.frame import calendar_row
from controller.compiler.offsets import window_end
from controller.drafts import Draft
from controller.intent import sites
from controller.intent.keys import set_own_keys
from controller.intent.readers import EPOCH
from controller.store.database import Database
from controller.store.tables import CompiledRow, Door, Reader, Setting, Site
from shared.access.rows import CALENDAR_KEY, encode_row

SYSTEM = "system"


async def prepare(database: Database, *, time_zone: str, own_keys: Iterable[bytes]) -> None:
    """Make the first site and the plan epoch if they are not there; record our own keys."""
    async with database.transaction() as session:
        await set_own_keys(session, own_keys)
        if await session.get(Setting, EPOCH) is None:
            session.add(Setting(name=EPOCH, value="1"))
        count = await session.scalar(select(func.count()).select_from(Site))
    if not count:
        async with database.write(actor=SYSTEM, action="site.create") as uow:
            await sites.create(uow, Draft({"name": "Main", "time_zone": time_zone}))


async def renew_calendars(database: Database) -> list[int]:
    """Send readers the years that came into view, or what a new tz database says.

    A window that a wrong clock moved too far ahead is moved back. Returns the numbers of the
    sites concerned.
    """
    until = window_end(database.clock() // 1000) * 1000
    async with database.read() as session:
        stale = await _stale(session, until)
    if stale:
        subject = f"site {', '.join(map(str, stale))}"[:200]
        async with database.write(actor=SYSTEM, action="calendar.renew", subject=subject) as uow:
            for site in await uow.session.scalars(select(Site).where(Site.id.in_(stale))):
                site.offsets_until = until
            uow.touch_sites(stale)
    return stale


async def _stale(session: AsyncSession, until: int) -> list[int]:
    """Return the sites whose calendars end at another time, or are not what they would be now."""
    told = (
        select(Door.site_id, CompiledRow.body)
        .join(Reader, Reader.door_id == Door.id)
        .join(CompiledRow, CompiledRow.reader_id == Reader.id)
        .where(CompiledRow.row_key == CALENDAR_KEY)
        .distinct()
    )
    bodies = (await session.execute(told)).all()
    stale = set()
    for site in await session.scalars(select(Site)):
        view = await sites.get(session, site.id)
        wanted = encode_row(calendar_row(site, view.holidays))
        differs = any(number == site.id and body != wanted for number, body in bodies)
        if differs or site.offsets_until != until:
            stale.add(site.id)
    return sorted(stale)
