"""The deny set: every update durable, nothing damaged ever believed, not even an empty set."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from reader.database import Unusable
from reader.denials import DenySet
from reader.inbound import DenyState
from shared.access.decide import DenyCause
from tests.reader.folders import folder
from tests.reader.office import Office, made_up
from tests.reader.virtual import run

A, B, C = (made_up(number).key for number in range(3))


@pytest.fixture
def office() -> Office:
    office = Office()
    office.deny(A, DenyCause.STOLEN)
    office.deny(B)
    office.deny(B, None)
    return office


@pytest_asyncio.fixture
async def denials(tmp_path: Path) -> AsyncIterator[DenySet]:
    opened = DenySet(tmp_path / "deny.db")
    yield opened
    opened.close()


async def test_a_new_set_is_empty_and_whole(denials: DenySet) -> None:
    assert denials.state == DenyState(0, 0)
    assert denials.look_up(A)[1] is None
    assert await denials.verify()
    assert not denials.broken.is_set()


async def test_an_update_is_durable(denials: DenySet, office: Office, tmp_path: Path) -> None:
    await denials.take(office.deny_update())
    denials.close()
    again = DenySet(tmp_path / "deny.db")
    assert again.state == DenyState(1, 3)
    assert (again.look_up(A)[1], again.look_up(B)[1], again.look_up(C)[1]) == (
        DenyCause.STOLEN,
        None,
        None,
    )
    assert await again.verify()
    again.close()


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.sampled_from(DenyCause)), max_size=20),
    st.data(),
)
def test_any_cuts_of_a_history_give_the_same_set(
    history: list[tuple[int, DenyCause | None]], data: st.DataObject
) -> None:
    async def main() -> None:
        office = Office()
        for number, cause in history:
            office.deny(made_up(number).key, cause)
        with folder() as name:
            denials = DenySet(Path(name) / "deny.db")
            while (have := denials.state.counter) < office.deny_counter:
                upto = data.draw(st.integers(have + 1, office.deny_counter))
                base = data.draw(st.integers(0, have))
                await denials.take(office.deny_update(base, upto))
            expected = {made_up(number).key: cause for number, cause in history}
            for number in range(6):
                key = made_up(number).key
                assert denials.look_up(key)[1] == expected.get(key)
            assert await denials.verify()
            denials.close()

    run(main())


async def test_many_entries_add_up(denials: DenySet) -> None:
    office = Office()
    for number in range(5_000):
        office.deny(made_up(number).key)
    for base in range(0, 5_000, 1_000):
        await denials.take(office.deny_update(base, base + 1_000))
    assert await denials.verify()
    assert denials.look_up(made_up(4_999).key)[1] is DenyCause.REVOKED


def meddle(path: Path, statement: str, *values: object) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    assert other.execute(statement, values).rowcount != 0
    other.close()


MEDDLING: dict[str, tuple[object, ...]] = {
    "a cause changed": ("UPDATE deny SET cause = ?", b"lost"),
    "a cause that is none": ("UPDATE deny SET cause = ?", b"because"),
    "a cause that is text": ("UPDATE deny SET cause = ?", "lost"),
    "a cause that is no text": ("UPDATE deny SET cause = ?", b"\xff\xfe"),
    "a key changed": ("UPDATE deny SET key = ?", C),
    "a key gone": ("DELETE FROM deny",),
    "a key too many": ("INSERT INTO deny VALUES (?, ?)", C, b"lost"),
    "a key that is text": ("UPDATE deny SET key = ?", "text"),
    "another state": ("UPDATE state SET body = ?", b"\x84\x01\x04"),
    "no state": ("DELETE FROM state",),
    "no table": ("DROP TABLE deny",),
}


@pytest.mark.parametrize("how", MEDDLING)
async def test_whatever_has_changed_is_found_and_healed(
    denials: DenySet, office: Office, tmp_path: Path, how: str
) -> None:
    await denials.take(office.deny_update())
    statement, *values = MEDDLING[how]
    meddle(tmp_path / "deny.db", str(statement), *values)
    assert not await denials.verify()
    assert denials.broken.is_set()
    assert denials.state == DenyState(0, 0)
    with pytest.raises(Unusable, match="damaged"):
        denials.look_up(C)[1]
    assert not await denials.verify()
    await denials.take(office.deny_update())
    assert denials.state == DenyState(1, 3)
    assert denials.look_up(A)[1] is DenyCause.STOLEN
    assert await denials.verify()


@pytest.mark.parametrize("how", ["a cause that is none", "a cause that is text", "no table"])
async def test_what_shows_at_a_tap_refuses_it(
    denials: DenySet, office: Office, tmp_path: Path, how: str
) -> None:
    await denials.take(office.deny_update())
    statement, *values = MEDDLING[how]
    meddle(tmp_path / "deny.db", str(statement), *values)
    with pytest.raises(Unusable):
        denials.look_up(A)[1]
    assert denials.broken.is_set()


async def test_a_broken_file_makes_room(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "deny.db"
    path.write_bytes(b"no database" * 1000)
    denials = DenySet(path)
    assert denials.broken.is_set()
    assert denials.state == DenyState(0, 0)
    await denials.take(office.deny_update())
    assert denials.look_up(A)[1] is DenyCause.STOLEN
    denials.close()
    assert path.with_name("deny.db.damaged").exists()


async def test_damage_met_by_an_update_heals_with_the_next(
    denials: DenySet, office: Office, tmp_path: Path
) -> None:
    await denials.take(office.deny_update(0, 1))
    meddle(tmp_path / "deny.db", "DROP TABLE deny")
    with pytest.raises(Unusable):
        await denials.take(office.deny_update(1))
    assert denials.broken.is_set()
    assert denials.state == DenyState(0, 0)
    await denials.take(office.deny_update())
    assert denials.look_up(A)[1] is DenyCause.STOLEN


async def test_a_card_that_is_full_leaves_the_set_as_it_was(
    denials: DenySet, office: Office
) -> None:
    await denials.take(office.deny_update())
    database = denials._database
    pages = database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    database.write_now(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))
    for number in range(500):
        office.deny(made_up(number).key)
    with pytest.raises(Unusable, match="full"):
        await denials.take(office.deny_update(3))
    assert denials.state == DenyState(1, 3)
    assert denials.look_up(A)[1] is DenyCause.STOLEN
    assert not denials.broken.is_set()
    assert await denials.verify()
