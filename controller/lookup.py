"""Find rows by number, or say that there is no such thing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from controller.compiler.chunks import chunks
from controller.drafts import Draft
from controller.problems import NotFound
from controller.store.tables import Base

T = TypeVar("T", bound=Base)


async def existing(session: AsyncSession, table: type[T], number: int | str) -> T:
    """Return the row `number` of `table`. Raises `NotFound`, also where it has been deleted."""
    row = await session.get(table, number)
    if row is None or getattr(row, "deleted_at", None) is not None:
        raise NotFound(f"there is no {table.__tablename__.replace('_', ' ')} {number}")
    return row


async def missing(session: AsyncSession, table: type[Base], numbers: Collection[int]) -> list[int]:
    """Return those of `numbers` that `table` does not have, in order."""
    columns = table.__table__.c
    found: set[int] = set()
    for part in chunks(numbers):
        query = select(columns.id).where(columns.id.in_(part))
        if "deleted_at" in columns:
            query = query.where(columns.deleted_at.is_(None))
        found.update(await session.scalars(query))
    return sorted(set(numbers) - found)


async def check_exist(session: AsyncSession, table: type[Base], draft: Draft, name: str) -> None:
    """Say in `draft` which numbers of its field `name` (one, a list, or None) are unknown."""
    value = draft.get(name)
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    unknown = await missing(session, table, numbers)
    if unknown:
        what = table.__tablename__.replace("_", " ")
        shown = ", ".join(map(str, unknown[:10])) + (" and more" if len(unknown) > 10 else "")
        draft.add(name, f"there is no {what} {shown}")


async def check_free(
    session: AsyncSession, column: InstrumentedAttribute[Any], draft: Draft, but: int | None = None
) -> None:
    """Say in `draft` that its field of the name of `column` is taken by another row than `but`."""
    value = draft.get(column.key)
    if value is None:
        return
    table = column.class_
    query = select(func.count()).where(column == value, table.id != (but or 0))
    if hasattr(table, "deleted_at"):
        query = query.where(table.deleted_at.is_(None))
    if await session.scalar(query):
        what = table.__tablename__.replace("_", " ")
        draft.add(column.key, f"is taken by another {what}")
