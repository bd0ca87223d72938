"""Which doors a person's phone should know, by where they are and the keys they prove it with."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import CompoundSelect, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from controller.reader_issuer import ReaderIssuer
from controller.store.tables import (
    AccessPlanDoor,
    AccessPlanGroup,
    AccessPlanPerson,
    Door,
    GroupMember,
    Reader,
    Site,
)


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """A door as a phone sees it: ids in PKOC's sense, the reader's public key, its issuer's."""

    name: str
    site: uuid.UUID
    location: uuid.UUID
    public_key: bytes
    issuer_key: bytes


async def doors_of(
    session: AsyncSession, issuer: ReaderIssuer, person: int
) -> tuple[OpenDoor, ...]:
    """Return the doors that any access plan opens to `person`, at any time, by name.

    Doors whose reader has not enrolled have no key yet, and are missing.
    """
    query = (
        select(
            Door.name,
            Reader.pkoc_site,
            Reader.pkoc_location,
            Reader.pkoc_key,
            Site.wallet_group,
        )
        .join(Reader, Reader.door_id == Door.id)
        .join(Site, Site.id == Door.site_id)
        .where(Door.id.in_(_doors(person)), Reader.status == "enrolled")
        .order_by(Door.name)
    )
    return tuple(
        OpenDoor(
            name,
            uuid.UUID(bytes=site),
            uuid.UUID(bytes=location),
            key,
            issuer.of(group).pkoc.public.point,
        )
        for name, site, location, key, group in await session.execute(query)
        if key is not None
    )


async def site_of(session: AsyncSession, person: int) -> str:
    """Return the name of the first site with a door for `person`, or else of the first of all."""
    first = select(Site.name).order_by(Site.id).limit(1)
    with_door = first.join(Door, Door.site_id == Site.id).where(Door.id.in_(_doors(person)))
    return await session.scalar(with_door) or await session.scalar(first) or ""


def _doors(person: int) -> CompoundSelect[int]:
    alone = (
        select(AccessPlanDoor.door_id)
        .join(AccessPlanPerson, AccessPlanPerson.plan_id == AccessPlanDoor.plan_id)
        .where(AccessPlanPerson.person_id == person)
    )
    grouped = (
        select(AccessPlanDoor.door_id)
        .join(AccessPlanGroup, AccessPlanGroup.plan_id == AccessPlanDoor.plan_id)
        .join(GroupMember, GroupMember.group_id == AccessPlanGroup.group_id)
        .where(GroupMember.person_id == person)
    )
    return union(alone, grouped)
