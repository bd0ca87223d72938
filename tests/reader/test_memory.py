"""What a reader remembers over restarts and losses, and what it knows when anything is in doubt."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reader.database import Database, Unusable
from reader.denials import _apply as apply_update
from reader.inbound import Fits, Floor, Wrong, judge_page
from reader.lease import BOOT_COST, Standing
from reader.memory import CACHE, DENIALS, JOURNAL, Memory, open_memory
from reader.plan_rows import apply
from reader.store import Store
from shared.access.decide import Attempt, Denied, Granted, Knowledge, Reason, decide
from shared.access.mode import Trust
from shared.access.rows import Flag, Method
from shared.wire.messages import CacheHealth
from tests.reader.clocks import NOW, Machine
from tests.reader.office import DAY, DOOR, FRAME, Office, made_up

KEY = made_up(0).key
MS = int(NOW * 1000)
TWICE = made_up(1, uses=2, flags=int(Flag.OWNED_USES))


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def office() -> Office:
    office = Office([*FRAME, made_up(0), TWICE])
    office.deny(made_up(5).key)
    return office


@pytest.fixture
def start(tmp_path: Path, machine: Machine) -> Iterator[Callable[[], Memory]]:
    """Opens the memory again and again, as restarts of the daemon do."""
    opened: list[Memory] = []

    def start() -> Memory:
        if opened:
            opened.pop().close()
        opened.append(open_memory(tmp_path, machine))
        return opened[-1]

    yield start
    if opened:
        opened.pop().close()


async def fill(memory: Memory, office: Office) -> None:
    """Bring plan, deny set, floor and lease to what the office has."""
    for page in office.snapshot():
        await memory.cache.take_page(page)
    await memory.denials.take(office.deny_update(memory.denials.state.counter))
    await memory.raise_floor()
    await memory.renew(MS, memory.time.uptime())


def verdict(memory: Memory, key: bytes = KEY) -> Granted | Denied:
    attempt = Attempt(key, Method.PKOC_NFC, proven=True)
    return decide(attempt, memory.know(key), memory.clock.read())


def reason(memory: Memory, key: bytes = KEY) -> Reason:
    decided = verdict(memory, key)
    assert isinstance(decided, Denied), decided
    return decided.reason


def full(database: Database) -> None:
    """Let no page be added to a file, as on a full card."""
    pages = database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    database.write_now(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))


def meddle(path: Path, statement: str) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(statement)
    other.close()


def test_a_new_reader_refuses_everybody(start: Callable[[], Memory]) -> None:
    memory = start()
    assert (memory.ready, memory.health) == (False, CacheHealth.EMPTY)
    assert memory.know(KEY) == Knowledge()
    assert reason(memory) is Reason.NO_PLAN
    assert not memory.know(None).lease_live
    assert memory.lease_standing() is Standing.LIVE
    assert memory.know(None).door is None


async def test_all_is_there_after_a_restart(
    start: Callable[[], Memory], office: Office, machine: Machine
) -> None:
    await fill(start(), office)
    machine.forward(30)
    memory = start()
    assert (memory.ready, memory.health) == (True, CacheHealth.GOOD)
    assert memory.clock.trust is Trust.TRUSTED
    assert memory.lease.spent_at(machine.uptime()) == 30
    assert memory.floor == Floor(1, 1, 1, 1)
    assert isinstance(verdict(memory), Granted)
    assert reason(memory, made_up(5).key) is Reason.REVOKED
    assert memory.know(None).grants == ()
    assert memory.know(None).door == DOOR


async def test_the_lease_is_paid_for_by_every_boot_even_without_a_minute_between(
    start: Callable[[], Memory], office: Office, machine: Machine
) -> None:
    office.edit([replace(DOOR, lease=3600)])
    await fill(start(), office)
    for number in range(int(3600 / BOOT_COST)):
        assert start().know(None).lease_live, number
        machine.power_cut(1)
    memory = start()
    assert not memory.know(None).lease_live
    assert memory.lease_standing() is Standing.ENDED
    assert reason(memory) is Reason.LEASE_ENDED


async def test_the_lease_burns_and_warns(
    start: Callable[[], Memory], office: Office, machine: Machine
) -> None:
    memory = start()
    await fill(memory, office)
    machine.forward(DAY - 1)
    assert memory.lease_standing() is Standing.LIVE
    machine.forward(1)
    assert memory.lease_standing() is Standing.OLD
    machine.forward(6 * DAY)
    assert memory.lease_standing() is Standing.ENDED


async def test_a_checkpoint_saves_what_was_spent_and_the_time(
    start: Callable[[], Memory], office: Office, machine: Machine
) -> None:
    memory = start()
    await fill(memory, office)
    machine.forward(5_000)
    await memory.checkpoint()
    machine.power_cut(60)
    machine.wall_error = -(10.0**9)
    memory = start()
    assert memory.lease.spent_at(machine.uptime()) == 5_000 + BOOT_COST
    assert memory.clock.read().now == int(NOW) + 5_000
    assert memory.clock.trust is Trust.FLOOR


async def test_lost_trust_stays_lost_over_a_restart(
    start: Callable[[], Memory], office: Office, machine: Machine
) -> None:
    memory = start()
    await fill(memory, office)
    assert not await memory.renew(MS - 3_600_000, machine.uptime())
    assert memory.clock.trust is Trust.FLOOR
    assert start().clock.trust is not Trust.TRUSTED


async def test_a_floor_not_written_down_is_found_at_the_next_start(
    start: Callable[[], Memory], office: Office, tmp_path: Path
) -> None:
    memory = start()
    for page in office.snapshot():
        await memory.cache.take_page(page)
    assert memory.floor == Floor()
    assert start().floor.version == 1
    # And it is written down by then.
    start().close()
    (tmp_path / CACHE).unlink()
    assert start().floor.version == 1


async def test_after_a_loss_only_what_reaches_the_floor_is_in_force(
    start: Callable[[], Memory], office: Office, tmp_path: Path
) -> None:
    office.edit([made_up(7)])
    old = office.snapshot(1)[0]
    office.deny(KEY)
    await fill(start(), office)
    start().close()
    (tmp_path / CACHE).write_bytes(b"ruined" * 1000)
    (tmp_path / DENIALS).write_bytes(b"ruined" * 1000)
    memory = start()
    assert memory.health is CacheHealth.DAMAGED
    # A plan from before is refused by whoever judges it,
    assert isinstance(judge_page(old, None, memory.floor), Wrong)
    assert judge_page(office.snapshot()[0], None, memory.floor) == Fits()
    # and would not be used if it came in otherwise;
    await memory.cache.take_page(old)
    assert reason(memory) is Reason.NO_PLAN
    # nor is a plan used without the deny set that was there.
    await memory.cache.take_page(office.snapshot()[0])
    assert reason(memory) is Reason.NO_PLAN
    await memory.denials.take(office.deny_update(0, 1))
    assert reason(memory) is Reason.NO_PLAN
    await memory.denials.take(office.deny_update(1))
    assert reason(memory) is Reason.REVOKED


async def test_a_deny_set_from_a_copy_is_not_enough(
    start: Callable[[], Memory], office: Office, tmp_path: Path
) -> None:
    await fill(start(), office)
    start().close()
    copy = (tmp_path / DENIALS).read_bytes()
    office.deny(KEY)
    memory = start()
    await memory.denials.take(office.deny_update(1))
    await memory.raise_floor()
    memory.close()
    (tmp_path / DENIALS).write_bytes(copy)
    memory = start()
    assert (memory.ready, memory.health) == (False, CacheHealth.DAMAGED)


@pytest.mark.parametrize("file", [CACHE, DENIALS])
async def test_damage_that_shows_at_a_tap_refuses_it(
    start: Callable[[], Memory], office: Office, tmp_path: Path, file: str
) -> None:
    memory = start()
    await fill(memory, office)
    meddle(tmp_path / file, "DROP TABLE row" if file == CACHE else "DROP TABLE deny")
    assert memory.know(KEY) == Knowledge()
    assert reason(memory) is Reason.NO_PLAN
    assert not memory.ready
    assert memory.know(None).door is None
    assert not memory.know(None).lease_live


async def test_a_decision_asks_each_file_once(start: Callable[[], Memory], office: Office) -> None:
    memory = start()
    await fill(memory, office)
    assert isinstance(verdict(memory), Granted)
    asked: list[str] = []
    for store in (memory.cache, memory.denials):
        store._database._reader.set_trace_callback(asked.append)
    assert isinstance(verdict(memory), Granted)
    assert len(asked) == 2


async def test_what_is_denied_no_longer_is_judged_by_the_plan_that_followed(
    start: Callable[[], Memory], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = start()
    office.deny(KEY)
    await fill(memory, office)
    office.deny(KEY, None)
    office.edit([], [made_up(0).id])
    [page] = office.delta(1)
    update = office.deny_update(memory.denials.state.counter)
    look = Store.look

    def look_and_be_overtaken(store: Store[Any], *asked: Any) -> Any:
        found = look(store, *asked)
        # Both writing threads commit between the two questions.
        monkeypatch.undo()
        memory.cache._database.write_now(
            lambda db: apply(db, page, iter([(page.put, page.delete)]))
        )
        memory.denials._database.write_now(lambda db: apply_update(db, update))
        return found

    monkeypatch.setattr(Store, "look", look_and_be_overtaken)
    assert reason(memory) is Reason.REVOKED
    assert reason(memory) is Reason.UNKNOWN


async def test_uses_that_cannot_be_read_count_as_spent(
    start: Callable[[], Memory], office: Office, tmp_path: Path
) -> None:
    memory = start()
    await fill(memory, office)
    assert isinstance(verdict(memory, TWICE.key), Granted)
    meddle(tmp_path / JOURNAL, "DROP TABLE spent")
    assert reason(memory, TWICE.key) is Reason.USED_UP
    assert isinstance(verdict(memory), Granted)


async def test_a_full_card_stops_nobody_who_may_enter(
    start: Callable[[], Memory], office: Office, machine: Machine
) -> None:
    memory = start()
    await fill(memory, office)
    # With everything in use, and no free page left.
    memory.journal.keep_now("filler", "x" * 20_000)
    full(memory.journal._database)
    with pytest.raises(Unusable, match="full"):
        await memory.journal.keep("more", "x" * 20_000)
    machine.forward(60)
    assert isinstance(verdict(memory), Granted)


async def test_a_floor_that_could_not_be_written_is_written_later(
    start: Callable[[], Memory], office: Office, tmp_path: Path
) -> None:
    memory = start()
    for page in office.snapshot():
        await memory.cache.take_page(page)
    meddle(tmp_path / JOURNAL, "ALTER TABLE note RENAME TO elsewhere")
    with pytest.raises(Unusable):
        await memory.raise_floor()
    assert memory.floor.version == 1
    meddle(tmp_path / JOURNAL, "ALTER TABLE elsewhere RENAME TO note")
    await memory.raise_floor()
    assert memory.journal.note("floor", Floor) == memory.floor


async def test_a_start_goes_on_if_it_cannot_write_what_it_costs(
    start: Callable[[], Memory],
    office: Office,
    machine: Machine,
    tmp_path: Path,
) -> None:
    await fill(start(), office)
    start().close()
    meddle(
        tmp_path / JOURNAL,
        "CREATE TRIGGER full BEFORE DELETE ON note BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    machine.power_cut(1)
    memory = start()
    assert memory.lease.spent_at(machine.uptime()) == BOOT_COST
    assert isinstance(verdict(memory), Granted)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unusable, match=f"{tmp_path / 'file' / 'data'} cannot be made"):
        open_memory(tmp_path / "file" / "data", machine)


def test_a_memory_that_cannot_be_opened_leaves_no_file_open(
    tmp_path: Path, machine: Machine
) -> None:
    open_memory(tmp_path, machine).close()
    meddle(tmp_path / DENIALS, "PRAGMA user_version = 99")
    for _ in range(3):
        with pytest.raises(Exception, match="install the newer"):
            open_memory(tmp_path, machine)
    meddle(tmp_path / DENIALS, "PRAGMA user_version = 1")
    open_memory(tmp_path, machine).close()


@pytest.mark.parametrize("which", ["cache", "denials"])
async def test_a_moment_in_which_nothing_can_be_read_refuses_and_passes(
    start: Callable[[], Memory], office: Office, which: str
) -> None:
    memory = start()
    await fill(memory, office)
    store = memory.cache if which == "cache" else memory.denials
    reader = store._database._reader
    reader.set_progress_handler(lambda: 1, 1)
    assert reason(memory) is Reason.NO_PLAN
    assert not memory.know(None).door
    assert not store.broken.is_set()
    reader.set_progress_handler(None, 0)
    assert isinstance(verdict(memory), Granted)
    assert memory.know(None).door == DOOR
