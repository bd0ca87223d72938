"""A session with the controller: the retained state, bad lines, damage to files of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace as with_fields
from pathlib import Path

import pytest
import pytest_asyncio

from hw.ports import Sensor
from reader.session import MAX_PAGES_WAITING, REPAIR_PAUSE
from reader.sync import RENEW_EVERY
from reader.upkeep import CHECK_AFTER, CHECKPOINT_EVERY
from reader.uplink import RECONNECT_FIRST, RECONNECT_MAX
from shared.access.decide import DenyCause
from shared.wire.envelope import PairwiseKey
from shared.wire.messages import (
    Ack,
    CacheHealth,
    PlanPage,
    State,
)
from shared.wire.topics import Leaf, Place, topic
from tests.reader.bus import Broker, Weather
from tests.reader.controller import Controller
from tests.reader.keys import CONTROLLER_KEY, KEYS, READER
from tests.reader.office import DAY, FRAME, Office, made_up, many
from tests.reader.rig import Rig, press, running
from tests.reader.test_memory import meddle

KEY = made_up(0).key


@pytest.fixture
def office() -> Office:
    office = Office([*FRAME, *many(10)])
    office.deny(made_up(9).key)
    return office


@pytest_asyncio.fixture
async def rig(tmp_path: Path, office: Office) -> AsyncIterator[Rig]:
    """A reader that has been served once by its controller."""
    async with running(tmp_path, office) as rig:
        await rig.wait()
        yield rig


# The retained state


def retained(rig: Rig) -> State:
    """What somebody who connects now is told of the reader."""
    payload = rig.broker.retained[topic(READER, Leaf.STATE)]
    key = PairwiseKey(CONTROLLER_KEY, KEYS.identity.public, READER)
    return key.open(payload, Place(READER, Leaf.STATE), State)


async def test_the_state_tells_how_the_door_is(rig: Rig) -> None:
    state = retained(rig)
    assert (state.online, state.mode, state.contact) == (True, "secure", "closed")
    assert state.health == CacheHealth.GOOD.value
    rig.door.set_sensor(Sensor.REX, active=True)
    await rig.wait(0.1)
    rig.door.open()
    await rig.wait(0.1)
    assert (retained(rig).mode, retained(rig).contact) == ("exit", "open")


async def test_a_broken_line_leaves_the_will(rig: Rig) -> None:
    rig.broker.up = False
    rig.broker.cut()
    await rig.wait(0.1)
    assert not retained(rig).online
    rig.broker.up = True
    await rig.wait(2 * RECONNECT_MAX)
    assert retained(rig).online


async def test_a_clean_stop_says_goodbye(tmp_path: Path, office: Office) -> None:
    broker = Broker()
    async with running(tmp_path, office, broker=broker) as rig:
        await rig.wait()
        assert retained(rig).online
    assert not retained(rig).online


async def test_an_old_sessions_will_is_put_right(rig: Rig) -> None:
    old = PairwiseKey(CONTROLLER_KEY, KEYS.identity.public, READER).seal(
        State(reader=READER, session=b"o" * 16, online=False), Leaf.STATE
    )
    rig.broker.send(topic(READER, Leaf.STATE), old, retain=True)
    await rig.wait(0.1)
    assert not retained(rig).online
    await rig.wait(REPAIR_PAUSE)
    assert retained(rig).online


async def test_somebody_who_insists_gets_no_race_and_holds_up_nothing(
    rig: Rig, office: Office
) -> None:
    before = len(rig.controller.all(State))
    office.deny(KEY)
    for number in range(100):
        rig.broker.send(topic(READER, Leaf.STATE), b"lie", retain=True)
        if number == 50:
            rig.controller.push()
        await rig.wait(0.1)
        if number == 51:
            assert rig.memory.denials.look_up(KEY)[1] is not None
    assert len(rig.controller.all(State)) - before <= 11
    await rig.wait(2 * REPAIR_PAUSE)
    assert retained(rig).online


async def test_a_quick_change_of_state_settles(rig: Rig) -> None:
    for active in (True, False, True, False):
        rig.door.set_sensor(Sensor.CONTACT, active=active)
        await asyncio.sleep(0)
    await rig.wait(3)
    before = len(rig.controller.all(State))
    assert retained(rig).contact == "closed"
    await rig.wait(60)
    assert len(rig.controller.all(State)) == before


# The line


async def test_a_revocation_overtakes_a_long_snapshot(rig: Rig, office: Office) -> None:
    office.edit(many(4_000, first=100))
    rig.controller.pages = 40
    pages = office.delta(1, pages=40)
    office.deny(KEY)
    rig.controller.say_all(pages)
    rig.controller.say(office.deny_update(1), Leaf.DENY)
    await rig.wait(1)
    acks = rig.controller.all(Ack)
    first = next(ack for ack in acks if ack.deny_counter == 2)
    assert first.plan == office.state_of(1)
    assert acks[-1].plan == office.state


async def test_a_revocation_overtakes_more_pages_than_can_wait(
    rig: Rig, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_page = rig.memory.cache.take_page

    async def take_slowly(page: PlanPage) -> bool:
        await asyncio.sleep(1)
        return await take_page(page)

    monkeypatch.setattr(rig.memory.cache, "take_page", take_slowly)
    office.edit(many(4_000, first=100))
    rig.controller.pages = 40
    first, *rest = office.delta(1, pages=40)
    rig.controller.say(first)
    for _ in range(MAX_PAGES_WAITING + 10):
        rig.controller.say(first)
    rig.controller.say_all(rest)
    office.deny(KEY)
    rig.controller.say(office.deny_update(1), Leaf.DENY)
    await rig.wait(1)
    assert rig.memory.denials.look_up(KEY)[1] is DenyCause.REVOKED
    assert rig.controller.last(Ack).deny_counter == 2
    # What found no place is asked for when the others are through.
    await rig.wait(MAX_PAGES_WAITING + 120)
    assert rig.memory.cache.plan == office.state


async def test_a_broker_that_drops_everybody_is_not_stormed(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        before = rig.broker.connects
        for _ in range(600):
            rig.broker.cut()
            await rig.wait(0.5)
        # Five minutes at the longest pause, which is spread by a half.
        assert rig.broker.connects - before < 300 / (RECONNECT_MAX * 0.5) + 10


async def test_a_broker_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    broker = Broker()
    broker.up = False
    async with running(tmp_path, broker=broker) as rig:
        await rig.wait(300)
        assert broker.connects == 0
        broker.up = True
        await rig.wait(2 * RECONNECT_MAX)
        assert broker.connects == 1
        assert rig.memory.ready


async def test_a_line_that_lasted_is_renewed_quickly(rig: Rig) -> None:
    await rig.wait(60)
    before = rig.broker.connects
    rig.broker.cut()
    await rig.wait(2 * RECONNECT_FIRST)
    assert rig.broker.connects == before + 1


@pytest.mark.parametrize("seed", range(6))
async def test_on_a_bad_day_everything_arrives_in_the_end(
    tmp_path: Path, office: Office, seed: int
) -> None:
    broker = Broker(seed=seed)
    async with running(tmp_path, office, broker=broker) as rig:
        broker.weather = Weather(drop=0.2, repeat=0.2, delay=1.5)
        for number in range(20):
            office.edit(many(3, first=20 + number), [made_up(number).id])
            office.deny(made_up(100 + number).key)
            if rig.controller.all(Ack):
                rig.controller.push()
            if number % 7 == 3:
                broker.cut()
            await press(rig, 2, apart=3)
        broker.weather = Weather()
        await rig.wait(1000)
        assert rig.memory.cache.plan == office.state
        assert rig.memory.denials.state.counter == office.deny_counter
        assert await rig.memory.cache.verify()
        assert len(rig.controller.events("exit")) == 40
        seqs = [event.seq for event in rig.controller.events()]
        assert seqs == list(range(1, len(seqs) + 1))
        assert rig.memory.journal.kept_from == len(seqs) + 1
        assert not rig.controller.clone_alarm
        # Late and repeated messages are refused, which is right; nothing else is.
        assert all(
            "again" in said or "different" not in said for said in rig.controller.complaints()
        )


# Own files


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("plan.db", "UPDATE row SET body = x'ff' WHERE key > x'04'"),
        ("plan.db", "DELETE FROM row WHERE key > x'04'"),
        ("deny.db", "DELETE FROM deny"),
    ],
)
async def test_damage_is_found_after_a_start_reported_and_healed(
    tmp_path: Path, office: Office, file: str, statement: str
) -> None:
    broker = Broker()
    controller = Controller(broker, office)
    async with running(tmp_path, controller=controller, broker=broker) as rig:
        await rig.wait()
    meddle(tmp_path / file, statement)
    async with running(tmp_path, controller=controller, broker=broker) as rig:
        await rig.wait(CHECK_AFTER + 0.5)
        await rig.wait(2)
        assert rig.memory.ready
        assert await rig.memory.cache.verify()
        assert await rig.memory.denials.verify()
        assert rig.memory.denials.look_up(made_up(9).key)[1] is DenyCause.REVOKED
        assert rig.memory.cache.plan == office.state
        [event] = rig.controller.events("cache")
        assert "damaged" in (event.detail or "")
        assert (tmp_path / f"{file}.damaged").exists()


async def test_damage_met_by_a_tap_is_reported_and_healed_at_once(
    rig: Rig, office: Office, tmp_path: Path
) -> None:
    meddle(tmp_path / "plan.db", "DROP TABLE row")
    rig.memory.know(KEY)
    assert rig.memory.health is CacheHealth.DAMAGED
    await rig.wait(1)
    assert rig.memory.cache.plan == office.state
    assert len(rig.controller.events("cache")) == 1


async def test_a_delta_that_does_not_fit_damaged_rows_is_healed_by_a_snapshot(
    rig: Rig, office: Office, tmp_path: Path
) -> None:
    meddle(tmp_path / "plan.db", "DELETE FROM row WHERE key > x'04'")
    office.edit([made_up(0, flags=1)])
    rig.controller.push()
    await rig.wait(2)
    assert rig.memory.cache.plan == office.state
    assert await rig.memory.cache.verify()


async def test_a_lease_that_grows_old_is_told_once(rig: Rig) -> None:
    rig.controller.answers = False
    for spent in (DAY, 7 * DAY):
        rig.memory.lease = with_fields(rig.memory.lease, renewed_at=1, spent=spent)
        rig.memory.clock.anchor = None
        await rig.wait(4 * CHECKPOINT_EVERY)
    told = [event.detail or "" for event in rig.controller.events("lease")]
    assert len(told) == 2
    assert "refused" in told[1]
    rig.controller.answers = True
    await rig.wait(RENEW_EVERY + 2 * CHECKPOINT_EVERY)
    assert rig.controller.events("lease")[-1].detail == "renewed"


async def test_a_minute_is_never_lost_twice(rig: Rig) -> None:
    await rig.wait(3 * CHECKPOINT_EVERY)
    note = rig.memory.journal.note("clock_floor", float)
    assert note is not None
    assert rig.memory.clock.seconds() - note <= CHECKPOINT_EVERY
