"""Told to stop in the middle of a transaction, a task finishes it first."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from sqlalchemy import func, select

from controller.store.database import Database
from controller.store.tables import Setting
from controller.store.uninterrupted import uninterrupted


async def test_returns_what_comes_of_it() -> None:
    async def answer() -> int:
        return 7

    assert await uninterrupted(answer()) == 7


async def test_raises_what_goes_wrong() -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await uninterrupted(fail())


async def test_a_cancelled_transaction_is_whole_and_in_nobodys_way(database: Database) -> None:
    random = Random(4)

    async def write(number: int) -> None:
        async with database.transaction() as session:
            for part in range(3):
                session.add(Setting(name=f"{number}.{part}", value=""))
                await session.flush()

    for number in range(40):
        task = asyncio.create_task(uninterrupted(write(number)))
        await asyncio.sleep(random.random() * 0.004)
        task.cancel()
        await asyncio.wait([task])
    async with database.read() as session:
        ours = Setting.name.contains(".")
        names = list(await session.scalars(select(Setting.name).where(ours)))
        count = await session.scalar(select(func.count()).select_from(Setting).where(ours))
    assert count == len(names)
    written = {name.partition(".")[0] for name in names}
    assert len(names) == 3 * len(written) > 0
