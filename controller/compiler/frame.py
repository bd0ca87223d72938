"""The rows of a plan that are not grants: door, calendar, issuers, certificates, schedules in use.

A reader is told the schedules of the access plans that open its door and the one its door unlocks
by, no others. All of a reader's frame is compiled at once: it is a handful of rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from msgspec import structs
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.card_issuers import row_of
from controller.compiler.certificates import certificates_row
from controller.compiler.chunks import chunks
from controller.compiler.offsets import compile_offsets
from controller.reader_issuer import ReaderIssuer
from controller.store import tables
from controller.timetable import schedule_row
from shared.access.calendar import Holiday
from shared.access.rows import (
    CALENDAR_KEY,
    CARD_ISSUERS_KEY,
    DOOR_KEY,
    READER_CERTIFICATES_KEY,
    Calendar,
    CardIssuers,
    Documents,
    Door,
    Method,
    Modes,
    encode_row,
    schedule_key,
)

# A door is told of issuers only where it asks for what they issue.
_CERTIFICATES = {Method.PKOC_NFC_VALIDATED.value, Method.PIV_NFC_VALIDATED.value}
_DOCUMENTS = {Method.ALIRO_NFC_DOCUMENT.value}
_EPOCH = date(1970, 1, 1).toordinal()


class Frames:
    """Compiles frames within one transaction; sites and schedules are encoded once."""

    def __init__(self, session: AsyncSession, issuer: ReaderIssuer) -> None:
        self._session = session
        self._issuer = issuer
        self._sites: dict[int, tables.Site] = {}
        self._calendars: dict[int, bytes] = {}
        self._issuers: dict[int, CardIssuers] = {}
        self._schedules: dict[int, bytes] = {}

    async def wanted(self, readers: Iterable[str]) -> dict[str, dict[bytes, bytes]]:
        """Return the frame of each reader, by row key; empty for one without a door."""
        ids = list(readers)
        frames: dict[str, dict[bytes, bytes]] = {reader: {} for reader in ids}
        for part in chunks(ids):
            posts = await self._posts(part)
            schedules = await self._schedules_at([door for _, door in posts])
            await self._load_sites({door.site_id for _, door in posts})
            await self._load_schedules({number for used in schedules.values() for number in used})
            for reader, door in posts:
                frames[reader.id] = self._frame(reader, door, schedules[door.id])
        return frames

    def _frame(
        self, reader: tables.Reader, door: tables.Door, schedules: set[int]
    ) -> dict[bytes, bytes]:
        issuers = _asked_for(self._issuers[door.site_id], set(door.methods))
        site = self._sites[door.site_id]
        certificates = certificates_row(self._issuer, site, door, reader)
        return {
            **({CARD_ISSUERS_KEY: encode_row(issuers)} if issuers else {}),
            **({READER_CERTIFICATES_KEY: encode_row(certificates)} if certificates else {}),
            DOOR_KEY: encode_row(door_row(door)),
            CALENDAR_KEY: self._calendars[door.site_id],
            **{schedule_key(number): self._schedules[number] for number in schedules},
        }

    async def _posts(self, readers: list[str]) -> list[tuple[tables.Reader, tables.Door]]:
        query = (
            select(tables.Reader, tables.Door)
            .join(tables.Door, tables.Door.id == tables.Reader.door_id)
            .where(tables.Reader.id.in_(readers))
        )
        return [(reader, door) for reader, door in await self._session.execute(query)]

    async def _schedules_at(self, doors: Iterable[tables.Door]) -> dict[int, set[int]]:
        """Return the numbers of the schedules in use, by number of the door."""
        used: dict[int, set[int]] = defaultdict(set)
        for door in doors:
            used[door.id].update(filter(None, [door.unlock_schedule_id]))
        query = (
            select(tables.AccessPlanDoor.door_id, tables.AccessPlan.schedule_id)
            .join(tables.AccessPlan, tables.AccessPlan.id == tables.AccessPlanDoor.plan_id)
            .where(tables.AccessPlanDoor.door_id.in_(list(used)))
        )
        for door_id, schedule_id in await self._session.execute(query):
            used[door_id].update(filter(None, [schedule_id]))
        return used

    async def _load_sites(self, sites: set[int]) -> None:
        missing = sites - self._calendars.keys()
        if not missing:
            return
        holidays: dict[int, list[tables.SiteHoliday]] = defaultdict(list)
        query = select(tables.SiteHoliday).where(tables.SiteHoliday.site_id.in_(missing))
        for holiday in await self._session.scalars(query):
            holidays[holiday.site_id].append(holiday)
        for site in await self._session.scalars(
            select(tables.Site).where(tables.Site.id.in_(missing))
        ):
            self._sites[site.id] = site
            self._calendars[site.id] = encode_row(calendar_row(site, holidays[site.id]))
            self._issuers[site.id] = row_of(site.card_issuers)

    async def _load_schedules(self, schedules: set[int]) -> None:
        missing = schedules - self._schedules.keys()
        query = select(tables.Schedule).where(tables.Schedule.id.in_(missing))
        for schedule in await self._session.scalars(query) if missing else ():
            row = schedule_row(schedule.id, schedule.times, schedule.holidays)
            self._schedules[schedule.id] = encode_row(row)


def _asked_for(issuers: CardIssuers, methods: set[str]) -> CardIssuers:
    """Return what a door of `methods` is told of `issuers`."""
    documents = issuers.documents if _DOCUMENTS & methods else Documents()
    told = issuers if _CERTIFICATES & methods else CardIssuers()
    return structs.replace(told, documents=documents)


def door_row(door: tables.Door) -> Door:
    """Return the row that tells a reader of its door."""
    return Door(
        id=door.id,
        methods=tuple(map(Method, door.methods)),
        release=door.release_seconds,
        release_extended=door.release_extended_seconds,
        held_after=door.held_after_seconds,
        lease=door.lease_seconds,
        fail_safe=door.fail_safe,
        unlock_schedule=door.unlock_schedule_id or 0,
        first_person_in=door.first_person_in,
        modes=Modes(
            lockdown=door.lockdown,
            maintenance=door.maintenance,
            # Fractions of a second are rounded to the side that keeps the door locked.
            lock_until=ceil_seconds(door.lock_until),
            unlock_until=floor_seconds(door.unlock_until),
        ),
    )


def calendar_row(site: tables.Site, holidays: Iterable[tables.SiteHoliday]) -> Calendar:
    """Return the row that tells a reader of its site's clock and holidays."""
    until = site.offsets_until // 1000
    days = {
        Holiday(_day_number(holiday.first_day), _day_number(holiday.last_day), holiday.kind)
        for holiday in holidays
    }
    return Calendar(
        until=until,
        offsets=compile_offsets(site.time_zone, until),
        holidays=tuple(sorted(days, key=lambda day: (day.first, day.last, day.kind))),
    )


def floor_seconds(millis: int | None) -> int | None:
    """Return the last whole second at or before `millis`."""
    return None if millis is None else millis // 1000


def ceil_seconds(millis: int | None) -> int | None:
    """Return the first whole second at or after `millis`."""
    return None if millis is None else -(-millis // 1000)


def _day_number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - _EPOCH
