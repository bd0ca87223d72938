"""Reader and controller over a broker: hello, plan, deny set, lease, and all that is refused."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace as with_fields
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from reader.clock import MAX_ROUND_TRIP
from reader.lease import Standing
from reader.refusals import BURST
from reader.sync import ANSWER_WITHIN, RENEW_EVERY, RETRY_MAX
from shared.access.decide import DenyCause
from shared.access.mode import DoorMode, Trust
from shared.access.rows import Modes
from shared.wire.envelope import seal_signed
from shared.wire.messages import Ack, CacheHealth, DenyUpdate, Hello, PlanPage, State
from shared.wire.topics import Leaf, topic
from tests.reader.keys import CONTROLLER_KEY, KEYS, OTHER_READER, PLAN_KEY, READER
from tests.reader.office import DOOR, FRAME, Office, made_up, many
from tests.reader.rig import Rig, running

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


async def test_a_new_reader_gets_everything_at_once(rig: Rig, office: Office) -> None:
    hello = rig.controller.all(Hello)[0]
    assert (hello.plan, hello.health, hello.deny_counter) == (None, CacheHealth.EMPTY, 0)
    ack = rig.controller.last(Ack)
    assert (ack.plan, ack.deny_counter) == (office.state, 1)
    assert ack.session == hello.session
    assert rig.memory.ready
    assert rig.memory.denials.look_up(made_up(9).key)[1] is DenyCause.REVOKED
    assert rig.memory.lease_standing() is Standing.LIVE
    assert rig.memory.know(None).lease_live
    assert rig.memory.clock.trust is Trust.TRUSTED
    assert rig.controller.complaints() == []
    assert len(rig.controller.all(Hello)) <= 2


@pytest.mark.parametrize("pages", [1, 2, 7])
async def test_a_change_is_acknowledged_at_once(rig: Rig, office: Office, pages: int) -> None:
    rig.controller.pages = pages
    office.edit(many(30, first=5))
    before = len(rig.controller.all(Ack))
    rig.controller.push()
    await rig.wait(0.1)
    acks = rig.controller.all(Ack)[before:]
    assert [ack.plan for ack in acks] == [office.state]
    assert rig.memory.floor.version == office.version


async def test_a_revocation_is_acknowledged_at_once(rig: Rig, office: Office) -> None:
    office.deny(KEY, DenyCause.STOLEN)
    rig.controller.push()
    await rig.wait(0.1)
    assert rig.controller.last(Ack).deny_counter == 2
    assert rig.memory.denials.look_up(KEY)[1] is DenyCause.STOLEN
    assert rig.memory.floor.deny_counter == 2


async def test_a_lockdown_reaches_the_door_at_once(rig: Rig, office: Office) -> None:
    office.edit([replace(DOOR, modes=Modes(unlock_until=2**40))])
    rig.controller.push()
    await rig.wait(0.1)
    assert rig.is_released()
    assert rig.controller.last(State).mode == "unlocked_until"
    office.edit([replace(DOOR, modes=Modes(lockdown=True))])
    rig.controller.push()
    await rig.wait(0.1)
    assert not rig.is_released()
    assert rig.controller.last(State).mode == DoorMode.LOCKDOWN.name.lower()


async def test_the_lease_is_renewed_every_quarter_of_an_hour(rig: Rig) -> None:
    before = len(rig.controller.all(Hello))
    await rig.wait(8 * RENEW_EVERY)
    assert len(rig.controller.all(Hello)) - before in (7, 8)
    assert rig.memory.lease.spent_at(rig.memory.time.uptime()) <= RENEW_EVERY


async def test_a_silent_controller_is_not_stormed(rig: Rig) -> None:
    rig.controller.answers = False
    await rig.wait(RENEW_EVERY)
    times = rig.controller.when(Hello)
    before = len(times)
    await rig.wait(3600)
    times = rig.controller.when(Hello)[before:]
    assert 3600 / RETRY_MAX * 0.8 < len(times) < 3600 / RETRY_MAX * 1.3 + 5
    gaps = [after - before for before, after in itertools.pairwise(times[5:])]
    assert min(gaps) > RETRY_MAX * 0.8
    # It is asked again soon after it is back.
    rig.controller.answers = True
    await rig.wait(RETRY_MAX * 1.2)
    assert rig.memory.lease.spent_at(rig.memory.time.uptime()) <= RETRY_MAX * 1.2


async def test_a_new_reader_does_not_storm_a_silent_controller(
    tmp_path: Path, office: Office
) -> None:
    async with running(tmp_path, office) as rig:
        rig.controller.answers = False
        await rig.wait(600)
        times = rig.controller.when(Hello)
        assert times[1] - times[0] >= ANSWER_WITHIN * 0.9
        assert len(times) < 18


async def test_a_controller_that_answers_nonsense_is_not_stormed(rig: Rig, office: Office) -> None:
    # A delta that never fits, whenever it is asked.
    office.edit(many(3, first=50))
    office.edit(many(3, first=60))
    gap = office.delta(2, 3)[0]
    rig.controller.answers = False
    before = len(rig.controller.all(Hello))
    for _ in range(600):
        rig.controller.say(gap)
        await rig.wait(1)
    assert len(rig.controller.all(Hello)) - before < 40


async def test_after_a_lost_line_the_reader_asks_for_what_it_missed(
    rig: Rig, office: Office
) -> None:
    office.edit(many(5, first=100))
    office.deny(KEY)
    session = rig.controller.last(Hello).session
    await rig.reconnect()
    assert rig.controller.last(Hello).session != session
    assert rig.controller.last(Ack).plan == office.state
    assert rig.memory.denials.look_up(KEY)[1] is not None


async def test_a_page_that_is_lost_is_asked_for(rig: Rig, office: Office) -> None:
    office.edit(many(30, first=50))
    pages = office.delta(1, pages=3)
    rig.controller.say_all([pages[0], pages[2]])
    await rig.wait(2 * ANSWER_WITHIN)
    assert rig.controller.last(Ack).plan == office.state


async def test_a_gap_is_asked_for(rig: Rig, office: Office) -> None:
    office.edit(many(3, first=50))
    office.edit(many(3, first=60))
    rig.controller.say(office.delta(2, 3)[0])
    office.deny(KEY)
    office.deny(made_up(1).key)
    rig.controller.say(office.deny_update(2), Leaf.DENY)
    await rig.wait(1)
    ack = rig.controller.last(Ack)
    assert (ack.plan, ack.deny_counter) == (office.state, 3)


async def test_what_is_known_is_acknowledged_again(rig: Rig, office: Office) -> None:
    before = len(rig.controller.all(Ack))
    rig.controller.say(office.snapshot()[0])
    rig.controller.say(office.deny_update(), Leaf.DENY)
    await rig.wait(0.1)
    acks = rig.controller.all(Ack)[before:]
    assert [(ack.plan, ack.deny_counter) for ack in acks] == [(office.state, 1)] * 2
    assert rig.controller.complaints() == []


@pytest.mark.parametrize("leaf", [Leaf.PLAN, Leaf.DENY])
async def test_a_controller_that_repeats_itself_hears_a_hello(
    rig: Rig, office: Office, leaf: Leaf
) -> None:
    """Its view of the session may be wrong: it takes no receipt of ours then."""
    before = len(rig.controller.all(Hello))
    rig.controller.say(office.snapshot()[0] if leaf is Leaf.PLAN else office.deny_update(), leaf)
    await rig.wait(1)
    [again] = rig.controller.all(Hello)[before:]
    assert (again.plan, again.deny_counter) == (office.state, 1)


async def test_a_pulse_for_another_session_is_answered_by_a_hello(rig: Rig) -> None:
    before = len(rig.controller.all(Hello))
    rig.controller.say(replace(rig.controller.pulse(), session=b"x" * 16), Leaf.CMD)
    await rig.wait(1)
    assert len(rig.controller.all(Hello)) == before + 1


def forged_page(office: Office, what: str) -> PlanPage:
    """A page that must not be taken, however well it is signed."""
    page = office.snapshot()[0]
    match what:
        case "an old version":
            return office.snapshot(1)[0]
        case "an old epoch":
            return replace(page, after=replace(page.after, epoch=0, version=9))
        case "a fork":
            return replace(page, after=replace(page.after, digest=b"x" * 32))
        case "rows that do not add up":
            return replace(page, after=replace(page.after, version=9, digest=b"x" * 32))
        case "a malformed row":
            return replace(page, after=replace(page.after, version=9), put=(b"\xff",))
        case _:
            return replace(page, reader=OTHER_READER)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("an old version", "plan version 1 again, version 2 is in force"),
        ("an old epoch", "plan of epoch 0, epoch 1 is in force"),
        ("a fork", "two different plans of version 2"),
        ("rows that do not add up", "another digest"),
        ("a malformed row", "not the CBOR spoken here"),
        ("for another reader", "for another reader"),
    ],
)
async def test_a_plan_that_does_not_hold_is_refused_and_reported(
    rig: Rig, office: Office, what: str, said: str
) -> None:
    office.edit(many(5, first=20))
    rig.controller.push()
    await rig.wait(0.1)
    rig.controller.say(forged_page(office, what))
    await rig.wait(0.1)
    assert rig.memory.cache.plan == office.state
    [complaint] = rig.controller.complaints()
    assert said in complaint


@pytest.mark.parametrize("leaf", [Leaf.PLAN, Leaf.DENY])
@pytest.mark.parametrize("key", [CONTROLLER_KEY, KEYS.identity, KEYS.pkoc])
async def test_what_another_key_signed_is_refused(
    rig: Rig, office: Office, leaf: Leaf, key: object
) -> None:
    office.edit(many(5, first=20))
    office.deny(KEY)
    message = office.delta(1)[0] if leaf is Leaf.PLAN else office.deny_update(1)
    payload = seal_signed(message, key, leaf)  # type: ignore[arg-type]  # parametrized
    rig.broker.send(topic(READER, leaf), payload)
    await rig.wait(0.1)
    assert (rig.memory.cache.plan, rig.memory.denials.state.counter) == (office.state_of(1), 1)
    assert rig.controller.complaints() == [f"{leaf.value}: signed by a key that is not known here"]


async def test_a_message_is_good_on_its_own_topic_only(rig: Rig, office: Office) -> None:
    office.edit(many(5, first=20))
    page = seal_signed(office.delta(1)[0], PLAN_KEY, Leaf.PLAN)
    for leaf in (Leaf.DENY, Leaf.CMD):
        rig.broker.send(topic(READER, leaf), page)
    await rig.wait(0.1)
    assert rig.memory.cache.plan == office.state_of(1)
    assert len(rig.controller.complaints()) == 2


@pytest.mark.parametrize("payload", [b"", b"\xd2", b"\xd1\x84", b"\x00" * 1000, b"\xd2" * 400_000])
@pytest.mark.parametrize("leaf", [Leaf.PLAN, Leaf.DENY, Leaf.CMD])
async def test_rubbish_is_refused_and_reported(rig: Rig, leaf: Leaf, payload: bytes) -> None:
    rig.broker.send(topic(READER, leaf), payload)
    await rig.wait(0.1)
    [complaint] = rig.controller.complaints()
    assert complaint.startswith(f"{leaf.value}: ")
    assert rig.memory.ready


async def test_topics_that_were_not_asked_for_are_dropped(rig: Rig, office: Office) -> None:
    office.edit(many(5, first=20))
    page = seal_signed(office.delta(1)[0], PLAN_KEY, Leaf.PLAN)
    [client] = rig.broker._clients
    for where in ("nonsense", f"doorward/00/{READER}/plan", topic(OTHER_READER, Leaf.PLAN)):
        client.subscribed = (*client.subscribed, where)
        rig.broker.send(where, page)
    for leaf in (Leaf.HELLO, Leaf.ACK, Leaf.EVENT):
        client.subscribed = (*client.subscribed, topic(READER, leaf))
        rig.broker.send(topic(READER, leaf), page)
    await rig.wait(0.1)
    assert rig.memory.cache.plan == office.state_of(1)
    assert rig.controller.complaints() == []


def denials(base: int, counter: int, epoch: int = 1) -> DenyUpdate:
    return DenyUpdate(
        reader=READER, epoch=epoch, base=base, counter=counter, issued_at=0, entries=()
    )


@pytest.mark.parametrize(
    ("update", "said"),
    [
        (denials(0, 1), "deny set 1 again, 2 is in force"),
        (denials(2, 3, epoch=0), "deny set of epoch 0, epoch 1 is in force"),
        (denials(5, 4), "deny set from 5 back to 4"),
    ],
)
async def test_a_deny_set_that_does_not_hold_is_refused_and_reported(
    rig: Rig, office: Office, update: DenyUpdate, said: str
) -> None:
    office.deny(KEY)
    rig.controller.push()
    await rig.wait(0.1)
    rig.controller.say(update, Leaf.DENY)
    await rig.wait(0.1)
    assert rig.memory.denials.state.counter == 2
    assert rig.controller.complaints() == [said]


@pytest.mark.parametrize("what", ["nonce", "digest", "version", "deny counter", "old nonce"])
async def test_a_lease_for_anything_else_renews_nothing(
    rig: Rig, office: Office, what: str
) -> None:
    first = rig.controller.all(Hello)[0]
    rig.controller.answers = False
    await rig.wait(RENEW_EVERY + ANSWER_WITHIN)
    lease = rig.controller.lease(rig.controller.last(Hello))
    match what:
        case "nonce":
            lease = replace(lease, nonce=b"x" * 16)
        case "old nonce":
            lease = replace(lease, nonce=first.nonce)
        case "digest":
            lease = replace(lease, plan=replace(lease.plan, digest=b"x" * 32))
        case "version":
            lease = replace(lease, plan=replace(lease.plan, version=9))
        case _:
            lease = replace(lease, deny_counter=office.deny_counter + 1)
    renewed = rig.memory.lease
    rig.controller.say(lease)
    await rig.wait(0.1)
    assert with_fields(rig.memory.lease, spent=0, at=0) == with_fields(renewed, spent=0, at=0)
    rig.controller.say(rig.controller.lease(rig.controller.last(Hello)))
    await rig.wait(0.1)
    assert rig.memory.lease.renewed_at > renewed.renewed_at


async def test_a_lease_counts_once(rig: Rig) -> None:
    hello = rig.controller.last(Hello)
    at = rig.memory.lease
    await rig.wait(30)
    rig.controller.say(rig.controller.lease(hello))
    await rig.wait(0.1)
    assert rig.memory.lease == at


async def test_a_late_answer_renews_the_lease_and_sets_no_clock(
    tmp_path: Path, office: Office
) -> None:
    async with running(tmp_path, office) as rig:
        rig.controller.answers = False
        for _ in range(3):
            await rig.controller.asked()
        rig.controller.say_all(office.snapshot())
        rig.controller.say(office.deny_update(), Leaf.DENY)
        hello = await rig.controller.asked()
        lease = rig.controller.lease(hello)
        await rig.wait(MAX_ROUND_TRIP + 1)
        assert rig.controller.last(Hello) == hello
        rig.controller.say(lease)
        await rig.wait(0.1)
        assert rig.memory.know(None).lease_live
        assert rig.memory.clock.trust is Trust.UNKNOWN
        # It counts from when it was asked for.
        spent = rig.memory.lease.spent_at(rig.memory.time.uptime())
        assert spent > MAX_ROUND_TRIP


async def test_time_that_goes_back_far_ends_trust_and_is_reported(rig: Rig) -> None:
    rig.controller.answers = False
    lease = rig.controller.lease(await rig.controller.asked())
    rig.controller.say(replace(lease, issued_at=lease.issued_at - 10**7))
    await rig.wait(0.1)
    assert rig.memory.clock.trust is Trust.FLOOR
    assert rig.controller.complaints() == [
        "time before what was signed earlier; the clock is not trusted"
    ]


async def test_a_flood_of_forgeries_fills_neither_journal_nor_log(
    rig: Rig, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(rig.controller.stored)
    for _ in range(300):
        rig.controller.say(office.snapshot()[0], key=CONTROLLER_KEY)
    await rig.wait(10)
    assert len(rig.controller.complaints()) == BURST
    assert len(rig.controller.stored) == before + BURST
    assert sum("refused" in record.message for record in caplog.records) == BURST
    await rig.wait(50)
    rig.controller.say(office.snapshot()[0], key=CONTROLLER_KEY)
    await rig.wait(10)
    assert len(rig.controller.complaints()) == BURST + 1


async def test_a_new_epoch_begins_with_a_snapshot(rig: Rig, office: Office) -> None:
    office.epoch = 2
    delta = office.delta(1, 1)[0]
    rig.controller.say(delta)
    await rig.wait(2)
    assert rig.memory.cache.plan == office.state
    old = Office([*FRAME, *many(10)])
    old.edit(many(3, first=70))
    rig.controller.say(old.snapshot()[0])
    await rig.wait(0.1)
    assert rig.memory.cache.plan == office.state
    assert rig.controller.complaints() == ["plan of epoch 1, epoch 2 is in force"]
