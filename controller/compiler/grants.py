"""The grants of a plan: who may enter, from people, groups, access plans and credentials.

One row for each credential with a key and each access plan that admits its person, at the reader
of each door of that plan. A grant says the same at every reader, so it is encoded once.

Validity is the intersection of the person's and the credential's. An empty one is compiled as it
is, for the decision then refuses at every moment and says why (not yet, or expired).

A credential whose uses are counted is counted by the reader only where it has a single grant in
all: two grants at one reader would be counted one by one and give twice the uses. All others ask
for each use, see `controller.uses`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import CompoundSelect, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from controller import uses
from controller.compiler.frame import ceil_seconds, floor_seconds
from controller.store.tables import (
    AccessPlan,
    AccessPlanDoor,
    AccessPlanGroup,
    AccessPlanPerson,
    Credential,
    GroupMember,
    Person,
    Reader,
)
from shared.access.rows import Flag, Grant, encode_row, grant_key
from shared.access.schedule import ALWAYS


class Holder(NamedTuple):
    """A credential that may be compiled, and what of its person bears on it."""

    id: int
    key: bytes
    state: str
    not_before: int | None
    not_after: int | None
    max_uses: int | None
    person: int
    enabled: bool
    extended_release: bool
    override_lockdown: bool
    valid_from: int | None
    valid_to: int | None


class WantedGrant(NamedTuple):
    """A grant row, ready to be stored."""

    credential: int
    plan: int
    row_key: bytes
    body: bytes


class Place(NamedTuple):
    """What an access plan gives: its schedule (0: always) and the readers of its doors."""

    schedule: int
    readers: frozenset[str]


class Grants:
    """Compiles grants within one transaction; access plans are looked up once."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._places: dict[int, Place] = {}

    async def wanted(
        self,
        credentials: list[int],
        *,
        plan: int | None = None,
        readers: frozenset[str] | None = None,
    ) -> dict[str, list[WantedGrant]]:
        """Return by reader the grants of these credentials: by `plan` (None: by all plans), at
        `readers` (None: at all).
        """
        holders = await self._holders(credentials)
        admitted = await self._admitted(list(holders), plan)
        await self._load_places({number for _, number in admitted})
        owned = await self._owned(holders)
        grants: dict[str, list[WantedGrant]] = defaultdict(list)
        for credential, number in admitted:
            place = self._places[number]
            there = place.readers if readers is None else place.readers & readers
            if there:
                holder = holders[credential]
                row = _wanted(holder, number, place.schedule, owned=credential in owned)
                for reader in there:
                    grants[reader].append(row)
        return grants

    async def admitted_by(self, plans: Iterable[int]) -> set[int]:
        """Return the numbers of all credentials of those whom any of `plans` admits."""
        query = _admission(plans=plans)
        return {credential for credential, _ in await self._session.execute(query)}

    async def _holders(self, credentials: list[int]) -> dict[int, Holder]:
        """Return those of `credentials` that have a key in use, by number."""
        query = (
            select(
                Credential.id,
                Credential.public_key,
                Credential.state,
                Credential.not_before,
                Credential.not_after,
                Credential.max_uses,
                Person.id,
                Person.enabled,
                Person.extended_release,
                Person.override_lockdown,
                Person.valid_from,
                Person.valid_to,
            )
            .join(Person, Person.id == Credential.person_id)
            .where(
                Credential.id.in_(credentials),
                Credential.public_key.is_not(None),
                Credential.issuance == "active",
                Credential.deleted_at.is_(None),
                Person.deleted_at.is_(None),
            )
        )
        holders = map(Holder._make, await self._session.execute(query))
        return {holder.id: holder for holder in holders}

    async def _admitted(self, credentials: list[int], plan: int | None) -> list[tuple[int, int]]:
        query = _admission(plans=None if plan is None else [plan], credentials=credentials)
        return [(credential, number) for credential, number in await self._session.execute(query)]

    async def _load_places(self, plans: set[int]) -> None:
        missing = plans - self._places.keys()
        readers: dict[int, set[str]] = defaultdict(set)
        schedules: dict[int, int] = {}
        query = (
            select(AccessPlan.id, AccessPlan.schedule_id, Reader.id)
            .outerjoin(AccessPlanDoor, AccessPlanDoor.plan_id == AccessPlan.id)
            .outerjoin(Reader, Reader.door_id == AccessPlanDoor.door_id)
            .where(AccessPlan.id.in_(missing))
        )
        for plan, schedule, reader in await self._session.execute(query) if missing else ():
            schedules[plan] = schedule or ALWAYS
            readers[plan].update(filter(None, [reader]))
        for plan, schedule in schedules.items():
            self._places[plan] = Place(schedule, frozenset(readers[plan]))

    async def _owned(self, holders: dict[int, Holder]) -> set[int]:
        """Return the credentials whose uses their one reader may count by itself.

        They have exactly one grant in all, and no use was spent anywhere else before.
        """
        limited = [holder.id for holder in holders.values() if holder.max_uses is not None]
        if not limited:
            return set()
        admitted = await self._admitted(limited, None)
        await self._load_places({plan for _, plan in admitted})
        places: dict[int, list[uses.Place]] = defaultdict(list)
        for credential, plan in admitted:
            places[credential] += [uses.Place(at, plan) for at in self._places[plan].readers]
        alone = {credential: at[0] for credential, at in places.items() if len(at) == 1}
        return alone.keys() - await uses.elsewhere(self._session, alone)


def _wanted(holder: Holder, plan: int, schedule: int, *, owned: bool) -> WantedGrant:
    before = (ceil_seconds(holder.not_before), ceil_seconds(holder.valid_from))
    after = (floor_seconds(holder.not_after), floor_seconds(holder.valid_to))
    grant = Grant(
        key=holder.key,
        plan=plan,
        credential=holder.id,
        person=holder.person,
        schedule=schedule,
        flags=sum(_flags(holder)) + (Flag.OWNED_USES if owned else 0),
        not_before=max((second for second in before if second is not None), default=None),
        not_after=min((second for second in after if second is not None), default=None),
        uses=holder.max_uses,
    )
    return WantedGrant(holder.id, plan, grant_key(holder.key, plan), encode_row(grant))


def _flags(holder: Holder) -> Iterator[Flag]:
    if holder.state == "inactive" or not holder.enabled:
        yield Flag.SUSPENDED
    if holder.state == "lost":
        yield Flag.LOST
    if holder.state == "stolen":
        yield Flag.STOLEN
    if holder.override_lockdown:
        yield Flag.OVERRIDE
    if holder.extended_release:
        yield Flag.EXTENDED


def _admission(
    *, plans: Iterable[int] | None, credentials: Iterable[int] | None = None
) -> CompoundSelect[int, int]:
    """Return the query for (credential, access plan): who is admitted, directly or by a group."""
    alone = select(Credential.id, AccessPlanPerson.plan_id).join(
        AccessPlanPerson, AccessPlanPerson.person_id == Credential.person_id
    )
    grouped = (
        select(Credential.id, AccessPlanGroup.plan_id)
        .join(GroupMember, GroupMember.person_id == Credential.person_id)
        .join(AccessPlanGroup, AccessPlanGroup.group_id == GroupMember.group_id)
    )
    if plans is not None:
        # With both, SQLite would begin at the plan and try each of its people against each of the
        # credentials: seconds instead of milliseconds. An expression is no index to begin at.
        person_plan, group_plan = AccessPlanPerson.plan_id, AccessPlanGroup.plan_id
        begin_here = credentials is None
        alone = alone.where((person_plan if begin_here else person_plan + 0).in_(plans))
        grouped = grouped.where((group_plan if begin_here else group_plan + 0).in_(plans))
    if credentials is not None:
        alone = alone.where(Credential.id.in_(credentials))
        grouped = grouped.where(Credential.id.in_(credentials))
    return union(alone, grouped)
