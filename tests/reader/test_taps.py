"""One tap from end to end: real phones and cards against the whole reader."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from hw.ports import Signal
from shared.access.calendar import Holiday
from shared.access.decide import DenyCause, Reason
from shared.access.rows import Flag, Method, Modes, Row
from shared.credential.pkoc.ble_holder import Hint
from shared.credential.pkoc.ble_messages import Status
from tests.reader.clocks import NOW
from tests.reader.keys import KEYS
from tests.reader.office import CALENDAR, DAY, DOOR, FRAME, NIGHTS, Office, grant_of
from tests.reader.people import OPEN_HEARTED, Cards, PhoneLink, Phones
from tests.reader.place import ALICE, BOB, MALLORY, Place
from tests.reader.rig import running


@pytest.fixture
def office() -> Office:
    return Office([*FRAME, grant_of(ALICE.public, 1), grant_of(BOB.public, 2)])


@pytest_asyncio.fixture
async def place(tmp_path: Path, office: Office) -> AsyncIterator[Place]:
    phones, cards = Phones(), Cards()
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        await rig.wait()
        yield Place(rig, office, phones, cards)
    assert phones.closed
    assert cards.closed


async def test_a_phone_that_may_enter_does(place: Place) -> None:
    assert await place.phone() is Status.GRANTED
    assert place.rig.is_released()
    assert place.shown() is Signal.GRANTED
    event = await place.only()
    assert (event.reason, event.method) == (Reason.GRANTED, Method.PKOC_BLE_ECDHE)
    assert (event.credential, event.person, event.plan) == (1, 1001, 1)
    assert (event.key_hash, event.reasons, event.detail) == (None, (), None)
    await place.rig.wait(DOOR.release)
    assert not place.rig.is_released()
    assert place.shown() is Signal.IDLE


async def test_a_card_that_may_enter_does(place: Place) -> None:
    assert await place.card()
    event = await place.only()
    assert (event.reason, event.method, event.person) == (Reason.GRANTED, Method.PKOC_NFC, 1001)


async def test_the_strike_has_moved_before_the_phone_is_told(place: Place) -> None:
    link = PhoneLink()
    place.phones.bring(link)
    tap = asyncio.create_task(link.tap(ALICE))
    while not place.rig.is_released():
        assert not tap.done()
        await asyncio.sleep(0)
    # The phone has been told nothing by then: its queue holds no status.
    assert link.to_phone.empty()
    assert isinstance(await tap, Hint)


async def test_the_extended_release_is_longer(place: Place) -> None:
    await place.edit(grant_of(ALICE.public, 1, flags=int(Flag.EXTENDED)))
    assert await place.card()
    await place.rig.wait(DOOR.release_extended - 1)
    assert place.rig.is_released()
    await place.rig.wait(1)
    assert not place.rig.is_released()


async def test_no_event_holds_a_key(place: Place) -> None:
    await place.phone(ALICE)
    await place.phone(MALLORY)
    await place.card(BOB)
    await place.card(MALLORY)
    await place.card(KEYS.pkoc)
    assert len(await place.accesses()) == 5
    stored = b"".join(place.rig.controller.stored)
    for one in (ALICE, BOB, MALLORY, KEYS.pkoc):
        assert one.public.x not in stored
        assert one.secret_bytes() not in stored


async def test_an_unknown_key_leaves_its_hash(place: Place) -> None:
    assert await place.phone(MALLORY) is Status.DENIED
    event = await place.only()
    assert event.key_hash == hashlib.sha256(MALLORY.public.point).digest()
    assert (event.reason, event.reasons) == (Reason.UNKNOWN, (Reason.UNKNOWN,))
    assert (event.credential, event.person, event.plan) == (None, None, None)


# Every refusal

Setup = Callable[[Place], None]
UNTIL = int(NOW) + DAY
GONE = int(NOW) - DAY
HOLIDAY = Holiday(int(NOW) // DAY, int(NOW) // DAY, 1)

PLANS: dict[str, tuple[Reason, Signal, tuple[Row, ...]]] = {
    "stolen": (
        Reason.STOLEN,
        Signal.NOT_HERE,
        (grant_of(ALICE.public, flags=int(Flag.STOLEN)),),
    ),
    "lost": (Reason.LOST, Signal.NOT_HERE, (grant_of(ALICE.public, flags=int(Flag.LOST)),)),
    "suspended": (
        Reason.SUSPENDED,
        Signal.NOT_HERE,
        (grant_of(ALICE.public, flags=int(Flag.SUSPENDED)),),
    ),
    "lockdown": (Reason.LOCKDOWN, Signal.NOT_NOW, (replace(DOOR, modes=Modes(lockdown=True)),)),
    "busy": (Reason.BUSY, Signal.NOT_NOW, (replace(DOOR, modes=Modes(maintenance=True)),)),
    "not yet": (Reason.NOT_YET, Signal.NOT_NOW, (grant_of(ALICE.public, not_before=UNTIL),)),
    "expired": (Reason.EXPIRED, Signal.NOT_NOW, (grant_of(ALICE.public, not_after=GONE),)),
    "out of hours": (
        Reason.OUT_OF_HOURS,
        Signal.NOT_NOW,
        (grant_of(ALICE.public, schedule=NIGHTS.id),),
    ),
    "no such schedule": (
        Reason.OUT_OF_HOURS,
        Signal.NOT_NOW,
        (grant_of(ALICE.public, schedule=77),),
    ),
    "holiday": (
        Reason.HOLIDAY,
        Signal.NOT_NOW,
        (replace(CALENDAR, holidays=(HOLIDAY,)), grant_of(ALICE.public, schedule=1)),
    ),
    "outside the calendar": (
        Reason.CLOCK,
        Signal.TROUBLE,
        (replace(CALENDAR, until=GONE), grant_of(ALICE.public, schedule=1)),
    ),
    "reserve online": (Reason.RESERVE_ONLINE, Signal.TROUBLE, (grant_of(ALICE.public, uses=1),)),
    "second factor": (
        Reason.FACTOR_MISSING,
        Signal.NOT_NOW,
        (grant_of(ALICE.public, flags=int(Flag.SECOND_FACTOR)),),
    ),
}


@pytest.mark.parametrize("what", PLANS)
async def test_whom_the_plan_refuses_learns_only_what_the_door_shows(
    place: Place, what: str
) -> None:
    reason, signal, rows = PLANS[what]
    await place.edit(*rows)
    assert await place.phone() is Status.DENIED
    assert not place.rig.is_released()
    assert place.shown() is signal
    event = await place.only()
    assert (event.reason, event.person) == (reason, 1001)
    assert reason in event.reasons
    assert event.key_hash is None


async def test_a_revoked_key_is_refused_whatever_the_plan_says(place: Place) -> None:
    place.office.deny(ALICE.public.point, DenyCause.LOST)
    place.rig.controller.push()
    await place.rig.wait(0.1)
    assert await place.phone() is Status.DENIED
    assert place.shown() is Signal.NOT_HERE
    assert (await place.only()).reason is Reason.LOST


async def test_without_a_plan_everybody_is_refused(tmp_path: Path, office: Office) -> None:
    phones, cards = Phones(), Cards()
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        rig.controller.answers = False
        await rig.wait()
        place = Place(rig, office, phones, cards)
        assert not await place.card()
        assert rig.door.state.signal is Signal.TROUBLE
        assert (await place.only()).reason is Reason.NO_PLAN


async def test_an_old_lease_refuses_all_but_responders(place: Place) -> None:
    await place.edit(grant_of(BOB.public, 2, flags=int(Flag.RESPONDER)))
    place.rig.controller.answers = False
    await place.rig.wait(1)
    place.rig.memory.lease = type(place.rig.memory.lease)(1, 8.0 * DAY, "boot 1", 0.0)
    assert not await place.card(ALICE)
    assert place.shown() is Signal.TROUBLE
    assert (await place.only()).reason is Reason.LEASE_ENDED
    assert await place.card(BOB)


async def test_without_trusted_time_only_the_unlimited_enter(place: Place) -> None:
    await place.edit(grant_of(ALICE.public, schedule=1))
    place.rig.memory.clock.anchor = None
    assert not await place.card(ALICE)
    assert (await place.only()).reason is Reason.CLOCK
    assert await place.card(BOB)


async def test_a_method_the_door_does_not_permit_is_no_proof(place: Place) -> None:
    await place.edit(replace(DOOR, methods=(Method.PKOC_NFC,)))
    assert await place.phone() is Status.DENIED
    assert place.shown() is Signal.NOT_HERE
    assert (await place.only()).reason is Reason.BAD_PROOF
    assert await place.card()


async def test_the_open_flow_is_answered_only_where_the_door_allows_it(place: Place) -> None:
    link = PhoneLink()
    place.phones.bring(link)
    ending = await link.tap(ALICE, OPEN_HEARTED)
    assert isinstance(ending, Hint)
    assert ending.status is Status.GRANTED
    assert (await place.only()).method is Method.PKOC_BLE
    await place.rig.wait(10)
    await place.edit(replace(DOOR, methods=(Method.PKOC_BLE_ECDHE,)))
    link = PhoneLink()
    place.phones.bring(link)
    ending = await link.tap(ALICE, OPEN_HEARTED)
    assert isinstance(ending, Hint)
    assert ending.status is Status.INVALID_SECURITY
    assert not place.rig.is_released()
    event = (await place.accesses())[-1]
    assert event.reason is Reason.BAD_PROOF
    assert (event.detail or "").startswith("flow_not_allowed: ")
