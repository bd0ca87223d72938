"""A key whose uses several doors share: asked for at the controller, opened or refused here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hw.ports import Signal
from reader.claims import ANSWER_WITHIN
from shared.access.decide import DenyCause, Reason
from shared.access.rows import Flag
from shared.credential.pkoc.ble_messages import Status
from shared.wire.envelope import PairwiseKey
from shared.wire.messages import Claim, Claimed, Hello, Verdict
from shared.wire.topics import Leaf, topic
from tests.reader.keys import CONTROLLER_KEY, KEYS, READER
from tests.reader.office import FRAME, Office, grant_of
from tests.reader.people import Cards, Phones
from tests.reader.place import ALICE, BOB, Place
from tests.reader.rig import running

SHARED = grant_of(ALICE.public, 1, uses=1)


@pytest.fixture
def office() -> Office:
    return Office([*FRAME, SHARED, grant_of(BOB.public, 2)])


@pytest_asyncio.fixture
async def place(tmp_path: Path, office: Office) -> AsyncIterator[Place]:
    phones, cards = Phones(), Cards()
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        await rig.wait()
        yield Place(rig, office, phones, cards)


async def test_it_opens_while_the_controller_has_uses_left(place: Place) -> None:
    place.rig.controller.uses = {1: 2}
    told = []
    for _ in range(3):
        told.append(await place.phone())
        await place.rig.wait(10)
    assert told == [Status.GRANTED, Status.GRANTED, Status.DENIED]
    events = await place.accesses()
    assert [event.reason for event in events] == [Reason.GRANTED, Reason.GRANTED, Reason.USED_UP]
    assert [event.counted for event in events] == [True, True, False]
    # Every claim is settled by the entry that says what became of it.
    claims = place.rig.controller.all(Claim)
    assert [event.claim for event in events] == [claim.id for claim in claims]
    assert len({claim.id for claim in claims}) == 3
    assert all(event.seq >= claim.next_seq for event, claim in zip(events, claims, strict=True))
    assert {(claim.credential, claim.plan) for claim in claims} == {(1, 1)}
    assert {claim.session for claim in claims} == {place.rig.controller.last(Hello).session}


async def test_what_the_controller_counts_is_not_counted_here(place: Place) -> None:
    place.rig.controller.uses = {1: 1}
    assert await place.phone() is Status.GRANTED
    assert place.rig.memory.journal.spent(SHARED.id) == 0


async def test_without_an_answer_it_refuses_and_gives_the_use_back(place: Place) -> None:
    tap = asyncio.create_task(place.phone())
    await place.rig.wait(ANSWER_WITHIN / 2)
    assert not tap.done()
    assert place.shown() is Signal.BUSY
    assert await tap is Status.DENIED
    assert place.shown() is Signal.TROUBLE
    event = await place.only()
    assert (event.reason, event.counted) == (Reason.RESERVE_ONLINE, False)
    assert event.claim == place.rig.controller.last(Claim).id


async def test_an_answer_that_comes_too_late_opens_nothing(place: Place) -> None:
    assert await place.phone() is Status.DENIED
    place.rig.controller.claimed(place.rig.controller.last(Claim).id, Verdict.RESERVED)
    await place.rig.wait(1)
    assert not place.rig.is_released()
    assert len(await place.accesses()) == 1


async def test_while_nobody_can_be_asked_it_refuses_at_once(place: Place) -> None:
    place.rig.broker.up = False
    place.rig.broker.cut()
    await place.rig.wait(1)
    tap = asyncio.create_task(place.card())
    await place.rig.wait(ANSWER_WITHIN / 2)
    assert tap.done()
    assert place.shown() is Signal.TROUBLE
    place.rig.broker.up = True
    await place.rig.wait(60)
    event = await place.only()
    assert (event.reason, event.claim) == (Reason.RESERVE_ONLINE, None)


async def test_a_line_lost_meanwhile_refuses(place: Place) -> None:
    tap = asyncio.create_task(place.phone())
    await place.rig.wait(0.5)
    place.rig.broker.cut()
    assert await tap is Status.DENIED
    await place.rig.wait(60)
    assert (await place.only()).reason is Reason.RESERVE_ONLINE


async def test_others_are_served_while_it_waits(place: Place) -> None:
    tap = asyncio.create_task(place.phone())
    await place.rig.wait(0.5)
    assert await place.card(BOB)
    assert not tap.done()
    assert await tap is Status.DENIED


async def test_a_key_revoked_meanwhile_is_refused_and_the_claim_settled(place: Place) -> None:
    tap = asyncio.create_task(place.phone())
    await place.rig.wait(0.5)
    place.office.deny(ALICE.public.point, DenyCause.STOLEN)
    place.rig.controller.push()
    await place.rig.wait(0.5)
    claim = place.rig.controller.last(Claim)
    place.rig.controller.claimed(claim.id, Verdict.RESERVED)
    assert await tap is Status.DENIED
    event = await place.only()
    assert (event.reason, event.claim) == (Reason.STOLEN, claim.id)


async def test_nobody_is_asked_where_something_else_is_in_the_way(place: Place) -> None:
    place.rig.controller.uses = {1: 1}
    await place.edit(grant_of(ALICE.public, 1, uses=1, flags=int(Flag.SUSPENDED)))
    assert await place.phone() is Status.DENIED
    assert place.rig.controller.all(Claim) == []
    assert place.rig.controller.uses == {1: 1}


async def test_an_answer_of_another_key_is_refused_and_reported(place: Place) -> None:
    tap = asyncio.create_task(place.phone())
    await place.rig.wait(0.5)
    claim = place.rig.controller.last(Claim)
    message = Claimed(reader=READER, id=claim.id, verdict=Verdict.RESERVED)
    forged = PairwiseKey(ALICE, KEYS.identity.public, READER).seal(message, Leaf.CLAIMED)
    elsewhere = PairwiseKey(CONTROLLER_KEY, KEYS.identity.public, READER).seal(message, Leaf.CMD)
    for payload in (forged, elsewhere, b"\xa0", b""):
        place.rig.broker.send(topic(READER, Leaf.CLAIMED), payload)
    assert await tap is Status.DENIED
    assert not place.rig.is_released()
    assert place.rig.controller.complaints()


async def test_an_answer_nobody_waits_for_does_no_harm(place: Place) -> None:
    place.rig.controller.claimed(bytes(16), Verdict.RESERVED)
    place.rig.controller.uses = {1: 1}
    assert await place.phone() is Status.GRANTED
    place.rig.controller.claimed(place.rig.controller.last(Claim).id, Verdict.RESERVED)
    await place.rig.wait(10)
    assert not place.rig.is_released()
    assert await place.phone() is Status.DENIED
