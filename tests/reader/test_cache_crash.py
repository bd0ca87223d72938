"""A power cut while the plan changes: what opens afterwards is the old plan or the new, whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reader.cache import PlanCache
from tests.reader.office import FRAME, Office, many
from tests.reader.test_cache import content, take
from tests.reader.virtual import run

CUTS = 60


@pytest.fixture(scope="module")
def office() -> Office:
    """Three versions of a plan."""
    office = Office([*FRAME, *many(60)])
    office.edit(many(80, first=30), [many(1)[0].id])
    office.edit(many(100, first=200))
    return office


@pytest.fixture(scope="module")
def files(office: Office, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The database file and its log, as they lie on the card after three changes."""
    path = tmp_path_factory.mktemp("cache") / "plan.db"

    async def fill() -> tuple[bytes, bytes]:
        cache = PlanCache(path)
        await take(cache, office.snapshot(1))
        await take(cache, office.delta(1, 2))
        await take(cache, office.delta(2, 3, pages=3))
        found = path.read_bytes(), path.with_name("plan.db-wal").read_bytes()
        cache.close()
        return found

    return run(fill())


def version_found(folder: Path, files: tuple[bytes, bytes], office: Office) -> int:
    """Open what is left of a cache; return its version after checking that it is whole."""
    folder.mkdir()
    (folder / "plan.db").write_bytes(files[0])
    (folder / "plan.db-wal").write_bytes(files[1])
    return run(check(folder / "plan.db", office))


async def check(path: Path, office: Office) -> int:
    cache = PlanCache(path)
    try:
        assert await cache.verify()
        if cache.plan is None:
            assert cache.plan is None
            return 0
        version = cache.plan.version
        assert cache.plan == office.state_of(version)
        assert content(cache) == office.plans[version]
        # And it goes on from there.
        if version < office.version:
            await take(cache, office.delta(version))
        assert content(cache) == office.plans[office.version]
        return version
    finally:
        cache.close()


def test_a_log_cut_short_anywhere_leaves_one_version_or_another(
    tmp_path: Path, files: tuple[bytes, bytes], office: Office
) -> None:
    main, log = files
    chance = random.Random(8)
    cuts = sorted(chance.randrange(len(log)) for _ in range(CUTS))
    found = [
        version_found(tmp_path / f"cut{cut}", (main, log[:cut]), office)
        for cut in dict.fromkeys([*cuts, len(log)])
    ]
    assert found == sorted(found)  # the longer the log, the later the version
    assert set(found) == {0, 1, 2, 3}


def test_a_log_with_flipped_bits_leaves_one_version_or_another(
    tmp_path: Path, files: tuple[bytes, bytes], office: Office
) -> None:
    main, log = files
    chance = random.Random(9)
    for number in range(CUTS // 2):
        torn = bytearray(log)
        for _ in range(3):
            torn[chance.randrange(len(log))] ^= 1 << chance.randrange(8)
        version_found(tmp_path / f"torn{number}", (main, bytes(torn)), office)
