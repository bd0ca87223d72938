"""What is believed, from whom; what is written down of it; and that nothing else does any harm."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from controller.intent import readers
from controller.store.database import Database
from controller.store.tables import Change, ChangeTarget, Outbox, ReaderPlan
from controller.sync.bus import Publication
from controller.sync.complaints import EVERY, Complaints
from controller.sync.inbox import SUBSCRIPTIONS
from controller.sync.link import Link
from controller.sync.memory import MemoryBroker
from controller.sync.service import SyncService
from shared.wire.envelope import seal_signed
from shared.wire.events import GENESIS
from shared.wire.messages import (
    Ack,
    CacheHealth,
    EventBatch,
    Hello,
    Message,
    PlanState,
    State,
)
from shared.wire.topics import DOWN, UP, Leaf, topic
from tests.controller.building import CONTROLLER, Building, ReaderKeys, build
from tests.controller.conftest import Clock
from tests.controller.keys import private_key

pytestmark = pytest.mark.slow  # every test builds a whole installation

SESSION, OTHER = b"s" * 16, b"o" * 16


class Office:
    """A service that is not connected, and the reader's end of what it is told."""

    def __init__(self, building: Building) -> None:
        self.building = building
        self.reader = building.readers[0]
        self.now = 0.0
        self.nonces = itertools.count()
        self.service = SyncService(
            building.database, CONTROLLER, MemoryBroker(), monotonic=lambda: self.now
        )

    @property
    def link(self) -> Link:
        member = self.service.roster.get(self.reader)
        assert member is not None
        return member.link

    @property
    def wanted(self) -> PlanState:
        assert self.link.wanted is not None
        return self.link.wanted.plan

    def say(self, message: Message, leaf: Leaf, *, keys: int = 0, at: str | None = None) -> None:
        payload = ReaderKeys(keys).pairwise(message.reader).seal(message, leaf)
        self.put(leaf, payload, at=at)

    def put(self, leaf: Leaf, payload: bytes, *, at: str | None = None) -> None:
        self.service.inbox.take(Publication(topic(at or self.reader, leaf), payload))

    def hello(
        self, plan: PlanState | None = None, deny: int = 0, session: bytes = SESSION
    ) -> Hello:
        return Hello(
            reader=self.reader,
            session=session,
            nonce=next(self.nonces).to_bytes(16, "big"),
            plan=plan,
            health=CacheHealth.EMPTY if plan is None else CacheHealth.GOOD,
            deny_counter=deny,
            journal=b"journal1",
            next_seq=1,
            software="test 1",
        )

    def ack(self, plan: PlanState | None, deny: int = 0, session: bytes = SESSION) -> Ack:
        return Ack(reader=self.reader, session=session, plan=plan, deny_counter=deny)

    def state(self, *, online: bool = True, session: bytes = SESSION) -> State:
        return State(
            reader=self.reader,
            session=session,
            online=online,
            mode="secure",
            contact="closed",
            health="good",
            devices={"nfc": "ok"},
        )

    async def row(self) -> ReaderPlan:
        await self.service.recorder.flush()
        async with self.building.database.read() as session:
            return await session.get_one(ReaderPlan, self.reader)


@pytest.fixture
async def office(database: Database) -> Office:
    building = await build(database, 2)
    await building.enrol()
    office = Office(building)
    await office.service.publisher.look()
    return office


class TestHello:
    async def test_makes_the_reader_known(self, office: Office, clock: Clock) -> None:
        office.say(office.hello(), Leaf.HELLO)
        row = await office.row()
        assert (row.online, row.session, row.seen_at) == (True, SESSION, clock.now)
        assert (row.acked_version, row.acked_deny) == (0, 0)
        assert (row.state["software"], row.state["health"]) == ("test 1", "empty")

    async def test_with_the_right_plan_is_a_receipt(self, office: Office) -> None:
        office.say(office.hello(office.wanted), Leaf.HELLO)
        assert (await office.row()).acked_version == office.wanted.version

    async def test_without_a_plan_takes_the_receipt_back(self, office: Office) -> None:
        office.say(office.hello(office.wanted), Leaf.HELLO)
        await office.row()
        office.say(office.hello(None, session=OTHER), Leaf.HELLO)
        assert (await office.row()).acked_version == 0

    async def test_of_a_session_that_is_over_changes_nothing(self, office: Office) -> None:
        first = office.hello()
        office.say(first, Leaf.HELLO)
        office.say(office.hello(office.wanted, session=OTHER), Leaf.HELLO)
        office.say(first, Leaf.HELLO)
        row = await office.row()
        assert (row.session, row.acked_version) == (OTHER, office.wanted.version)


class TestAck:
    async def test_confirms_changes(self, office: Office, clock: Clock) -> None:
        office.say(office.hello(office.wanted), Leaf.HELLO)
        await office.building.set_door(0, release_seconds=9)
        await office.service.publisher.look()
        clock.forward(seconds=3)
        office.say(office.ack(office.wanted), Leaf.ACK)
        row = await office.row()
        assert (row.acked_version, row.acked_at) == (office.wanted.version, clock.now)
        async with office.building.database.read() as session:
            (target,) = await session.scalars(select(ChangeTarget))
            change = await session.get_one(Change, target.change_id)
        assert (target.acked_at, change.processed_at) == (clock.now, clock.now)

    async def test_of_half_of_it_confirms_nothing(self, office: Office) -> None:
        handle = await office.building.add_card(await office.building.add_person(), 7)
        await office.service.publisher.look()
        office.say(office.hello(office.wanted), Leaf.HELLO)
        await office.row()
        await office.building.remove_card(handle)
        await office.service.publisher.look()
        office.say(office.ack(office.wanted, deny=0), Leaf.ACK)
        await office.row()
        assert await self._waiting(office) == 1
        office.say(office.ack(office.wanted, deny=1), Leaf.ACK)
        await office.row()
        assert await self._waiting(office) == 0

    async def test_leaves_the_record_of_where_the_reader_stands(self, office: Office) -> None:
        office.say(office.hello(office.wanted), Leaf.HELLO)
        for seconds in (7, 8, 9):
            await office.building.set_door(0, release_seconds=seconds)
        await office.service.publisher.look()
        office.say(office.ack(office.wanted), Leaf.ACK)
        await office.row()
        async with office.building.database.read() as session:
            query = select(Outbox.version).where(Outbox.reader_id == office.reader)
            assert list(await session.scalars(query)) == [office.wanted.version]

    async def test_of_another_plan_isolates_for_good(self, office: Office) -> None:
        office.say(office.hello(office.wanted), Leaf.HELLO)
        fork = PlanState(1, office.wanted.version + 1, bytes(32), 9)
        office.say(office.ack(fork), Leaf.ACK)
        row = await office.row()
        assert row.state["ahead"]["why"] == f"has plan version {fork.version}, here it is 1"
        assert row.acked_version == office.wanted.version
        again = Office(office.building)
        await again.service.publisher.look()
        assert again.link.quarantine == row.state["ahead"]["why"]

    async def _waiting(self, office: Office) -> int:
        async with office.building.database.read() as session:
            query = select(ChangeTarget).where(
                ChangeTarget.acked_at.is_(None), ChangeTarget.reader_id == office.reader
            )
            return len(list(await session.scalars(query)))


class TestState:
    async def test_is_shown(self, office: Office) -> None:
        office.say(office.hello(), Leaf.HELLO)
        office.say(office.state(), Leaf.STATE)
        row = await office.row()
        assert row.state["mode"] == "secure"
        assert row.state["devices"] == {"nfc": "ok"}
        assert row.state["software"] == "test 1"

    async def test_a_will_says_that_the_reader_is_gone(self, office: Office) -> None:
        office.say(office.hello(), Leaf.HELLO)
        office.say(office.state(online=False), Leaf.STATE)
        assert not (await office.row()).online
        office.say(office.state(), Leaf.STATE)
        assert (await office.row()).online

    async def test_the_will_of_an_old_session_says_nothing(self, office: Office) -> None:
        office.say(office.hello(), Leaf.HELLO)
        office.say(office.hello(session=OTHER), Leaf.HELLO)
        office.say(office.state(online=False), Leaf.STATE)
        assert (await office.row()).online

    async def test_alone_does_not_make_a_reader_known(self, office: Office) -> None:
        office.say(office.state(), Leaf.STATE)
        row = await office.row()
        assert (row.online, row.state) == (False, {})

    async def test_clearing_the_topic_is_no_word_of_the_reader(self, office: Office) -> None:
        office.put(Leaf.STATE, b"")
        assert office.service.inbox.complaints.counts == {}


class TestEvents:
    def batch(self, office: Office) -> EventBatch:
        return EventBatch(
            reader=office.reader,
            journal=b"journal1",
            kept_from=1,
            first=1,
            previous=GENESIS,
            live_from=1,
            entries=(b"\xa0",),
        )

    async def test_signed_by_the_reader_are_taken(self, office: Office) -> None:
        taken: list[EventBatch] = []
        office.service.inbox._journals = _Journals(taken)
        key = private_key(ReaderKeys(0).identity_scalar)
        office.put(Leaf.EVENT, seal_signed(self.batch(office), key, Leaf.EVENT))
        assert taken == [self.batch(office)]

    @pytest.mark.parametrize("signer", [901, ReaderKeys(0).identity_scalar + 1, 5])
    async def test_signed_by_anybody_else_are_not(self, office: Office, signer: int) -> None:
        taken: list[EventBatch] = []
        office.service.inbox._journals = _Journals(taken)
        payload = seal_signed(self.batch(office), private_key(signer), Leaf.EVENT)
        office.put(Leaf.EVENT, payload)
        assert taken == []
        assert office.service.inbox.complaints.counts == {office.reader: 1}

    async def test_with_no_room_they_are_left_to_the_reader(self, office: Office) -> None:
        office.service.inbox._journals = _Journals([], room=False)
        key = private_key(ReaderKeys(0).identity_scalar)
        office.put(Leaf.EVENT, seal_signed(self.batch(office), key, Leaf.EVENT))
        assert office.service.inbox.complaints.counts == {}


class _Journals:
    def __init__(self, taken: list[EventBatch], *, room: bool = True) -> None:
        self._taken, self._room = taken, room

    def offer(self, batch: EventBatch) -> bool:
        self._taken.append(batch)
        return self._room


class TestForgers:
    async def test_another_readers_key_is_not_enough(self, office: Office) -> None:
        office.say(office.hello(office.wanted), Leaf.HELLO, keys=1)
        assert office.link.session is None
        assert office.service.inbox.complaints.counts == {office.reader: 1}

    async def test_nor_is_ones_own_on_anothers_topic(self, office: Office) -> None:
        other = office.building.readers[1]
        office.say(office.hello(), Leaf.HELLO, at=other)
        member = office.service.roster.get(other)
        assert member is not None
        assert member.link.session is None

    @pytest.mark.parametrize("leaf", [Leaf.ACK, Leaf.STATE])
    async def test_a_message_cannot_be_moved_to_another_leaf(
        self, office: Office, leaf: Leaf
    ) -> None:
        payload = ReaderKeys(0).pairwise(office.reader).seal(office.hello(), Leaf.HELLO)
        office.put(leaf, payload)
        assert office.link.session is None

    async def test_every_changed_byte_is_noticed(self, office: Office) -> None:
        payload = ReaderKeys(0).pairwise(office.reader).seal(office.hello(), Leaf.HELLO)
        for place in range(len(payload)):
            office.put(
                Leaf.HELLO,
                payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :],
            )
            assert office.link.session is None

    async def test_every_shortened_message_is_refused(self, office: Office) -> None:
        payload = ReaderKeys(0).pairwise(office.reader).seal(office.hello(), Leaf.HELLO)
        for size in range(len(payload)):
            office.put(Leaf.HELLO, payload[:size])
        office.put(Leaf.HELLO, payload + b"\0")
        assert office.link.session is None

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(leaf=st.sampled_from(UP), payload=st.binary(max_size=300))
    def test_noise_does_no_harm(self, office: Office, leaf: Leaf, payload: bytes) -> None:
        office.put(leaf, payload)
        assert office.link.session is None

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "doorward",
            "doorward/00/reader0001/hello",
            "doorward/00/reader0001/unknown",
            "other/00/reader0001/hello",
            "doorward/00/../hello",
            "doorward/+/+/hello",
            *(topic("reader0001", leaf) for leaf in (*UP, *DOWN)),
        ],
    )
    async def test_strangers_are_dropped_in_silence(
        self, office: Office, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.clear()
        office.service.inbox.take(Publication(name, b"\xa0"))
        assert caplog.records == []
        assert office.service.inbox.complaints.counts == {}

    async def test_a_removed_reader_is_a_stranger(self, office: Office) -> None:
        await office.building.edit(lambda uow: readers.remove(uow, office.reader))
        await office.service.publisher.look()
        office.say(office.hello(), Leaf.HELLO)
        assert office.service.roster.get(office.reader) is None

    async def test_a_flood_makes_one_line_a_minute(
        self, office: Office, caplog: pytest.LogCaptureFixture
    ) -> None:
        for office.now in (0.0, 1.0, 59.0, 61.0):
            for _ in range(50):
                office.put(Leaf.ACK, b"\xa0")
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2
        assert office.service.inbox.complaints.counts == {office.reader: 200}


def test_every_topic_that_readers_speak_on_is_subscribed_to() -> None:
    assert {name.rpartition("/")[2] for name in SUBSCRIPTIONS} == {leaf.value for leaf in UP}


def test_complaints_are_counted_by_reader() -> None:
    complaints = Complaints()
    assert complaints.worth_a_line("a", 0.0)
    assert complaints.worth_a_line("b", 0.0)
    assert not complaints.worth_a_line("a", EVERY - 1)
    assert complaints.worth_a_line("a", EVERY)
    assert complaints.counts == {"a": 3, "b": 1}
