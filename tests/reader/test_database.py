"""SQLite as the reader uses it: one moment for reads, all or nothing for writes, named faults."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.database import (
    Damaged,
    Database,
    NotAsWritten,
    TooNew,
    Unusable,
    blob,
    fault,
    number,
    open_or_set_aside,
    set_aside,
)

SCHEMA = "CREATE TABLE t (a INTEGER PRIMARY KEY)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path, SCHEMA, 1)
    yield opened
    opened.close()


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM t").fetchone()[0])


def add(value: int, db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO t VALUES (?)", (value,))


async def test_what_was_written_is_there_after_a_restart(database: Database, path: Path) -> None:
    await database.write(lambda db: add(1, db))
    database.close()
    again = Database(path, SCHEMA, 1)
    assert again.read(count) == 1
    again.close()


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def half(db: sqlite3.Connection) -> None:
        add(1, db)
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        await database.write(half)
    assert database.read(count) == 0
    await database.write(lambda db: add(1, db))
    assert database.read(count) == 1


async def test_writes_are_done_in_the_order_asked(database: Database) -> None:
    seen: list[int] = []
    await asyncio.gather(
        *(database.write(lambda _, n=n: seen.append(n)) for n in range(20))  # type: ignore[misc]  # a default in a lambda
    )
    assert seen == list(range(20))


async def test_a_read_sees_the_last_commit_while_a_write_is_under_way(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        add(1, db)
        begun.set()
        assert go_on.wait(10)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.sleep(0)
    assert begun.wait(10)
    assert database.read(count) == 0
    go_on.set()
    await writing
    assert database.read(count) == 1


async def test_a_read_is_of_one_moment(database: Database) -> None:
    def twice(db: sqlite3.Connection) -> tuple[int, int]:
        before = count(db)
        database.write_now(lambda writer: add(7, writer))
        return before, count(db)

    assert database.read(twice) == (0, 0)
    assert database.read(count) == 1


async def test_a_write_goes_on_when_nobody_waits_any_more(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(10)
        add(1, db)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.sleep(0)
    assert begun.wait(10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go_on.set()
    await database.write(lambda db: add(2, db))
    assert database.read(count) == 2


async def test_closing_finishes_what_was_asked_for(database: Database, path: Path) -> None:
    writing = asyncio.create_task(database.write(lambda db: add(1, db)))
    await asyncio.sleep(0)
    database.close()
    await writing
    again = Database(path, SCHEMA, 1)
    assert again.read(count) == 1
    again.close()


async def test_a_survey_is_of_one_moment_between_writes(database: Database) -> None:
    seen: list[int] = []

    def step(db: sqlite3.Connection) -> bool:
        seen.append(count(db))
        return len(seen) < 3

    surveying = asyncio.create_task(database.survey(step))
    for value in range(10):
        await database.write(lambda db, value=value: add(value, db))  # type: ignore[misc]  # a default in a lambda
    await surveying
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert database.read(count) == 10


async def test_a_survey_that_is_given_up_leaves_the_file_free(database: Database) -> None:
    surveying = asyncio.create_task(database.survey(lambda _: True))
    await database.write(lambda db: add(1, db))
    surveying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await surveying
    await database.write(lambda db: add(2, db))
    assert database.read(count) == 2


async def test_a_survey_of_a_closed_file_is_over(database: Database) -> None:
    surveying = asyncio.create_task(database.survey(lambda _: True))
    await database.write(lambda db: add(1, db))
    database.close()
    with pytest.raises(Unusable, match="closed"):
        await surveying
    with pytest.raises(Unusable, match="closed"):
        await database.write(lambda db: add(2, db))


async def test_a_survey_names_what_is_broken(database: Database) -> None:
    with pytest.raises(Damaged, match="no such table"):
        await database.survey(lambda db: bool(db.execute("SELECT * FROM nowhere")))


@pytest.mark.parametrize(
    "content",
    [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4080, b"\0" * 4096],
)
def test_what_is_no_database_is_damaged_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Damaged, match=str(path)):
        Database(path, SCHEMA, 1)
    assert path.read_bytes() == content


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.write_bytes(b"")
    opened = Database(path, SCHEMA, 1)
    assert opened.read(count) == 0
    opened.close()


@pytest.mark.parametrize("version", [2, 1000])
def test_a_newer_schema_is_named_with_the_remedy(path: Path, version: int) -> None:
    Database(path, SCHEMA, version).close()
    with pytest.raises(TooNew, match=f"has schema {version}, .* install the newer Doorward"):
        Database(path, SCHEMA, 1)
    Database(path, SCHEMA, version).close()


def test_a_schema_that_never_was_is_damage(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = -3")
    other.close()
    with pytest.raises(Damaged, match="never been a schema -3"):
        Database(path, SCHEMA, 1)


def test_another_programs_tables_are_damage(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (b)")
    other.close()
    with pytest.raises(Damaged, match="already exists"):
        Database(path, SCHEMA, 1)


def test_a_folder_that_is_not_there_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="unable to open") as error:
        Database(tmp_path / "nowhere" / "test.db", SCHEMA, 1)
    assert not isinstance(error.value, Damaged)


async def test_a_full_card_is_no_damage(database: Database) -> None:
    pages = database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    database.write_now(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))

    def fill(db: sqlite3.Connection) -> None:
        for value in range(5_000):
            add(value, db)

    with pytest.raises(Unusable, match="full") as error:
        await database.write(fill)
    assert not isinstance(error.value, Damaged)
    assert database.read(count) == 0
    await database.write(lambda db: add(1, db))
    assert database.read(count) == 1


@pytest.mark.parametrize(
    ("code", "damaged"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_ERROR, True),
        (sqlite3.SQLITE_IOERR_READ, True),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_CANTOPEN, False),
        (sqlite3.SQLITE_BUSY, False),
        (None, True),
    ],
)
def test_only_broken_content_is_damage(path: Path, code: int | None, damaged: bool) -> None:
    error = sqlite3.DatabaseError("text")
    if code is not None:
        error.sqlite_errorcode = code
    assert isinstance(fault(path, error), Damaged) is damaged


def test_a_damaged_file_makes_room_and_is_kept_once(path: Path) -> None:
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        path.with_name("test.db-wal").write_bytes(b"left over")
        opened, lost = open_or_set_aside(path, SCHEMA, 1)
        assert lost
        assert opened.read(count) == 0
        opened.close()
        assert path.with_name("test.db.damaged").read_bytes() == content
    opened, lost = open_or_set_aside(path, SCHEMA, 1)
    assert not lost
    opened.close()


def test_what_cannot_be_moved_away_is_named(path: Path) -> None:
    path.write_bytes(b"x" * 1000)
    path.with_name("test.db.damaged").mkdir()
    with pytest.raises(Unusable, match=r"cannot be moved away"):
        set_aside(path)


def test_what_is_not_there_need_not_be_moved(path: Path) -> None:
    set_aside(path)


def test_values_are_what_was_written() -> None:
    assert (blob(b"x"), number(7)) == (b"x", 7)
    for wrong in ("x", 7, None, 1.5):
        with pytest.raises(NotAsWritten):
            blob(wrong)
    for other in ("x", b"x", None, 1.5):
        with pytest.raises(NotAsWritten):
            number(other)


async def test_values_that_are_not_as_written_are_damage(database: Database, path: Path) -> None:
    with pytest.raises(Damaged, match=f"{path}: bytes have become"):
        database.read(lambda _: blob(7))
    with pytest.raises(Damaged, match=f"{path}: bytes have become"):
        await database.write(lambda _: blob(7))
