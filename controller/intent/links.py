"""Which things belong together: group and person, access plan and group, person, door."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.store.tables import Base


@dataclass(frozen=True, slots=True)
class Link:
    """A table of pairs, seen from one side."""

    name: str
    owner: str
    other: str

    @property
    def table(self) -> Table:
        """The table itself."""
        return Base.metadata.tables[self.name]


GROUP_PEOPLE = Link("group_member", "group_id", "person_id")
PERSON_GROUPS = Link("group_member", "person_id", "group_id")
PERSON_PLANS = Link("access_plan_person", "person_id", "plan_id")
GROUP_PLANS = Link("access_plan_group", "group_id", "plan_id")
PLAN_GROUPS = Link("access_plan_group", "plan_id", "group_id")
PLAN_PEOPLE = Link("access_plan_person", "plan_id", "person_id")
PLAN_DOORS = Link("access_plan_door", "plan_id", "door_id")


async def linked(session: AsyncSession, link: Link, owners: Iterable[int]) -> dict[int, list[int]]:
    """Return by owner the numbers of the others, in order; an empty list for who has none."""
    owner, other = link.table.c[link.owner], link.table.c[link.other]
    found: dict[int, list[int]] = defaultdict(list)
    for part in chunks(owners):
        query = select(owner, other).where(owner.in_(part)).order_by(other)
        for one, another in await session.execute(query):
            found[one].append(another)
    return found


async def set_links(
    session: AsyncSession, link: Link, owner: int, wanted: Collection[int]
) -> set[int]:
    """Make `wanted` the others of `owner`; return those that were added or removed."""
    have = set((await linked(session, link, [owner]))[owner])
    added, removed = set(wanted) - have, have - set(wanted)
    await unlink(session, link, owner, removed)
    for part in chunks(sorted(added)):
        rows = [{link.owner: owner, link.other: other} for other in part]
        await session.execute(insert(link.table), rows)
    return added | removed


async def unlink(
    session: AsyncSession, link: Link, owner: int, others: Iterable[int] | None = None
) -> None:
    """Separate `owner` from `others` (None: from all)."""
    of_owner = delete(link.table).where(link.table.c[link.owner] == owner)
    if others is None:
        await session.execute(of_owner)
        return
    for part in chunks(others):
        await session.execute(of_owner.where(link.table.c[link.other].in_(part)))
