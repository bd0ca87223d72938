"""The compiler's oracle: every reader's whole plan, worked out the slow and obvious way."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import product
from typing import TypeVar

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.card_issuers import row_of
from controller.compiler.certificates import certificates_row
from controller.compiler.offsets import compile_offsets
from controller.store import tables as t
from controller.timetable import schedule_row
from shared.access.calendar import Holiday
from shared.access.plan import plan_of
from shared.access.rows import (
    Calendar,
    CardIssuers,
    Documents,
    Door,
    Flag,
    Grant,
    Method,
    Modes,
    Row,
)
from tests.controller.keys import ISSUER

T = TypeVar("T", bound=t.Base)
Entry = tuple[str, Grant]


class Everything:
    """All intent in memory, and what follows from it."""

    def __init__(self, rows: list[t.Base]) -> None:
        self._rows = rows

    @classmethod
    async def load(cls, session: AsyncSession) -> Everything:
        """Read all tables."""
        rows: list[t.Base] = []
        for mapper in t.Base.registry.mappers:
            rows.extend(await session.scalars(select(mapper.class_)))
        return cls(rows)

    def all(self, kind: type[T]) -> list[T]:
        """Return all rows of one table."""
        return [row for row in self._rows if isinstance(row, kind)]

    def one(self, kind: type[T], number: int) -> T:
        """Return the row of a table with this number."""
        return next(row for row in self.all(kind) if getattr(row, "id", None) == number)

    def causes(self) -> dict[bytes, str | None]:
        """Return for every key that somebody holds why it is refused everywhere, or None."""
        causes = {}
        for credential in self._live():
            enabled = self.one(t.Person, credential.person_id).enabled
            flag = {"inactive": "suspended"}.get(credential.state, credential.state)
            cause = flag if flag != "active" else None if enabled else "suspended"
            causes[credential.public_key or b""] = cause
        return causes

    def takers(self) -> dict[str, int]:
        """Return the readers whose doors take documents, and the numbers of their sites."""
        doors = {
            door.id: door.site_id
            for door in self.all(t.Door)
            if "aliro-nfc-document" in door.methods
        }
        return {
            reader.id: doors[reader.door_id]
            for reader in self.all(t.Reader)
            if reader.door_id in doors
        }

    def refused(self, site: int) -> dict[bytes, str]:
        """Return the device keys that a site refuses, and why."""
        refused = self.one(t.Site, site).refused_keys
        return {bytes.fromhex(each["public_key"]): each["cause"] for each in refused}

    def removed(self) -> set[bytes | None]:
        """Return the hashes of the keys of credentials that have been removed."""
        return {row.key_hash for row in self.all(t.Credential) if row.deleted_at}

    def plans(self) -> dict[str, dict[bytes, bytes]]:
        """Return every reader's plan."""
        entries = [entry for credential in self._live() for entry in self._grants(credential)]
        return {
            reader.id: plan_of(
                [
                    *(self._frame(reader) if reader.door_id else ()),
                    *(grant for at, grant in entries if at == reader.id),
                ]
            )
            for reader in self.all(t.Reader)
        }

    def _live(self) -> list[t.Credential]:
        return [
            credential
            for credential in self.all(t.Credential)
            if credential.public_key and not credential.deleted_at
            if credential.issuance == "active"
            if not self.one(t.Person, credential.person_id).deleted_at
        ]

    def _plans_of(self, person: int) -> set[int]:
        direct = {row.plan_id for row in self.all(t.AccessPlanPerson) if row.person_id == person}
        groups = {row.group_id for row in self.all(t.GroupMember) if row.person_id == person}
        return direct | {
            row.plan_id for row in self.all(t.AccessPlanGroup) if row.group_id in groups
        }

    def _grants(self, credential: t.Credential) -> list[Entry]:
        person = self.one(t.Person, credential.person_id)
        places = [
            (reader.id, link.plan_id)
            for link, reader in product(self.all(t.AccessPlanDoor), self.all(t.Reader))
            if link.door_id == reader.door_id and link.plan_id in self._plans_of(person.id)
        ]
        flags = {
            Flag.SUSPENDED: credential.state == "inactive" or not person.enabled,
            Flag.LOST: credential.state == "lost",
            Flag.STOLEN: credential.state == "stolen",
            Flag.OVERRIDE: person.override_lockdown,
            Flag.EXTENDED: person.extended_release,
            Flag.OWNED_USES: credential.max_uses is not None
            and len(places) == 1
            and self._counted_at(credential.id) <= set(places),
        }
        starts = [-(-ms // 1000) for ms in (credential.not_before, person.valid_from) if ms]
        ends = [ms // 1000 for ms in (credential.not_after, person.valid_to) if ms]
        return [
            (
                reader,
                Grant(
                    key=credential.public_key or b"",
                    plan=plan,
                    credential=credential.id,
                    person=person.id,
                    schedule=self.one(t.AccessPlan, plan).schedule_id or 0,
                    flags=sum(flag for flag, is_set in flags.items() if is_set),
                    not_before=max(starts) if starts else None,
                    not_after=min(ends) if ends else None,
                    uses=credential.max_uses,
                ),
            )
            for reader, plan in places
        ]

    def _counted_at(self, credential: int) -> set[tuple[str, int]]:
        counts = [row for row in self.all(t.UseCount) if row.credential_id == credential]
        claims = [row for row in self.all(t.UseClaim) if row.credential_id == credential]
        at = {(row.reader_id, row.plan_id) for row in counts}
        return at | {("", 0) for row in claims if not row.settled}

    def _frame(self, reader: t.Reader) -> list[Row]:
        door = self.one(t.Door, reader.door_id or 0)
        plans = {row.plan_id for row in self.all(t.AccessPlanDoor) if row.door_id == door.id}
        used = Counter(self.one(t.AccessPlan, plan).schedule_id for plan in plans)
        used[door.unlock_schedule_id] += 1
        schedules = [row for row in self.all(t.Schedule) if used[row.id]]
        return [
            Door(
                id=door.id,
                methods=tuple(Method(value) for value in door.methods),
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
                    lock_until=door.lock_until and -(-door.lock_until // 1000),
                    unlock_until=door.unlock_until and door.unlock_until // 1000,
                ),
            ),
            self._calendar(self.one(t.Site, door.site_id)),
            *self._issuers(self.one(t.Site, door.site_id), door),
            *self._certificates(self.one(t.Site, door.site_id), door, reader),
            *(schedule_row(row.id, row.times, row.holidays) for row in schedules),
        ]

    def _issuers(self, site: t.Site, door: t.Door) -> list[Row]:
        row = row_of(site.card_issuers)
        if not any(method.endswith("-validated") for method in door.methods):
            row = CardIssuers(documents=row.documents)
        if "aliro-nfc-document" not in door.methods:
            row = replace(row, documents=Documents())
        return [row] if row else []

    def _certificates(self, site: t.Site, door: t.Door, reader: t.Reader) -> list[Row]:
        wallets = {"aliro-nfc", "aliro-nfc-document"} & set(door.methods)
        asked = door.reader_certificate or wallets
        known = reader.aliro_key is not None and reader.pkoc_key is not None
        return [certificates_row(ISSUER, site, door, reader)] if asked and known else []

    def _calendar(self, site: t.Site) -> Calendar:
        until = site.offsets_until // 1000
        epoch = date(1970, 1, 1)
        days = [
            (date.fromisoformat(row.first_day), date.fromisoformat(row.last_day), row.kind)
            for row in self.all(t.SiteHoliday)
            if row.site_id == site.id
        ]
        return Calendar(
            until=until,
            offsets=compile_offsets(site.time_zone, until),
            holidays=tuple(
                Holiday((first - epoch).days, (last - epoch).days, kind)
                for first, last, kind in sorted(set(days))
            ),
        )
