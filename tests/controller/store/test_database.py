"""Transactions on a real file: isolation, one writer, rollback, the bell."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from controller.store.database import Database
from controller.store.tables import Change, Group, GroupMember, Setting
from tests.controller.conftest import NOON, Clock


async def pragma(database: Database, name: str) -> object:
    async with database.transaction() as session:
        return (await session.execute(text(f"PRAGMA {name}"))).scalar_one()


async def test_the_file_is_durable_and_keeps_its_references(database: Database) -> None:
    assert await pragma(database, "journal_mode") == "wal"
    assert await pragma(database, "synchronous") == 2
    assert await pragma(database, "foreign_keys") == 1


async def test_a_reading_session_sees_one_moment(database: Database) -> None:
    count = select(func.count()).select_from(Setting).where(Setting.name == "a")
    async with database.read() as session:
        before = await session.scalar(count)
        async with database.transaction() as writing:
            writing.add(Setting(name="a", value="b"))
        after = await session.scalar(count)
    async with database.read() as session:
        later = await session.scalar(count)
    assert (before, after, later) == (0, 0, 1)


async def test_a_reading_session_cannot_write(database: Database) -> None:
    async with database.read() as session:
        session.add(Setting(name="a", value="b"))
        with pytest.raises(OperationalError, match="readonly"):
            await session.flush()


async def test_writers_take_turns(database: Database) -> None:
    """Fifty tasks read, think and write the same number: none is lost."""
    async with database.transaction() as session:
        session.add(Setting(name="n", value="0"))

    async def add_one() -> None:
        async with database.transaction() as session:
            setting = await session.get_one(Setting, "n")
            await asyncio.sleep(0)
            setting.value = str(int(setting.value) + 1)

    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(add_one())
    async with database.read() as session:
        assert (await session.get_one(Setting, "n")).value == "50"


async def test_a_second_process_is_kept_out_while_we_write(
    database: Database, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "doorward.db", timeout=0, isolation_level=None)
    async with database.transaction():
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()


async def test_an_error_leaves_nothing_behind(database: Database) -> None:
    async def edit() -> None:
        async with database.write(actor="me", action="group.create") as uow:
            uow.session.add(Group(name="x", created_at=0, updated_at=0))
            await uow.session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await edit()
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Group)) == 0
        assert await session.scalar(select(func.count()).select_from(Change)) == 0


async def test_a_cancelled_writer_lets_the_next_one_in(database: Database) -> None:
    async def hang() -> None:
        async with database.transaction() as session:
            session.add(Setting(name="a", value="b"))
            await session.flush()
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    task = asyncio.create_task(hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.transaction() as session:
        assert await session.get(Setting, "a") is None


async def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            session.add(GroupMember(group_id=77_001, person_id=77_002))
    assert "77001" not in str(caught.value)  # values stay out of error texts


async def test_an_edit_is_recorded_and_rings(database: Database, clock: Clock) -> None:
    clock.forward(seconds=5)
    async with database.write(actor="me", action="group.create", subject="group 1") as uow:
        assert uow.now == NOON + 5000
        with pytest.raises(RuntimeError, match="before"):
            _ = uow.change_id
    async with asyncio.timeout(1):
        await database.committed.wait()
    async with database.read() as session:
        change = await session.get_one(Change, uow.change_id)
    assert (change.actor, change.action, change.subject) == ("me", "group.create", "group 1")
    assert change.committed_at == change.processed_at == NOON + 5000


async def test_the_bell_keeps_one_ring(database: Database) -> None:
    for _ in range(2):
        async with database.write(actor="me", action="nothing"):
            pass
    await database.committed.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await database.committed.wait()
