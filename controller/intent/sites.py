"""Sites: a time zone and a holiday calendar."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.offsets import window_end
from controller.drafts import Draft
from controller.lookup import check_free, existing
from controller.pages import Page, Window, fetch
from controller.store.tables import Site, SiteHoliday
from controller.store.uow import UnitOfWork
from shared.credential.aliro.identity import ID_SIZE


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site with its holidays in order of day."""

    site: Site
    holidays: list[SiteHoliday]


async def page(session: AsyncSession, window: Window) -> Page[SiteView]:
    """Return a page of sites, in order of name."""
    found = await fetch(session, select(Site).order_by(Site.name, Site.id), window)
    holidays = await _holidays(session, [site.id for (site,) in found.items])
    views = [SiteView(site, holidays[site.id]) for (site,) in found.items]
    return Page(views, found.total, window)


async def get(session: AsyncSession, number: int) -> SiteView:
    """Return one site. Raises `NotFound`."""
    site = await existing(session, Site, number)
    return SiteView(site, (await _holidays(session, [number]))[number])


async def create(uow: UnitOfWork, draft: Draft) -> SiteView:
    """Make a site. Raises `Invalid`."""
    draft.require("name", "time_zone")
    await check_free(uow.session, Site.name, draft)
    draft.check()
    site = Site(
        name=draft.get("name"),
        time_zone=draft.get("time_zone"),
        offsets_until=window_end(uow.now // 1000) * 1000,
        card_issuers=draft.get("card_issuers", {}),
        wallet_group=uow.random_bytes(ID_SIZE),
        refused_keys=draft.get("refused_keys", []),
    )
    uow.session.add(site)
    await uow.session.flush()
    uow.subject = f"site {site.id}"
    await _set_holidays(uow, site, draft.get("holidays", []))
    return await get(uow.session, site.id)


async def update(uow: UnitOfWork, number: int, draft: Draft) -> SiteView:
    """Change a site. Raises `NotFound` and `Invalid`."""
    site = await existing(uow.session, Site, number)
    await check_free(uow.session, Site.name, draft, but=number)
    draft.check()
    before = {each["public_key"] for each in site.refused_keys}
    different = draft.copy_to(site, ("name", "time_zone", "card_issuers", "refused_keys"))
    if "refused_keys" in different:
        uow.touch_refused_keys(before | {each["public_key"] for each in site.refused_keys})
    if "holidays" in draft:
        await _set_holidays(uow, site, draft.get("holidays"))
    if different & {"time_zone", "card_issuers"} or "holidays" in draft:
        uow.touch_sites([number])
    await uow.session.flush()
    return await get(uow.session, number)


async def _set_holidays(uow: UnitOfWork, site: Site, holidays: list[dict[str, Any]]) -> None:
    await uow.session.execute(delete(SiteHoliday).where(SiteHoliday.site_id == site.id))
    uow.session.add_all(SiteHoliday(site_id=site.id, **holiday) for holiday in holidays)


async def _holidays(session: AsyncSession, sites: list[int]) -> dict[int, list[SiteHoliday]]:
    holidays: dict[int, list[SiteHoliday]] = defaultdict(list)
    query = (
        select(SiteHoliday)
        .where(SiteHoliday.site_id.in_(sites))
        .order_by(SiteHoliday.first_day, SiteHoliday.id)
    )
    for holiday in await session.scalars(query):
        holidays[holiday.site_id].append(holiday)
    return holidays
