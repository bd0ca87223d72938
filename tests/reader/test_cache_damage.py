"""A plan cache on a failing card: damage is found, never decided by, and healed by a snapshot."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from reader.cache import PlanCache
from reader.database import Damaged, TooNew, Unusable
from reader.plan_rows import DoesNotAddUp
from shared.access.rows import encode_row
from tests.reader.folders import folder
from tests.reader.office import DOOR, FRAME, Office, made_up, many
from tests.reader.test_cache import assert_holds, take
from tests.reader.virtual import run

GRANTS = 120


@pytest.fixture(scope="module")
def office() -> Office:
    return Office([*FRAME, *many(GRANTS)])


@pytest.fixture(scope="module")
def content(office: Office) -> bytes:
    """The file of a cache with the office's plan."""

    async def fill(path: Path) -> None:
        cache = PlanCache(path)
        await take(cache, office.snapshot())
        cache.close()

    with folder() as name:
        path = Path(name) / "plan.db"
        run(fill(path))
        return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    """The same file, for one test to spoil."""
    path = tmp_path / "plan.db"
    path.write_bytes(content)
    return path


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def middle_zeroed(content: bytes) -> bytes:
    """The header stands, so that the file opens; the rest is gone."""
    return content[:4096] + bytes(len(content) - 4096)


WRECKS: dict[str, Callable[[bytes], bytes]] = {
    "no database": lambda _: b"this is a text file, it says\n" * 1000,
    "random": lambda content: random.Random(1).randbytes(len(content)),
    "random after the header": lambda content: content[:100] + random.Random(2).randbytes(50_000),
    "truncated in the header": lambda content: content[:60],
    "truncated": lambda content: content[: len(content) // 2],
    "zeroed": lambda content: bytes(len(content)),
    "zeroed in the middle": middle_zeroed,
    "one page zeroed": lambda content: content[:20_480] + bytes(4096) + content[24_576:],
}


async def damage_found(cache: PlanCache) -> None:
    """Use the cache as a reader does, until the damage shows."""
    for number in range(GRANTS):
        try:
            cache.look_up(made_up(number).key)
        except Damaged:
            break
    await cache.verify()


def assert_nothing_found(cache: PlanCache) -> None:
    """Nobody is let in by what lies there."""
    try:
        settings, grants = cache.look_up(made_up(0).key)
    except Unusable:
        return
    assert (settings.door, grants) == (None, ())


@pytest.mark.parametrize("wreck", WRECKS)
async def test_a_wreck_is_never_used_and_healed_by_a_snapshot(
    path: Path, office: Office, wreck: str
) -> None:
    rewrite(path, WRECKS[wreck])
    cache = PlanCache(path)
    await damage_found(cache)
    assert cache.broken.is_set()
    assert cache.plan is None
    assert_nothing_found(cache)
    # A page of the snapshot alone does not end it,
    pages = office.snapshot(pages=2)
    assert not await cache.take_page(pages[0])
    assert cache.plan is None
    assert_nothing_found(cache)
    # all of it does.
    assert await cache.take_page(pages[1])
    await assert_holds(cache, office)
    assert cache.look_up(made_up(0).key)[1] == (made_up(0),)
    cache.close()
    assert path.with_name("plan.db.damaged").exists()
    again = PlanCache(path)
    await assert_holds(again, office)
    again.close()


async def test_a_wreck_stays_out_of_use_over_a_restart(path: Path) -> None:
    rewrite(path, middle_zeroed)
    cache = PlanCache(path)
    await damage_found(cache)
    await cache.start_over()
    assert cache.plan is None
    cache.close()
    cache = PlanCache(path)
    assert cache.plan is None
    assert not cache.broken.is_set()
    cache.close()


async def test_starting_over_is_for_the_damaged_only(path: Path, office: Office) -> None:
    cache = PlanCache(path)
    await cache.start_over()
    await assert_holds(cache, office)
    cache.close()


async def test_a_file_that_cannot_be_moved_is_tried_again(path: Path, office: Office) -> None:
    rewrite(path, middle_zeroed)
    cache = PlanCache(path)
    await damage_found(cache)
    in_the_way = path.with_name("plan.db.damaged")
    in_the_way.mkdir()
    with pytest.raises(Unusable, match="cannot be moved away"):
        await take(cache, office.snapshot())
    assert cache.plan is None
    in_the_way.rmdir()
    await take(cache, office.snapshot())
    await assert_holds(cache, office)
    cache.close()


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    before = path.read_bytes()
    with pytest.raises(TooNew, match="install the newer Doorward"):
        PlanCache(path)
    assert path.read_bytes() == before


def test_a_cache_whose_folder_is_gone_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="unable to open"):
        PlanCache(tmp_path / "gone" / "plan.db")


def meddle(path: Path, statement: str, *values: object) -> None:
    """Change the file behind the cache's back, as no SQLite error will ever show."""
    other = sqlite3.connect(path, isolation_level=None)
    assert other.execute(statement, values).rowcount != 0
    other.close()


ROW, OTHER = encode_row(made_up(7)), encode_row(made_up(9999))
BODY = "UPDATE row SET body = ? WHERE body = ?"
MEDDLING: dict[str, tuple[object, ...]] = {
    "a row changed": (BODY, encode_row(made_up(7, flags=8)), ROW),
    "a row gone": ("DELETE FROM row WHERE body = ?", ROW),
    "a row too many": ("INSERT INTO row VALUES (?, ?)", made_up(9999).id, OTHER),
    "a row in the wrong place": ("UPDATE row SET key = ? WHERE body = ?", made_up(9999).id, ROW),
    "a row that is none": (BODY, b"\xff", ROW),
    "a row that is text": (BODY, "text", ROW),
    "a row that is a number": (BODY, 10**12, ROW),
    "a key that is text": ("UPDATE row SET key = ? WHERE body = ?", "text", ROW),
    "another state": ("UPDATE state SET body = substr(body, 1, 30) || x'00' || substr(body, 32)",),
    "another seal": ("UPDATE state SET seal = zeroblob(32)",),
    "no state": ("DELETE FROM state",),
    "a state that is text": ("UPDATE state SET body = 'text'",),
    "no table": ("DROP TABLE row",),
}


@pytest.mark.parametrize("how", MEDDLING)
async def test_whatever_has_changed_is_found(path: Path, office: Office, how: str) -> None:
    statement, *values = MEDDLING[how]
    meddle(path, str(statement), *values)
    cache = PlanCache(path)
    await damage_found(cache)
    assert cache.plan is None
    assert cache.broken.is_set()
    await take(cache, office.snapshot())
    await assert_holds(cache, office)
    cache.close()


async def test_a_changed_row_is_found_while_running_by_the_next_delta(
    path: Path, office: Office
) -> None:
    cache = PlanCache(path)
    meddle(path, BODY, encode_row(made_up(7, flags=8)), ROW)
    newer = Office([*FRAME, *many(GRANTS)])
    newer.edit([made_up(7, flags=1)])
    with pytest.raises(DoesNotAddUp):
        await take(cache, newer.delta(1))
    assert not await cache.verify()
    await take(cache, newer.snapshot())
    await assert_holds(cache, newer)
    cache.close()


async def test_staged_pages_that_have_changed_are_thrown_away(path: Path, office: Office) -> None:
    for wrong in (b"\xff", "text", b"\x80", b"\x82\x19\x04", 10**12):
        cache = PlanCache(path)
        pages = office.snapshot(pages=2)
        await cache.take_page(pages[0])
        meddle(path, "UPDATE staged SET body = ?", wrong)
        with pytest.raises((Unusable, ValueError)):
            await cache.take_page(pages[1])
        await take(cache, office.snapshot(pages=2))
        await assert_holds(cache, office)
        cache.close()


def test_no_flipped_bit_passes_for_the_plan(tmp_path: Path, content: bytes, office: Office) -> None:
    chance = random.Random(20)
    outcomes: set[str] = set()
    for number in range(100):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.db"
        path.write_bytes(flipped)
        outcomes.add(run(outcome(path, office)))
    # A bit may also lie where there is nothing.
    assert outcomes >= {"harmless", "found"}


async def outcome(path: Path, office: Office) -> str:
    """Say whether damage is found in a cache; assert that otherwise all is as it was."""
    try:
        cache = PlanCache(path)
    except TooNew:
        return "refused to start"
    try:
        if cache.broken.is_set() or not await cache.verify():
            return "found"
        assert cache.plan == office.state
        assert cache.head.door == DOOR
        for number in range(GRANTS):
            assert cache.look_up(made_up(number).key)[1] == (made_up(number),)
        return "harmless"
    finally:
        cache.close()
