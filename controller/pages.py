"""One page of a list, with the number of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func
from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """Which page (from 1), of how many items."""

    page: int = 1
    per_page: int = 50

    @property
    def offset(self) -> int:
        """How many items come before."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The items of a window (none beyond the end), and how many there are in all."""

    items: list[T]
    total: int
    window: Window


async def fetch(
    session: AsyncSession, query: Select[*tuple[Any, ...]], window: Window
) -> Page[Any]:
    """Return the rows of the ordered `query` that fall into `window`."""
    counting = query.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    total = await session.scalar(counting) or 0
    rows = await session.execute(query.limit(window.per_page).offset(window.offset))
    return Page(list(rows.all()), total, window)
