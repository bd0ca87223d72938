"""Taps that go wrong: bad proofs, broken links, counted uses, failing devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hw.ports import Signal
from reader.taps import LINGER, MAX_LINKS, SEND_SECONDS
from shared.access.decide import Reason
from shared.access.rows import Method
from shared.credential.outcome import Reason as ProofReason
from shared.credential.outcome import Refused
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc import ble_reader
from shared.credential.pkoc.ble_holder import Hint
from shared.credential.pkoc.ble_messages import Status
from shared.credential.tag import TOTAL_SECONDS
from tests.reader.keys import KEYS
from tests.reader.office import FRAME, NIGHTS, Office, grant_of
from tests.reader.people import Cards, CardTag, PhoneLink, Phones
from tests.reader.place import ALICE, BOB, ONCE, Place
from tests.reader.rig import running
from tests.reader.test_memory import full, meddle
from tests.shared.credential.keys import key


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


# Bad proofs


async def test_a_spoilt_credential_is_refused_and_recorded(place: Place) -> None:
    def flip_last(message: bytes) -> bytes:
        return message[:-1] + bytes([message[-1] ^ 1]) if message[0] == 0x40 else message

    link = PhoneLink()
    place.phones.bring(link)
    ending = await link.tap(ALICE, spoil=flip_last)
    assert isinstance(ending, Hint)
    assert ending.status is Status.DECRYPTION_ERROR_CCM
    assert not place.rig.is_released()
    assert place.shown() is Signal.NOT_HERE
    event = await place.only()
    assert (event.reason, event.key_hash, event.person) == (Reason.BAD_PROOF, None, None)
    assert (event.detail or "").startswith("decryption_failed: ")


async def test_rubbish_is_refused_and_recorded(place: Place) -> None:
    link = PhoneLink()
    place.phones.bring(link)
    link.write(b"\xff" * 100)
    await place.rig.wait(1)
    assert not place.rig.is_released()
    assert (await place.only()).reason is Reason.BAD_PROOF


@pytest.mark.parametrize("own", [KEYS.pkoc, KEYS.identity, key("controller plan")])
async def test_no_key_of_ours_is_a_credential(place: Place, own: PrivateKey) -> None:
    await place.edit(grant_of(own.public, 5))
    assert not await place.card(own)
    event = await place.only()
    assert event.reason is Reason.BAD_PROOF
    assert (event.detail or "").startswith("own_key: ")


@pytest.mark.parametrize("answer", [b"", b"\x90", b"\x6f\x00", b"\x5c\x00\x90\x00"])
async def test_a_card_that_answers_wrongly_is_refused(place: Place, answer: bytes) -> None:
    assert not await place.card(answers=lambda _: answer)
    assert (await place.only()).reason is Reason.BAD_PROOF


# Passers-by and broken links


@pytest.mark.parametrize("cut_at", range(6))
async def test_a_link_may_break_at_every_step(place: Place, cut_at: int) -> None:
    # hello, 07, proof, sealed credential, status: five messages pass.
    link = PhoneLink(cut_at=cut_at)
    place.phones.bring(link)
    ending = await link.tap(ALICE)
    await place.rig.wait(0.2)
    shown = cut_at >= 4
    assert place.rig.is_released() is shown
    assert isinstance(ending, Hint) is (cut_at == 5)
    assert len(await place.accesses()) == (1 if shown else 0)
    await place.rig.wait(10)
    assert place.shown() is Signal.IDLE
    assert link.closes == 1
    # And the door serves the next.
    assert await place.phone(BOB) is Status.GRANTED


@pytest.mark.parametrize("gone_at", range(2))
async def test_a_card_may_leave_at_every_step(place: Place, gone_at: int) -> None:
    assert not await place.card(gone_at=gone_at)
    assert await place.accesses() == []
    assert place.shown() is Signal.IDLE
    assert await place.card()


@pytest.mark.parametrize("mtu", [23, 37])
async def test_a_phone_that_cannot_carry_the_messages_is_no_attempt(place: Place, mtu: int) -> None:
    assert await place.phone(mtu=mtu) in (ProofReason.LINK_LOST, ProofReason.TURNED_AWAY)
    assert await place.accesses() == []
    assert place.shown() is Signal.IDLE


async def test_a_card_of_another_kind_is_no_attempt(place: Place) -> None:
    assert not await place.card(answers=lambda _: b"\x6a\x82")
    assert await place.accesses() == []
    assert place.shown() is Signal.IDLE


async def test_a_phone_that_says_nothing_is_sent_away_without_a_trace(place: Place) -> None:
    link = PhoneLink()
    place.phones.bring(link)
    await place.rig.wait(ble_reader.IDLE_SECONDS + LINGER + 0.1)
    assert link.lost
    assert await place.accesses() == []
    assert place.shown() is Signal.IDLE


async def test_a_slow_phone_meets_its_deadline(place: Place) -> None:
    link = PhoneLink(slow=ble_reader.IDLE_SECONDS + 1)
    place.phones.bring(link)
    ending = await link.tap(ALICE)
    assert isinstance(ending, Refused)
    assert not place.rig.is_released()
    assert await place.accesses() == []


async def test_a_slow_card_meets_its_deadline(place: Place) -> None:
    tag = CardTag(ALICE, slow=TOTAL_SECONDS + 1)
    place.cards.bring(tag)
    await place.rig.wait(TOTAL_SECONDS + 0.1)
    assert tag.released.is_set()
    assert not place.rig.is_released()
    assert await place.accesses() == []


async def test_a_phone_that_takes_in_nothing_is_given_up(place: Place) -> None:
    link = PhoneLink(deaf=True)
    place.phones.bring(link)
    await place.rig.wait(ble_reader.TOTAL_SECONDS + 2 * SEND_SECONDS + 1)
    assert link.closes == 1
    assert await place.accesses() == []


@pytest.mark.parametrize("deaf", [False, True])
async def test_hogs_hold_up_no_card_and_not_for_long_a_phone(place: Place, deaf: bool) -> None:
    hogs = [PhoneLink(deaf=deaf) for _ in range(MAX_LINKS)]
    for hog in hogs:
        place.phones.bring(hog)
    await place.rig.wait(0.1)
    assert await place.card()
    # A phone may have to try again, but not for longer than the hogs are borne.
    borne = ble_reader.TOTAL_SECONDS + 2 * SEND_SECONDS + LINGER
    start = asyncio.get_running_loop().time()
    while await place.phone(BOB) is not Status.GRANTED:
        assert asyncio.get_running_loop().time() - start < borne
    assert all(hog.closes == 1 for hog in hogs)


async def test_several_phones_are_served_at_once(place: Place) -> None:
    slow = PhoneLink(slow=1.0)
    place.phones.bring(slow)
    first = asyncio.create_task(slow.tap(ALICE))
    await place.rig.wait(0.1)
    assert await place.phone(BOB) is Status.GRANTED
    assert not first.done()
    assert isinstance(await first, Hint)
    assert [event.person for event in await place.accesses()] == [1002, 1001]


# Counted uses


async def test_a_key_that_opens_twice_opens_twice(place: Place) -> None:
    await place.edit(grant_of(ALICE.public, uses=2, flags=ONCE))
    told = []
    for _ in range(4):
        told.append(await place.phone())
        await place.rig.wait(10)
    assert told == [Status.GRANTED, Status.GRANTED, Status.DENIED, Status.DENIED]
    reasons = [event.reason for event in await place.accesses()]
    assert reasons == [Reason.GRANTED, Reason.GRANTED, Reason.USED_UP, Reason.USED_UP]


async def test_two_at_the_same_instant_spend_one_use_once(place: Place) -> None:
    await place.edit(grant_of(ALICE.public, uses=1, flags=ONCE))
    taps = await asyncio.gather(
        *(place.phone() for _ in range(4)), place.card(), return_exceptions=False
    )
    assert (
        taps[:4].count(Status.GRANTED)
        + sum(
            event.method is Method.PKOC_NFC and event.reason is Reason.GRANTED
            for event in await place.accesses()
        )
        == 1
    )
    reasons = [event.reason for event in await place.accesses()]
    assert sorted(reason.value for reason in reasons if reason) == ["granted", *["used_up"] * 4]
    assert place.rig.memory.journal.spent(grant_of(ALICE.public).id) == 1


async def test_uses_stay_spent_over_a_snapshot_and_a_restart(
    tmp_path: Path, office: Office
) -> None:
    office.edit([grant_of(ALICE.public, uses=1, flags=ONCE)])
    for expected in (True, False):
        phones, cards = Phones(), Cards()
        async with running(tmp_path, office, links=phones, tags=cards) as rig:
            await rig.wait()
            place = Place(rig, office, phones, cards)
            assert await place.card() is expected
            office.edit([grant_of(BOB.public, 2)])
            for page in office.snapshot():
                rig.controller.say(page)
            await rig.wait(10)
            assert not await place.card()


async def test_a_refused_tap_spends_nothing(place: Place) -> None:
    await place.edit(grant_of(ALICE.public, uses=1, flags=ONCE, schedule=NIGHTS.id))
    assert await place.phone() is Status.DENIED
    await place.edit(grant_of(ALICE.public, uses=1, flags=ONCE))
    assert await place.phone() is Status.GRANTED


async def test_a_use_that_cannot_be_written_down_is_refused_and_others_go_on(
    place: Place,
) -> None:
    await place.edit(grant_of(ALICE.public, uses=5, flags=ONCE))
    place.rig.controller.receipts = False
    full(place.rig.memory.journal._database)
    # Until the last page is full, and from then on.
    told = []
    for _ in range(60):
        told.append(await place.phone())
        await place.rig.wait(6)
        if told[-1] is Status.DENIED:
            break
        await place.edit(grant_of(ALICE.public, uses=5 + len(told), flags=ONCE))
    assert told[-1] is Status.DENIED
    spent = place.rig.memory.journal.spent(grant_of(ALICE.public).id)
    assert spent == told.count(Status.GRANTED)
    assert not place.rig.is_released()
    assert await place.phone(BOB) is Status.GRANTED
    assert place.rig.is_released()


async def test_a_journal_that_cannot_be_written_shows_trouble(place: Place, tmp_path: Path) -> None:
    await place.edit(grant_of(ALICE.public, uses=5, flags=ONCE))
    meddle(
        tmp_path / "journal.db",
        "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    assert await place.phone() is Status.DENIED
    assert not place.rig.is_released()
    assert place.shown() is Signal.TROUBLE
    assert place.rig.memory.journal.spent(grant_of(ALICE.public).id) == 0
    assert await place.card(BOB)


# Devices


async def test_a_radio_that_fails_is_tried_again_and_told_once(place: Place) -> None:
    for _ in range(5):
        place.phones.fail("usb:0 is gone: plug it in")
    await place.rig.wait(60)
    assert await place.card()
    assert await place.phone(BOB) is Status.GRANTED
    await place.rig.wait(0.1)
    told = [event.detail for event in place.rig.controller.events("device")]
    assert told == ["BLE: usb:0 is gone: plug it in", "BLE: works again"]


async def test_a_reader_that_fails_does_not_stop_phones(place: Place) -> None:
    place.cards.fail("pn532 is mute")
    await place.rig.wait(0.1)
    assert await place.phone() is Status.GRANTED
    [event] = place.rig.controller.events("device")
    assert event.detail == "NFC: pn532 is mute"
