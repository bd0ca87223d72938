"""What plan cache and deny set have in common: one moment, and nothing damaged ever used again."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from reader.database import Damaged, NotAsWritten, Unusable, number
from reader.sealed import SEALED, read_sealed, write_sealed
from reader.store import Store

SCHEMA = f"CREATE TABLE word (key INTEGER PRIMARY KEY, value INTEGER NOT NULL);{SEALED}"
LOOK = "SELECT body, seal FROM state UNION ALL SELECT value, NULL FROM word WHERE key = ?"


class State(msgspec.Struct, frozen=True, array_like=True):
    version: int = 0


class Audit:
    """Says what it was told to."""

    holds = True

    def step(self, db: sqlite3.Connection) -> bool:
        return False


def read_state(db: sqlite3.Connection) -> State:
    sealed = read_sealed(db)
    return State() if sealed is None else sealed.open(State)


def put(version: int, db: sqlite3.Connection) -> None:
    """The state and the one word of a version."""
    write_sealed(db, State(version))
    db.execute("INSERT OR REPLACE INTO word VALUES (1, ?)", (version,))


def word(store: Store[State]) -> tuple[int, list[int]]:
    head, found = store.look(LOOK, (1,), number)
    return head.version, found


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store[State]]:
    opened = Store(tmp_path / "store.db", SCHEMA, 1, read_head=read_state, audit=Audit)
    yield opened
    opened.close()


class Blocked:
    """Holds up the writing thread until told to go on."""

    def __init__(self, store: Store[State]) -> None:
        self._begun, self._go_on = threading.Event(), threading.Event()
        self._writing = asyncio.create_task(store._database.write(self._wait))

    def _wait(self, _: sqlite3.Connection) -> None:
        self._begun.set()
        assert self._go_on.wait(10)

    async def begun(self) -> None:
        await asyncio.sleep(0)
        assert self._begun.wait(10)

    async def end(self) -> None:
        self._go_on.set()
        await self._writing


def nonsense(_: object) -> int:
    raise NotAsWritten("nonsense")


def damage(store: Store[State]) -> None:
    """Meet something that is not what was written."""
    with pytest.raises(Damaged, match="nonsense"):
        store.look(LOOK, (1,), nonsense)


async def test_head_and_rows_are_those_of_the_last_commit(store: Store[State]) -> None:
    assert word(store) == (0, [])
    for version in (1, 2, 3):
        await store.write(lambda db, version=version: put(version, db))  # type: ignore[misc]  # a default in a lambda
        assert word(store) == (version, [version])
        assert store.head == State(version)


async def test_a_commit_in_between_changes_head_and_rows_or_neither(tmp_path: Path) -> None:
    coming = [2, 3]

    def read_slowly(db: sqlite3.Connection) -> State:
        state = read_state(db)
        if coming:
            version = coming.pop(0)
            opened._database.write_now(lambda writer: put(version, writer))
        return state

    opened = Store(tmp_path / "store.db", SCHEMA, 1, read_head=read_slowly, audit=Audit)
    await opened.write(lambda db: put(1, db))
    assert word(opened) == (3, [3])
    opened.close()


async def test_damage_is_met_once_and_then_nothing_is_read(store: Store[State]) -> None:
    await store.write(lambda db: put(1, db))
    damage(store)
    assert store.broken.is_set()
    with pytest.raises(Unusable, match="is damaged"):
        word(store)
    assert not await store.verify()


async def test_a_state_that_cannot_be_read_is_damage(store: Store[State]) -> None:
    class Other(msgspec.Struct, frozen=True):
        text: str

    await store.write(lambda db: write_sealed(db, Other("x")))
    with pytest.raises(Damaged, match="the state cannot be read"):
        word(store)
    assert store.broken.is_set()


async def test_a_write_under_way_does_not_bring_a_damaged_file_back(store: Store[State]) -> None:
    await store.write(lambda db: put(1, db))
    blocked = Blocked(store)
    writing = asyncio.create_task(store.write(lambda db: put(2, db)))
    await blocked.begun()
    damage(store)
    await blocked.end()
    await writing
    with pytest.raises(Unusable, match="is damaged"):
        word(store)


async def test_making_room_waits_for_a_write_and_holds_up_nobody(store: Store[State]) -> None:
    await store.write(lambda db: put(1, db))
    blocked = Blocked(store)
    await blocked.begun()
    damage(store)
    renewing = [asyncio.create_task(store.start_over()) for _ in range(2)]
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(Unusable, match="is damaged"):
        word(store)
    await blocked.end()
    await asyncio.gather(*renewing)
    assert word(store) == (0, [])
    await store.write(lambda db: put(2, db))
    assert word(store) == (2, [2])
    # It has made room once: what was set aside is the damaged one.
    aside = sqlite3.connect(store._path.with_name("store.db.damaged"))
    assert aside.execute("SELECT value FROM word").fetchall() == [(1,)]
    aside.close()


async def test_a_new_file_is_not_blamed_for_the_old_one(store: Store[State]) -> None:
    await store.write(lambda db: put(1, db))
    blocked = Blocked(store)
    await blocked.begun()
    writing = asyncio.create_task(store.write(lambda db: number("text")))
    await asyncio.sleep(0)
    damage(store)
    renewing = asyncio.create_task(store.start_over())
    await asyncio.sleep(0)
    await blocked.end()
    await renewing
    with pytest.raises(Damaged):
        await writing
    assert word(store) == (0, [])


@pytest.mark.parametrize("holds", [True, False])
async def test_an_audit_decides(
    store: Store[State], holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Audit, "holds", holds)
    assert await store.verify() is holds
    assert store.broken.is_set() is not holds
