"""A session with the controller: remote opening, and the journal on its way up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from hw.ports import Sensor
from reader.session import MAX_UNCONFIRMED
from reader.sync import ANSWER_WITHIN, RETRY_MAX
from reader.uplink import RECONNECT_MAX
from shared.access.decide import DenyCause
from shared.access.mode import Trust
from shared.access.rows import Modes
from shared.wire.envelope import PairwiseKey, seal_signed
from shared.wire.events import Event, EventKind
from shared.wire.messages import (
    MAX_BATCH,
    EventBatch,
    EventReceipt,
    Hello,
    Pulse,
)
from shared.wire.topics import Leaf, topic
from tests.reader.bus import Weather
from tests.reader.keys import CONTROLLER_KEY, KEYS, PLAN_KEY, READER
from tests.reader.office import DOOR, FRAME, Office, made_up, many
from tests.reader.rig import Rig, press, running
from tests.reader.test_memory import full, meddle

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


# Remote opening


async def test_an_operator_opens_the_door(rig: Rig) -> None:
    pulse = rig.controller.pulse()
    rig.controller.say(pulse, Leaf.CMD)
    await rig.wait(0.1)
    assert rig.is_released()
    [event] = rig.controller.events("remote")
    assert (event.command, event.operator, event.detail) == (pulse.id, 7, "released")
    assert (event.person, event.credential, event.reason) == (None, None, None)
    rig.door.open()
    await rig.wait(0.1)
    [entered] = rig.controller.events("entered")
    assert (entered.operator, entered.person) == (7, None)
    rig.door.shut()
    await rig.wait(0.1)
    assert not rig.is_released()


def spoilt(pulse: Pulse, how: str) -> Pulse:
    match how:
        case "another session":
            return replace(pulse, session=b"x" * 16)
        case "too late":
            return replace(pulse, issued_at=pulse.issued_at - 10_500)
        case _:
            return replace(pulse, issued_at=pulse.issued_at + 10_500)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("another session", "remote opening for another session"),
        ("too late", "remote opening too late"),
        ("from the future", "remote opening too late"),
    ],
)
async def test_a_pulse_for_another_moment_opens_nothing(rig: Rig, how: str, said: str) -> None:
    rig.controller.say(spoilt(rig.controller.pulse(), how), Leaf.CMD)
    await rig.wait(0.1)
    assert not rig.is_released()
    assert rig.controller.events("remote") == []
    assert rig.controller.complaints() == [said]


async def test_a_pulse_opens_once(rig: Rig) -> None:
    payload = rig.controller.say(rig.controller.pulse(), Leaf.CMD)
    await rig.wait(6)
    assert not rig.is_released()
    rig.broker.send(topic(READER, Leaf.CMD), payload)
    await rig.wait(0.1)
    assert not rig.is_released()
    assert rig.controller.complaints() == ["remote opening repeated"]


async def test_a_pulse_from_before_a_reconnect_opens_nothing(rig: Rig) -> None:
    payload = rig.controller.say(rig.controller.pulse(), Leaf.CMD)
    await rig.wait(6)
    rig.broker.cut()
    await rig.wait(2)
    rig.broker.send(topic(READER, Leaf.CMD), payload)
    await rig.wait(0.1)
    assert not rig.is_released()
    assert rig.controller.complaints() == ["remote opening for another session"]


async def test_a_pulse_needs_a_clock(tmp_path: Path, office: Office) -> None:
    async with running(tmp_path, office) as rig:
        rig.controller.answers = False
        await rig.wait(1)
        rig.controller.say(rig.controller.pulse(), Leaf.CMD)
        await rig.wait(0.1)
        assert not rig.is_released()
        assert rig.controller.complaints() == ["remote opening, but the clock is not set"]


@pytest.mark.parametrize("key", [CONTROLLER_KEY, KEYS.identity])
async def test_a_forged_pulse_opens_nothing(rig: Rig, key: object) -> None:
    payload = seal_signed(rig.controller.pulse(), key, Leaf.CMD)  # type: ignore[arg-type]  # parametrized
    rig.broker.send(topic(READER, Leaf.CMD), payload)
    await rig.wait(0.1)
    assert not rig.is_released()
    assert len(rig.controller.complaints()) == 1


async def test_lockdown_refuses_a_pulse_and_says_so(rig: Rig, office: Office) -> None:
    office.edit([replace(DOOR, modes=Modes(lockdown=True))])
    rig.controller.push()
    await rig.wait(0.1)
    rig.controller.say(rig.controller.pulse(), Leaf.CMD)
    await rig.wait(0.1)
    assert not rig.is_released()
    assert [event.detail for event in rig.controller.events("remote")] == ["not released: lockdown"]
    # The end of the lockdown does not let a door spring open that was refused.
    office.edit([DOOR])
    rig.controller.push()
    await rig.wait(0.1)
    assert not rig.is_released()
    rig.controller.say(rig.controller.pulse(2), Leaf.CMD)
    await rig.wait(0.1)
    assert rig.is_released()


async def test_an_override_opens_in_lockdown(rig: Rig, office: Office) -> None:
    office.edit([replace(DOOR, modes=Modes(lockdown=True))])
    rig.controller.push()
    await rig.wait(0.1)
    rig.controller.say(rig.controller.pulse(override=True), Leaf.CMD)
    await rig.wait(0.1)
    assert rig.is_released()
    assert [event.detail for event in rig.controller.events("remote")] == ["released"]


async def test_without_a_plan_a_pulse_opens_nothing(rig: Rig, tmp_path: Path) -> None:
    meddle(tmp_path / "plan.db", "DROP TABLE row")
    rig.memory.know(KEY)
    rig.controller.answers = False
    rig.controller.say(rig.controller.pulse(), Leaf.CMD)
    await rig.wait(0.1)
    assert not rig.is_released()
    assert [event.detail for event in rig.controller.events("remote")] == ["not released: secure"]


# The journal


async def test_what_happens_is_stored_at_once_and_forgotten_here(rig: Rig) -> None:
    await press(rig, 3)
    assert [event.seq for event in rig.controller.events("exit")] == [2, 3, 4]
    assert rig.memory.journal.kept_from == 5
    assert rig.memory.journal.batch(1) is None
    assert not rig.controller.clone_alarm


async def test_without_receipts_everything_stays_and_is_sent_again(rig: Rig) -> None:
    rig.controller.receipts = False
    kept_from = rig.memory.journal.kept_from
    await press(rig, 3)
    await rig.wait(2 * ANSWER_WITHIN)
    firsts = [batch.first for batch in rig.controller.all(EventBatch)]
    assert firsts.count(kept_from) >= 2
    assert rig.memory.journal.kept_from == kept_from
    rig.controller.receipts = True
    await rig.wait(2 * ANSWER_WITHIN)
    assert rig.memory.journal.kept_from == kept_from + 3
    assert len(rig.controller.events("exit")) == 3
    assert not rig.controller.clone_alarm


async def test_a_busy_door_does_not_put_off_what_was_lost(rig: Rig) -> None:
    rig.broker.weather = Weather(drop=1.0)
    await press(rig, 1)
    rig.broker.weather = Weather()
    await press(rig, 20, apart=1.0)
    assert len(rig.controller.events("exit")) == 21


async def test_what_happened_offline_is_marked_as_replayed(rig: Rig) -> None:
    rig.broker.up = False
    rig.broker.cut()
    await press(rig, 3)
    rig.broker.up = True
    await rig.wait(2 * RECONNECT_MAX)
    stored = len(rig.controller.stored)
    assert len(rig.controller.events("exit")) == 3
    assert rig.controller.live_from == stored + 1
    await press(rig, 1)
    assert rig.controller.live_from == stored + 1
    assert rig.controller.last(EventBatch).first == stored + 1


async def test_a_long_time_offline_comes_up_in_order_and_in_pieces(
    tmp_path: Path, office: Office
) -> None:
    async with running(tmp_path, office) as rig:
        rig.broker.up = False
        rig.broker.cut()
        event = Event(seq=0, at=0, trust=Trust.UNKNOWN, kind=EventKind.EXIT, detail="x" * 200)
        count = MAX_UNCONFIRMED + 700
        await rig.memory.journal.append([event] * count)
        rig.controller.receipts = False
        rig.broker.up = True
        await rig.wait(2 * RECONNECT_MAX)
        batches = rig.controller.all(EventBatch)
        assert max(len(batch.entries) for batch in batches) <= MAX_BATCH
        # Again and again, but no more than one batch before a receipt.
        assert len(batches) > 1
        assert {batch.first for batch in batches} == {1}
        rig.controller.receipts = True
        await rig.wait(3 * ANSWER_WITHIN)
        assert len(rig.controller.stored) > count
        assert rig.memory.journal.batch(1) is None
        assert not rig.controller.clone_alarm


@pytest.mark.parametrize("how", ["key", "journal", "too far"])
async def test_a_receipt_that_does_not_hold_forgets_nothing(rig: Rig, how: str) -> None:
    rig.controller.receipts = False
    await press(rig, 2)
    kept_from, journal = rig.memory.journal.kept_from, rig.memory.journal.id
    message = EventReceipt(reader=READER, journal=journal, upto=3)
    key = PairwiseKey(CONTROLLER_KEY, KEYS.identity.public, READER)
    match how:
        case "key":
            key = PairwiseKey(PLAN_KEY, KEYS.identity.public, READER)
        case "journal":
            message = replace(message, journal=b"another!")
        case _:
            message = replace(message, upto=99)
    rig.broker.send(topic(READER, Leaf.CMD), key.seal(message, Leaf.CMD))
    await rig.wait(0.1)
    assert rig.memory.journal.kept_from == kept_from
    rig.controller.receipts = True
    await rig.wait(2 * ANSWER_WITHIN)
    assert len(rig.controller.complaints()) == 1


async def test_old_receipts_do_no_harm(rig: Rig) -> None:
    await press(rig, 3)
    for upto in (0, 1, 2, 4, 3):
        rig.controller.receipt(upto)
    await rig.wait(0.1)
    assert rig.memory.journal.kept_from == 5
    assert rig.controller.complaints() == []


async def test_a_journal_that_cannot_be_read_stops_neither_plan_nor_door(
    rig: Rig, office: Office, tmp_path: Path
) -> None:
    meddle(tmp_path / "journal.db", "DROP TABLE entry")
    await press(rig, 1)
    assert rig.is_released()
    office.deny(KEY)
    rig.controller.push()
    await rig.wait(1)
    assert rig.memory.denials.look_up(KEY)[1] is DenyCause.REVOKED
    await rig.wait(600)
    assert len(rig.controller.all(Hello)) < 10


async def test_a_full_card_stops_neither_door_nor_lease_and_raises_no_storm(
    rig: Rig, tmp_path: Path
) -> None:
    await press(rig, 1)
    for name, what in (("a", "INSERT ON entry"), ("b", "INSERT ON note"), ("c", "DELETE ON entry")):
        meddle(
            tmp_path / "journal.db",
            f"CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
    stored = len(rig.controller.stored)
    rig.door.set_sensor(Sensor.REX, active=True)
    await rig.wait(0.1)
    assert rig.is_released()
    rig.door.set_sensor(Sensor.REX, active=False)
    hellos = len(rig.controller.all(Hello))
    await rig.wait(3600)
    assert not rig.is_released()
    assert len(rig.controller.all(Hello)) - hellos <= 6
    assert rig.memory.lease.spent_at(rig.memory.time.uptime()) <= 1000
    assert len(rig.controller.stored) == stored


async def test_what_cannot_be_forgotten_is_stored_all_the_same(rig: Rig, tmp_path: Path) -> None:
    meddle(
        tmp_path / "journal.db",
        "CREATE TRIGGER c BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    hellos = len(rig.controller.all(Hello))
    await press(rig, 5)
    assert len(rig.controller.events("exit")) == 5
    await rig.reconnect()
    await press(rig, 1)
    assert len(rig.controller.events("exit")) == 6
    assert not rig.controller.clone_alarm
    assert len(rig.controller.all(Hello)) - hellos <= 2


async def test_a_plan_that_cannot_be_written_is_asked_for_with_patience(
    rig: Rig, office: Office, tmp_path: Path
) -> None:
    full(rig.memory.cache._database)
    office.edit(many(2_000, first=100))
    rig.controller.push()
    hellos = len(rig.controller.all(Hello))
    await rig.wait(600)
    assert rig.memory.cache.plan == office.state_of(1)
    assert rig.memory.ready
    assert len(rig.controller.all(Hello)) - hellos < 25
    rig.memory.cache._database.write_now(lambda db: db.execute("PRAGMA max_page_count = 100000"))
    await rig.wait(2 * RETRY_MAX)
    assert rig.memory.cache.plan == office.state
