"""Keys that open so many times, wherever: claimed here, settled by the readers' journals."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import pytest

from controller import uses
from controller.ingest.store import store
from controller.sync.housekeeping import KEEP_MS, Housekeeping
from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.access.rows import Flag
from shared.wire.events import GENESIS, Event, EventKind, chain, encode_event
from shared.wire.messages import Claim, EventBatch, Verdict
from tests.controller.client import Api
from tests.controller.conftest import Clock
from tests.controller.readers import Listener

pytestmark = pytest.mark.slow  # every test builds a whole installation


@dataclass
class Door:
    """A reader with its journal, which talks to the controller as a real one does."""

    api: Api
    id: str
    journal: bytes = field(default_factory=lambda: secrets.token_bytes(8))
    seq: int = 1
    head: bytes = GENESIS

    async def claim(self, card: int, plan: int, number: bytes | None = None) -> Claim:
        return Claim(
            reader=self.id,
            id=number or secrets.token_bytes(16),
            session=bytes(16),
            credential=card,
            plan=plan,
            journal=self.journal,
            next_seq=self.seq,
        )

    async def ask(self, claim: Claim) -> Verdict | None:
        async with self.api.database.transaction() as session:
            return await uses.claim(session, claim, self.api.database.clock())

    async def tell(self, kind: EventKind, **more: object) -> None:
        """Write an entry and have it stored."""
        event = Event(seq=self.seq, at=1, trust=Trust.TRUSTED, kind=kind, **more)  # type: ignore[arg-type]
        body = encode_event(event)
        batch = EventBatch(
            reader=self.id,
            journal=self.journal,
            first=self.seq,
            previous=self.head,
            live_from=1,
            kept_from=0,
            entries=(body,),
        )
        await store(self.api.database, [batch])
        await store(self.api.database, [batch])  # and once more: it counts once
        self.seq, self.head = self.seq + 1, chain(self.head, body)

    async def opened(self, card: int, plan: int, claim: bytes | None = None) -> None:
        await self.tell(
            EventKind.ACCESS,
            reason=Reason.GRANTED,
            credential=card,
            plan=plan,
            counted=True,
            claim=claim,
        )

    async def refused(self, claim: bytes) -> None:
        await self.tell(EventKind.ACCESS, reason=Reason.RESERVE_ONLINE, claim=claim)


@dataclass
class World:
    """Two doors, and one person with a card that opens twice."""

    api: Api
    front: Door
    back: Door
    plan: int
    handle: str
    card: int = 1

    async def used(self) -> int:
        return int((await self.api.get(f"/credentials/{self.handle}"))["uses"])

    async def flags(self, door: Door) -> list[int]:
        return [grant.flags for grant in (await Listener.join(self.api.database, door.id)).grants]


@pytest.fixture
async def world(api: Api) -> World:
    person = await api.person()
    handle = await api.card(person, 1)
    await api.put(f"/credentials/{handle}", {"max_uses": 2})
    doors = [await api.door("Front"), await api.door("Back")]
    front, back = [Door(api, await api.reader(door)) for door in doors]
    body = {"name": "Guests", "person_ids": [person], "door_ids": doors}
    plan = (await api.post("/access_plans", body))["id"]
    return World(api, front, back, plan=plan, handle=handle)


async def test_two_uses_are_two_at_all_doors_together(world: World) -> None:
    front, back = world.front, world.back
    one = await front.claim(world.card, world.plan)
    two = await back.claim(world.card, world.plan)
    assert await front.ask(one) is Verdict.RESERVED
    assert await back.ask(two) is Verdict.RESERVED
    assert await front.ask(await front.claim(world.card, world.plan)) is Verdict.USED_UP
    await front.opened(world.card, world.plan, one.id)
    await back.opened(world.card, world.plan, two.id)
    assert await world.used() == 2
    assert await back.ask(await back.claim(world.card, world.plan)) is Verdict.USED_UP


async def test_a_claim_that_comes_twice_counts_once(world: World) -> None:
    one = await world.front.claim(world.card, world.plan)
    assert [await world.front.ask(one) for _ in range(3)] == [Verdict.RESERVED] * 3
    assert await world.used() == 1


async def test_a_use_that_nobody_made_is_given_back(world: World) -> None:
    one = await world.front.claim(world.card, world.plan)
    await world.front.ask(one)
    await world.front.refused(one.id)
    assert await world.used() == 0
    assert await world.front.ask(one) is None  # it is over


async def test_a_claim_that_comes_after_its_refusal_sets_nothing_aside(world: World) -> None:
    one = await world.front.claim(world.card, world.plan)
    await world.front.refused(one.id)
    assert await world.front.ask(one) is None
    assert await world.used() == 0


async def test_a_reader_that_started_anew_made_no_use_without_an_entry(world: World) -> None:
    front = world.front
    await front.tell(EventKind.STARTED)
    used, lost = [await front.claim(world.card, world.plan) for _ in range(2)]
    assert await front.ask(used) is await front.ask(lost) is Verdict.RESERVED
    await front.opened(world.card, world.plan, used.id)
    await front.tell(EventKind.STARTED)
    assert await world.used() == 1
    # What is asked for after the start stands, although the news of the start comes later.
    front.seq += 1
    after = await front.claim(world.card, world.plan)
    assert await front.ask(after) is Verdict.RESERVED
    front.seq -= 1
    await front.tell(EventKind.STARTED)
    assert await world.used() == 2


async def test_another_reader_settles_nothing(world: World) -> None:
    one = await world.front.claim(world.card, world.plan)
    await world.front.ask(one)
    await world.back.refused(one.id)
    await world.back.tell(EventKind.STARTED)
    assert await world.used() == 1
    assert await world.back.ask(await world.back.claim(world.card, world.plan, one.id)) is None


async def test_a_reader_without_the_grant_gets_no_answer(world: World) -> None:
    for card, plan in ((world.card, world.plan + 1), (world.card + 1, world.plan), (0, 0)):
        assert await world.front.ask(await world.front.claim(card, plan)) is None
    await world.api.put(f"/credentials/{world.handle}", {"max_uses": None})
    assert await world.front.ask(await world.front.claim(world.card, world.plan)) is None
    assert (await world.api.get(f"/credentials/{world.handle}"))["uses"] is None


async def test_what_a_reader_counted_alone_counts_when_it_shares(world: World) -> None:
    doors = (await world.api.get(f"/access_plans/{world.plan}"))["door_ids"]
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": doors[:1]})
    assert await world.flags(world.front) == [Flag.OWNED_USES]
    await world.front.opened(world.card, world.plan)
    assert await world.used() == 1
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": doors})
    assert await world.flags(world.front) == await world.flags(world.back) == [0]
    assert await world.back.ask(await world.back.claim(world.card, world.plan)) is Verdict.RESERVED
    assert await world.back.ask(await world.back.claim(world.card, world.plan)) is Verdict.USED_UP


async def test_a_reader_counts_alone_only_what_was_spent_nowhere_else(world: World) -> None:
    doors = (await world.api.get(f"/access_plans/{world.plan}"))["door_ids"]
    one = await world.front.claim(world.card, world.plan)
    await world.front.ask(one)
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": doors[:1]})
    assert await world.flags(world.front) == [0]  # it is set aside
    await world.front.opened(world.card, world.plan, one.id)
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": doors[1:]})
    assert await world.flags(world.back) == [0]  # it is spent
    await world.api.put(f"/credentials/{world.handle}", {"max_uses": 5})
    assert await world.flags(world.back) == [0]


async def test_a_reader_cannot_count_uses_of_what_does_not_exist(world: World) -> None:
    await world.front.opened(10**9, world.plan)
    async with world.api.database.read() as session:
        assert await uses.spent(session, [10**9]) == {}


async def test_settled_claims_are_forgotten_and_others_are_not(world: World, clock: Clock) -> None:
    one, two = [await world.front.claim(world.card, world.plan) for _ in range(2)]
    for claim in (one, two):
        await world.front.ask(claim)
    await world.front.opened(world.card, world.plan, one.id)
    clock.forward(seconds=KEEP_MS / 1000 + 1)
    await Housekeeping(world.api.database).tidy()
    assert await world.used() == 2
    assert await world.front.ask(two) is Verdict.RESERVED
