"""A remote opening ends as what really became of it, and as nothing better."""

from __future__ import annotations

import msgspec
import pytest

from controller.store.database import Database
from controller.store.tables import Admission
from controller.sync.admissions import ANSWER_WITHIN, Admissions
from controller.sync.bus import Publication
from controller.sync.lanes import Job, Lane, Urgency
from controller.sync.memory import MemoryBroker
from controller.sync.service import SyncService
from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.wire.envelope import open_signed
from shared.wire.events import Event, EventKind
from shared.wire.messages import CacheHealth, Hello, Pulse
from shared.wire.topics import Leaf, parse, topic
from tests.controller.building import CONTROLLER, Building, ReaderKeys, build
from tests.controller.conftest import Clock

SESSION = b"s" * 16


class Sent:
    """A connection that keeps what it is given."""

    def __init__(self) -> None:
        self.publications: list[Publication] = []

    async def publish(self, publication: Publication) -> None:
        self.publications.append(publication)


class Desk:
    """A service with one reader, whose lanes lead into a list."""

    def __init__(self, building: Building) -> None:
        self.building = building
        self.reader = building.readers[0]
        self.now = 0.0
        self.service = SyncService(
            building.database, CONTROLLER, MemoryBroker(), monotonic=lambda: self.now
        )
        self.admissions: Admissions = self.service.admissions
        self.jobs: list[tuple[Urgency, Job]] = []
        self.service.lanes.urgent = _Taking(self.jobs)
        self.service.lanes.open = True

    def reader_is_there(self) -> None:
        hello = Hello(
            reader=self.reader,
            session=SESSION,
            nonce=b"n" * 16,
            plan=None,
            health=CacheHealth.EMPTY,
            deny_counter=0,
            journal=b"journal1",
            next_seq=1,
            software="",
        )
        payload = ReaderKeys(0).pairwise(self.reader).seal(hello, Leaf.HELLO)
        self.service.inbox.take(Publication(topic(self.reader, Leaf.HELLO), payload))

    async def ask(self, command: bytes = b"c" * 16) -> int:
        """Write down a request, as the API does."""
        database = self.building.database
        async with database.transaction() as session:
            request = Admission(
                command=command,
                door_id=self.building.doors[0],
                reader_id=self.reader,
                operator="operator",
                requested_at=database.clock(),
            )
            session.add(request)
            await session.flush()
            return request.id

    async def step(self) -> None:
        """What one turn of `run` does."""
        await self.admissions._send_new()
        await self.admissions._give_up()

    async def row(self, number: int) -> Admission:
        async with self.building.database.read() as session:
            return await session.get_one(Admission, number)

    async def pulses(self) -> list[Pulse]:
        """Do the jobs and return what they sent."""
        sent = Sent()
        for urgency, job in self.jobs:
            assert urgency is Urgency.PULSE
            await job(sent)  # type: ignore[arg-type]  # nobody listens here
        self.jobs.clear()
        pulses = []
        for publication in sent.publications:
            place = parse(publication.topic)
            assert place is not None
            pulses.append(open_signed(publication.payload, CONTROLLER.signing.public, place, Pulse))
        return pulses


class _Taking(Lane):
    def __init__(self, jobs: list[tuple[Urgency, Job]]) -> None:
        super().__init__(1)
        self._taken = jobs

    def submit(self, job: Job, urgency: Urgency) -> None:
        self._taken.append((urgency, job))


def answer(detail: str | None = "released", reason: Reason | None = None) -> Event:
    return Event(
        seq=1,
        at=0,
        trust=Trust.TRUSTED,
        kind=EventKind.REMOTE,
        reason=reason,
        command=b"c" * 16,
        detail=detail,
    )


@pytest.fixture
async def desk(database: Database) -> Desk:
    building = await build(database, 2)
    await building.enrol()
    desk = Desk(building)
    await desk.service.publisher.look()
    await desk.admissions.begin()
    return desk


class TestSending:
    async def test_a_pulse_goes_to_the_session_that_is_there(
        self, desk: Desk, clock: Clock
    ) -> None:
        desk.reader_is_there()
        number = await desk.ask()
        await desk.step()
        assert await desk.pulses() == [
            Pulse(
                reader=desk.reader,
                id=b"c" * 16,
                session=SESSION,
                operator=number,
                issued_at=clock.now,
            )
        ]
        assert (await desk.row(number)).status == "pending"

    async def test_only_once(self, desk: Desk) -> None:
        desk.reader_is_there()
        await desk.ask()
        for _ in range(3):
            await desk.step()
        assert len(await desk.pulses()) == 1

    @pytest.mark.parametrize("why", ["never", "gone", "broker", "silent"])
    async def test_a_reader_that_is_not_there_is_offline(
        self, desk: Desk, why: str, clock: Clock
    ) -> None:
        member = desk.service.roster.get(desk.reader)
        assert member is not None
        if why != "never":
            desk.reader_is_there()
        if why == "gone":
            member.link.gone(SESSION)
        if why == "silent":
            member.link.silent = True
        if why == "broker":
            desk.service.lanes.open = False
        number = await desk.ask()
        await desk.step()
        row = await desk.row(number)
        assert (row.status, row.completed_at) == ("offline", clock.now)
        assert await desk.pulses() == []

    async def test_what_an_earlier_run_left_open_is_not_sent(self, desk: Desk) -> None:
        number = await desk.ask()
        desk.reader_is_there()
        await desk.admissions.begin()
        await desk.step()
        assert await desk.pulses() == []
        assert (await desk.row(number)).status == "timeout"


class TestAnswers:
    @pytest.mark.parametrize(
        ("event", "status", "detail"),
        [
            (answer(), "admitted", "released"),
            (answer(reason=Reason.GRANTED), "admitted", "released"),
            (answer("not released: lockdown"), "denied", "not released: lockdown"),
            (answer("released", Reason.LOCKDOWN), "denied", "released"),
            (answer(None), "denied", None),
        ],
    )
    async def test_are_what_the_reader_wrote_down(
        self, desk: Desk, event: Event, status: str, detail: str | None
    ) -> None:
        desk.reader_is_there()
        number = await desk.ask()
        await desk.step()
        await desk.admissions.answered([(desk.reader, event)])
        row = await desk.row(number)
        assert (row.status, row.detail) == (status, detail)

    async def test_none_in_time_is_a_timeout(self, desk: Desk, clock: Clock) -> None:
        desk.reader_is_there()
        number = await desk.ask()
        await desk.step()
        desk.now = ANSWER_WITHIN - 0.001
        clock.forward(seconds=86_400)  # somebody sets the clock: nobody has waited longer for it
        await desk.step()
        assert (await desk.row(number)).status == "pending"
        desk.now = ANSWER_WITHIN
        await desk.step()
        row = await desk.row(number)
        assert (row.status, row.completed_at) == ("timeout", clock.now)

    async def test_a_late_one_is_true_all_the_same(self, desk: Desk, clock: Clock) -> None:
        desk.reader_is_there()
        number = await desk.ask()
        await desk.step()
        desk.now = ANSWER_WITHIN
        await desk.step()
        await desk.admissions.answered([(desk.reader, answer())])
        assert (await desk.row(number)).status == "admitted"

    async def test_an_answer_in_time_stays(self, desk: Desk, clock: Clock) -> None:
        desk.reader_is_there()
        number = await desk.ask()
        await desk.step()
        await desk.admissions.answered([(desk.reader, answer())])
        desk.now = ANSWER_WITHIN
        await desk.step()
        assert (await desk.row(number)).status == "admitted"

    @pytest.mark.parametrize(
        "event",
        [
            msgspec.structs.replace(answer(), command=b"d" * 16),
            msgspec.structs.replace(answer(), command=None),
            msgspec.structs.replace(answer(), kind=EventKind.ENTERED),
        ],
    )
    async def test_other_events_answer_nothing(self, desk: Desk, event: Event) -> None:
        number = await desk.ask()
        await desk.admissions.answered([(desk.reader, event)])
        assert (await desk.row(number)).status == "pending"

    async def test_no_reader_answers_for_another(self, desk: Desk) -> None:
        number = await desk.ask()
        await desk.admissions.answered([(desk.building.readers[1], answer())])
        assert (await desk.row(number)).status == "pending"
