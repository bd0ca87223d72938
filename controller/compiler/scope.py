"""What an edit can affect: from what a use case touched to the rows that are compiled again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.compiler.grants import Grants
from controller.store.tables import (
    AccessPlan,
    AccessPlanDoor,
    CompiledRow,
    Credential,
    Door,
    Reader,
)
from controller.store.uow import PlanTouch, Touched


@dataclass(frozen=True, slots=True)
class GrantScope:
    """The grants of `credentials` by `plan` (None: by all plans) at `readers` (None: at all)."""

    credentials: tuple[int, ...]
    plan: int | None = None
    readers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """`own`: credentials touched themselves; `frames`: readers whose frame may be different."""

    own: tuple[int, ...]
    frames: tuple[str, ...]
    grants: tuple[GrantScope, ...]


class Scopes:
    """Finds scopes within one transaction."""

    def __init__(self, session: AsyncSession, grants: Grants) -> None:
        self._session = session
        self._grants = grants

    async def of(self, touched: Touched) -> Scope:
        """Return what `touched` can affect."""
        own = touched.credentials | await self._credentials_of(touched.people)
        grants = [GrantScope(tuple(sorted(own)))]
        grants.extend([await self._of_plan(touch) for touch in touched.plans])
        grants.extend([await self._of_reader(reader) for reader in sorted(touched.readers)])
        return Scope(
            own=tuple(sorted(own)),
            frames=tuple(sorted(await self._frames(touched))),
            grants=tuple(scope for scope in grants if scope.credentials),
        )

    async def _of_plan(self, touch: PlanTouch) -> GrantScope:
        readers = None if touch.doors is None else frozenset(await self._at_doors(touch.doors))
        if touch.people is not None:
            credentials = await self._credentials_of(touch.people)
        else:
            before = select(CompiledRow.credential_id).where(CompiledRow.plan_id == touch.plan)
            credentials = await self._grants.admitted_by([touch.plan]) | await self._ids(before)
        return GrantScope(tuple(sorted(credentials)), touch.plan, readers)

    async def _of_reader(self, reader: str) -> GrantScope:
        before = select(CompiledRow.credential_id).where(CompiledRow.reader_id == reader)
        opening = (
            select(AccessPlanDoor.plan_id)
            .join(Reader, Reader.door_id == AccessPlanDoor.door_id)
            .where(Reader.id == reader)
        )
        plans = await self._ids(opening)
        credentials = await self._grants.admitted_by(plans) | await self._ids(before)
        return GrantScope(tuple(sorted(credentials)), None, frozenset([reader]))

    async def _frames(self, touched: Touched) -> set[str]:
        doors = set(touched.doors)
        for part in chunks(touched.sites):
            doors |= await self._ids(select(Door.id).where(Door.site_id.in_(part)))
        for part in chunks(touched.schedules):
            planned = (
                select(AccessPlanDoor.door_id)
                .join(AccessPlan, AccessPlan.id == AccessPlanDoor.plan_id)
                .where(AccessPlan.schedule_id.in_(part))
            )
            unlocked = select(Door.id).where(Door.unlock_schedule_id.in_(part))
            doors |= await self._ids(planned) | await self._ids(unlocked)
        return touched.readers | await self._at_doors(doors)

    async def _at_doors(self, doors: Iterable[int]) -> set[str]:
        readers: set[str] = set()
        for part in chunks(doors):
            query = select(Reader.id).where(Reader.door_id.in_(part))
            readers.update(await self._session.scalars(query))
        return readers

    async def _credentials_of(self, people: Iterable[int]) -> set[int]:
        credentials: set[int] = set()
        for part in chunks(people):
            query = select(Credential.id).where(Credential.person_id.in_(part))
            credentials |= await self._ids(query)
        return credentials

    async def _ids(self, query: Select[int] | Select[int | None]) -> set[int]:
        found = await self._session.scalars(query.distinct())
        return {number for number in found if number is not None}
