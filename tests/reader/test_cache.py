"""The plan cache: deltas, snapshots and their pages; what does not add up changes nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reader.cache import PlanCache
from reader.plan_rows import DoesNotAddUp
from shared.access.rows import Door, Grant, encode_row, row_key
from shared.access.schedule import Schedule
from shared.cbor import Malformed
from shared.wire.messages import PlanPage
from tests.reader.folders import folder
from tests.reader.office import ALL_WEEK, CALENDAR, DOOR, FRAME, NIGHTS, Office, made_up, many
from tests.reader.virtual import run

KEY = made_up(0).key


@pytest.fixture
def office() -> Office:
    """A plan with forty grants."""
    return Office([*FRAME, *many(40)])


@pytest_asyncio.fixture
async def cache(tmp_path: Path) -> AsyncIterator[PlanCache]:
    opened = PlanCache(tmp_path / "plan.db")
    yield opened
    opened.close()


async def take(cache: PlanCache, pages: list[PlanPage]) -> bool:
    """Take all pages; return what came of the last."""
    changed = False
    for page in pages:
        assert not changed
        changed = await cache.take_page(page)
    return changed


def content(cache: PlanCache) -> dict[bytes, bytes]:
    """Every row, whatever the cache says of them."""
    return dict(cache._database.read(lambda db: db.execute("SELECT key, body FROM row").fetchall()))


async def assert_holds(cache: PlanCache, office: Office, version: int | None = None) -> None:
    """The cache is whole, and has this version of the plan and nothing else."""
    version = version or office.version
    assert cache.plan == office.state_of(version)
    assert content(cache) == office.plans[version]
    assert await cache.verify()


def test_a_new_cache_is_empty(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plan.db")
    assert cache.plan is None
    assert cache.head.door is None
    assert cache.look_up(KEY)[1] == ()
    assert not cache.broken.is_set()
    cache.close()


async def test_an_empty_cache_is_whole(cache: PlanCache) -> None:
    assert await cache.verify()
    assert cache.plan is None


async def test_a_snapshot_is_all_there_is(cache: PlanCache, office: Office) -> None:
    assert await take(cache, office.snapshot())
    await assert_holds(cache, office)
    settings, grants = cache.look_up(KEY)
    assert (settings.door, settings.calendar) == (DOOR, CALENDAR)
    assert settings.schedules == {1: ALL_WEEK, 2: NIGHTS}
    assert settings == cache.head
    assert grants == (made_up(0),)


async def test_a_delta_puts_replaces_and_deletes(cache: PlanCache, office: Office) -> None:
    await take(cache, office.snapshot())
    office.edit([replace(made_up(1), flags=1), made_up(77)], [made_up(0).id])
    assert await take(cache, office.delta(1))
    await assert_holds(cache, office)
    assert cache.look_up(KEY)[1] == ()
    assert cache.look_up(made_up(1).key)[1][0].flags == 1
    assert cache.look_up(made_up(77).key)[1] == (made_up(77),)


async def test_a_new_version_of_the_door_is_seen_at_once(cache: PlanCache, office: Office) -> None:
    await take(cache, office.snapshot())
    assert cache.head.door == DOOR
    office.edit([Door(1, (), release=60), Schedule(3, ())])
    await take(cache, office.delta(1))
    assert cache.head.door == Door(1, (), release=60)
    assert cache.head.schedules.keys() == {1, 2, 3}


async def test_every_grant_to_a_key_is_found_and_no_other(cache: PlanCache) -> None:
    neighbours = [
        made_up(0, plan=plan, credential=plan) for plan in (1, 2, 255, 256, 2**40, 2**63 - 1)
    ]
    short = Grant(key=KEY[:64], plan=1, credential=1, person=1)
    office = Office([*FRAME, *neighbours, *many(20, first=1), short])
    await take(cache, office.snapshot())
    assert set(cache.look_up(KEY)[1]) == set(neighbours)
    assert cache.look_up(KEY[:64])[1] == (short,)


async def test_a_snapshot_forgets_what_was_there(cache: PlanCache, office: Office) -> None:
    await take(cache, office.snapshot())
    office.plans[2] = {row_key(row): encode_row(row) for row in FRAME}
    await take(cache, office.snapshot())
    await assert_holds(cache, office)


async def test_a_plan_may_have_no_rows(cache: PlanCache) -> None:
    office = Office([])
    assert await take(cache, office.snapshot())
    await assert_holds(cache, office)
    assert cache.head.door is None


@settings(max_examples=30)
@given(
    st.integers(2, 7),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_pages_may_come_in_any_order_and_more_than_once(
    pages: int, chance: random.Random, snapshot: bool
) -> None:
    async def main() -> None:
        office = Office([*FRAME, *many(20)])
        with folder() as name:
            cache = PlanCache(Path(name) / "plan.db")
            await take(cache, office.snapshot())
            office.edit(many(20, first=10), [made_up(3).id, b"\x04never was"])
            way = office.snapshot(pages=pages) if snapshot else office.delta(1, pages=pages)
            arriving = way + chance.choices(way, k=3)
            chance.shuffle(arriving)
            missing = set(range(pages))
            for page in arriving:
                if not missing:
                    break
                missing.discard(page.page)
                assert await cache.take_page(page) is (not missing)
                assert cache.plan == office.state_of(1 if missing else 2)
            await assert_holds(cache, office)
            cache.close()

    run(main())


async def test_pages_of_two_streams_do_not_mix(cache: PlanCache, office: Office) -> None:
    await take(cache, office.snapshot())
    office.edit(many(5, first=100))
    office.edit(many(5, first=200))
    older, newer = office.delta(1, 2, pages=2), office.delta(1, 3, pages=2)
    assert not await cache.take_page(older[0])
    assert not await cache.take_page(newer[1])
    assert not await cache.take_page(older[1])
    assert not await cache.take_page(newer[0])
    await assert_holds(cache, office, 1)
    assert await cache.take_page(newer[1])
    await assert_holds(cache, office, 3)


async def test_the_same_way_cut_otherwise_is_another_stream(
    cache: PlanCache, office: Office
) -> None:
    in_two, in_three = office.snapshot(pages=2), office.snapshot(pages=3)
    assert not await cache.take_page(in_two[0])
    assert not await cache.take_page(in_three[0])
    assert not await cache.take_page(in_three[1])
    assert not await cache.take_page(in_two[1])
    assert cache.plan is None
    assert await cache.take_page(in_two[0])
    await assert_holds(cache, office)


async def test_pages_survive_a_restart(tmp_path: Path, office: Office) -> None:
    pages = office.snapshot(pages=3)
    for page in pages:
        cache = PlanCache(tmp_path / "plan.db")
        assert await cache.take_page(page) is (page is pages[-1])
        cache.close()
    cache = PlanCache(tmp_path / "plan.db")
    await assert_holds(cache, office)
    cache.close()


async def test_a_delta_in_one_page_ends_what_was_begun(cache: PlanCache, office: Office) -> None:
    await take(cache, office.snapshot())
    office.edit(many(5, first=100))
    begun = office.delta(1, pages=2)
    await cache.take_page(begun[0])
    await take(cache, office.delta(1))
    left = cache._database.read(lambda db: db.execute("SELECT * FROM staged").fetchall())
    assert left == []
    await assert_holds(cache, office)


def spoilt(pages: list[PlanPage], how: str) -> list[PlanPage]:
    """The same pages with something wrong in the last."""
    last = pages[-1]
    match how:
        case "digest":
            return [replace(page, after=replace(page.after, digest=b"x" * 32)) for page in pages]
        case "count":
            return [replace(page, after=replace(page.after, count=3)) for page in pages]
        case "row missing":
            return [*pages[:-1], replace(last, put=last.put[1:])]
        case "row too many":
            return [*pages[:-1], replace(last, put=(*last.put, encode_row(made_up(999))))]
        case "row twice":  # which is no harm
            return [*pages[:-1], replace(last, put=(*last.put, last.put[-1]))]
        case "deletion too many":
            return [*pages[:-1], replace(last, delete=(*last.delete, made_up(5).id))]
        case "malformed":
            return [*pages[:-1], replace(last, put=(*last.put, b"\x82\x04\x00"))]
        case _:
            return [*pages[:-1], replace(last, put=(*last.put, b"\xff"))]


WRONGS = ["digest", "count", "row missing", "row too many", "malformed", "no cbor"]


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *(("snapshot", how) for how in WRONGS),
        *(("delta", how) for how in [*WRONGS, "deletion too many"]),
    ],
)
async def test_what_does_not_add_up_leaves_all_as_it_was(
    cache: PlanCache, office: Office, pages: int, kind: str, how: str
) -> None:
    await take(cache, office.snapshot())
    office.edit(many(20, first=30), [made_up(0).id])
    way = office.snapshot(pages=pages) if kind == "snapshot" else office.delta(1, pages=pages)
    with pytest.raises((DoesNotAddUp, Malformed)):
        await take(cache, spoilt(way, how))
    await assert_holds(cache, office, 1)
    # Nor does anything of it stay behind, to spoil the next attempt.
    assert await take(cache, way)
    await assert_holds(cache, office)


async def test_a_row_that_is_there_twice_counts_once(cache: PlanCache, office: Office) -> None:
    assert await take(cache, spoilt(office.snapshot(), "row twice"))
    await assert_holds(cache, office)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15)))), st.data())
def test_any_history_of_deltas_and_snapshots_gives_the_controllers_plan(
    edits: list[tuple[set[int], set[int]]], data: st.DataObject
) -> None:
    async def main() -> None:
        office = Office()
        with folder() as name:
            cache = PlanCache(Path(name) / "plan.db")
            await take(cache, office.snapshot())
            for number, (put, delete) in enumerate(edits):
                base = office.version
                rows = [made_up(key, credential=number + 1) for key in put]
                office.edit(rows, [made_up(key).id for key in delete])
                pages = data.draw(st.integers(1, 3))
                whole = data.draw(st.booleans())
                way = office.snapshot(pages=pages) if whole else office.delta(base, pages=pages)
                assert await take(cache, way)
                assert cache.plan == office.state
            assert content(cache) == office.plans[office.version]
            assert await cache.verify()
            cache.close()

    run(main())


async def test_verifying_and_applying_do_not_disturb_each_other(
    cache: PlanCache, office: Office
) -> None:
    office.edit(many(3_000))
    await take(cache, office.snapshot())
    base = office.version
    office.edit(many(100, first=50_000))
    verifying = asyncio.create_task(cache.verify())
    await asyncio.sleep(0)
    await take(cache, office.delta(base))
    assert await verifying
    await assert_holds(cache, office)
