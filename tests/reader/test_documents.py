"""Documents at a door: in without a grant, out for a reason, remembered and lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace as changed
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from reader.database import Unusable
from reader.documents import LOST, Remembered
from reader.memory import open_memory
from reader.secret_notes import SealedNotes
from reader.wallets import NOTE
from shared.access.decide import DenyCause, Reason
from shared.access.rows import CardIssuers, Documents, Door, Method, Modes, ReaderCertificates
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.access_data import AccessData, AccessRule, Capability
from shared.credential.aliro.documents.messages import DeviceResponse, Document
from shared.credential.aliro.documents.recurrence import Schedule
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    credential_hash,
)
from shared.credential.aliro.documents.security import Validity
from shared.credential.aliro.endings import Exchange, ReaderStatus
from shared.credential.aliro.holder import Supplies
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.p256 import PrivateKey
from shared.wire.events import Event, EventKind
from tests.reader import clocks
from tests.reader.bus import Broker
from tests.reader.controller import Controller
from tests.reader.keys import GROUP, KEYS, WALLET_ISSUER
from tests.reader.office import CALENDAR, DOOR, FRAME, Office, for_wallets, grant_of
from tests.reader.people import Cards, CardTag, Phones
from tests.reader.place import ALICE, BOB, MALLORY, Place
from tests.reader.rig import LoopTime, running
from tests.shared.credential.aliro.documents.ends import FLOOR, ISSUER, access, revocation
from tests.shared.credential.keys import key

TAKES = replace(DOOR, methods=(Method.ALIRO_NFC, Method.ALIRO_NFC_DOCUMENT))
ONLY = replace(DOOR, methods=(Method.ALIRO_NFC_DOCUMENT,))
WANTED = Documents(issuers=(ISSUER.public.point,), access=(FLOOR,), revocation=(FLOOR,))
ISSUERS = CardIssuers(documents=WANTED)
CERTIFIED = ReaderCertificates(for_wallets())
NOW = int(clocks.NOW)
DAY = 86_400
Outside = dict[str, Any]
GOOD = Validity(NOW - 3600, NOW - 3600, NOW + 30 * DAY)


def document(holder: PrivateKey = ALICE, validity: Validity = GOOD, **more: Any) -> Document:
    return access(holder=holder.public, validity=validity, **more)


def revoked(who: PrivateKey, iteration: int = 1) -> Document:
    data = RevocationData(Mode.OVERWRITE, (Entry(hash=credential_hash(who.public)),))
    return revocation(data, iteration, validity=GOOD)


class Wallet:
    """A phone that carries documents, and what it was asked at its last tap."""

    def __init__(self, holder: PrivateKey, *documents: Document) -> None:
        numbers = count()
        supplies = Supplies(lambda: key(f"{holder.public!r} {next(numbers)}"), bytes)
        self.held = Credential(holder, GROUP, WALLET_ISSUER.public)
        self.carry(*documents)
        self.device = DocumentDevice([self.held], supplies)
        self.asked: list[int] = []

    def carry(self, *documents: Document) -> None:
        kinds = {each.kind for each in documents}
        signed = b"2026-01-01T00:00:00Z"
        self.held.documents = documents
        self.held.access_signed = signed if kinds - {"aliro-r"} else None
        self.held.revocation_signed = signed if "aliro-r" in kinds else None
        self.held.signaling = Signaling.SELECT_STEP_UP

    async def tap(self, place: Place, **more: Any) -> Event | None:
        """Hold it to the door; the event of the attempt, if it was one."""
        self._card, self.asked = Card([self.device, StepUpApplication(self.device)]), []
        before = len(await place.accesses())
        tag = CardTag(ALICE, answers=self._receive, **more)
        place.cards.bring(tag)
        await tag.released.wait()
        events = (await place.accesses())[before:]
        return events[0] if events else None

    def _receive(self, raw: bytes) -> bytes:
        self.asked.append(CommandAPDU.decode(raw).ins)
        return self._card.receive(raw)

    @property
    def status(self) -> ReaderStatus | None:
        ended = self.device.ended
        said = ended.status if isinstance(ended, Exchange) else None
        return None if said is None else ReaderStatus(said)

    @property
    def was_quick(self) -> bool:
        return 0x81 not in self.asked

    @property
    def gave_documents(self) -> bool:
        return 0xC3 in self.asked


@pytest.fixture
def office() -> Office:
    return Office([*FRAME, TAKES, ISSUERS, CERTIFIED, grant_of(BOB.public, 2)])


@asynccontextmanager
async def started(folder: Path, office: Office, **more: Any) -> AsyncIterator[Place]:
    phones, cards = Phones(), Cards()
    async with running(folder, office, links=phones, tags=cards, **more) as rig:
        await rig.wait()
        yield Place(rig, office, phones, cards)


@pytest_asyncio.fixture
async def place(tmp_path: Path, office: Office) -> AsyncIterator[Place]:
    async with started(tmp_path, office) as place:
        yield place


async def refused(place: Place, wallet: Wallet) -> tuple[Reason | None, str]:
    """Why the wallet is not let in: the reason, and the credential layer's own."""
    event = await wallet.tap(place)
    assert event is not None
    assert not place.rig.is_released()
    assert wallet.status is not ReaderStatus.UNSECURED
    return event.reason, (event.detail or "").split(":", maxsplit=1)[0]


async def test_it_opens_without_a_grant_and_says_whose_word_it_was(place: Place) -> None:
    wallet = Wallet(ALICE, document())
    event = await wallet.tap(place)
    assert event is not None
    assert (event.reason, event.method) == (Reason.GRANTED, Method.ALIRO_NFC_DOCUMENT)
    assert (event.credential, event.person, event.plan) == (None, None, None)
    assert ALICE.public.point.hex() in (event.detail or "")
    assert place.rig.is_released()
    assert wallet.status is ReaderStatus.UNSECURED


async def test_the_second_tap_is_quick_and_judged_by_what_was_kept(place: Place) -> None:
    wallet = Wallet(ALICE, document())
    await wallet.tap(place)
    event = await wallet.tap(place)
    assert event is not None
    assert (event.reason, wallet.was_quick) == (Reason.GRANTED, True)
    await place.edit(
        replace(ISSUERS, documents=replace(WANTED, issuers=(key("other").public.point,)))
    )
    await place.rig.wait(2 * DOOR.release)
    assert await refused(place, wallet) == (Reason.UNKNOWN, "no_document")


async def test_what_a_door_no_longer_looks_for_opens_it_no_longer(place: Place) -> None:
    wallet = Wallet(ALICE, document())
    await wallet.tap(place)
    await place.rig.wait(DOOR.release)
    await place.edit(replace(ISSUERS, documents=replace(WANTED, access=("another floor",))))
    for quick in (True, False):
        assert await refused(place, wallet) == (Reason.UNKNOWN, "no_data_element")
        assert wallet.was_quick is quick


async def test_an_enrolled_key_is_judged_by_its_grants_and_asked_for_nothing(place: Place) -> None:
    wallet = Wallet(BOB, document(BOB))
    event = await wallet.tap(place)
    assert event is not None
    assert (event.method, event.person, wallet.gave_documents) == (Method.ALIRO_NFC, 1002, False)
    await place.edit(grant_of(BOB.public, 2, not_after=NOW - 1))
    await place.rig.wait(DOOR.release)
    assert (await refused(place, wallet))[0] is Reason.EXPIRED


async def test_a_door_for_documents_only_refuses_an_enrolled_key(place: Place) -> None:
    await place.edit(ONLY)
    assert (await refused(place, Wallet(BOB, document(BOB))))[0] is Reason.BAD_PROOF
    event = await Wallet(ALICE, document()).tap(place)
    assert event is not None
    assert event.reason is Reason.GRANTED


async def test_a_door_that_takes_no_documents_asks_for_none(place: Place) -> None:
    await place.edit(replace(DOOR, methods=(Method.ALIRO_NFC,)))
    wallet = Wallet(ALICE, document())
    assert (await refused(place, wallet))[0] is Reason.UNKNOWN
    assert not wallet.gave_documents


PARTS = ["documents", "iterations", "revocations", "documents-floor"]
SHUT = Schedule(NOW + DAY, NOW + 2 * DAY)
LATER = AccessData(rules=(AccessRule(Capability.MOMENTARY_UNSECURE, 1),), schedules=(SHUT,))
OLD = Validity(NOW - 8 * DAY, NOW - 8 * DAY, NOW + DAY)
FUTURE = Validity(NOW - 10, NOW + DAY, NOW + 2 * DAY)
PAST = Validity(NOW - 2 * DAY, NOW - 2 * DAY, NOW - DAY)


@pytest.mark.parametrize(
    ("carried", "reason", "detail"),
    [
        ([], Reason.UNKNOWN, "no_document"),
        ([document(MALLORY)], Reason.UNKNOWN, "other_holder"),
        ([document(issuer=key("foreign"))], Reason.UNKNOWN, "unknown_issuer"),
        ([document(validity=OLD)], Reason.EXPIRED, "document_too_old"),
        ([document(validity=PAST)], Reason.EXPIRED, "document_expired"),
        ([document(validity=FUTURE)], Reason.NOT_YET, "document_not_yet_valid"),
        ([document(data=LATER)], Reason.OUT_OF_HOURS, "outside_schedule"),
        ([document(), revoked(ALICE)], Reason.REVOKED, "credential_revoked"),
    ],
)
async def test_it_is_refused_and_the_event_says_why(
    place: Place, carried: list[Document], reason: Reason, detail: str
) -> None:
    assert await refused(place, Wallet(ALICE, *carried)) == (reason, detail)


@pytest.mark.parametrize("door", [TAKES, ONLY])
async def test_a_refused_device_key_is_asked_for_nothing(place: Place, door: Door) -> None:
    await place.edit(door)
    wallet = Wallet(ALICE, document())
    await wallet.tap(place)
    await place.rig.wait(DOOR.release)
    place.office.deny(ALICE.public.point, DenyCause.REVOKED)
    place.rig.controller.push()
    await place.rig.wait(1)
    assert (await refused(place, wallet))[0] is Reason.REVOKED
    assert not wallet.gave_documents


async def test_lockdown_holds(place: Place) -> None:
    await place.edit(replace(TAKES, modes=Modes(lockdown=True)))
    assert (await refused(place, Wallet(ALICE, document())))[0] is Reason.LOCKDOWN


async def test_an_issuer_revokes_an_enrolled_key_too(place: Place) -> None:
    await Wallet(ALICE, document(), revoked(BOB)).tap(place)
    await place.rig.wait(DOOR.release)
    assert await refused(place, Wallet(BOB)) == (Reason.REVOKED, "credential_revoked")


async def test_a_wallet_that_leaves_while_it_is_asked_is_no_attempt(place: Place) -> None:
    wallet = Wallet(ALICE, document())
    assert await wallet.tap(place, gone_at=4) is None
    assert not place.rig.is_released()


async def test_a_document_of_eight_kilobytes_opens(place: Place) -> None:
    # An extension of somebody else, which may be ignored.
    large = document(data={0: 1, 5: {1: [[0, 0, bytes(7700)]]}})
    assert 8000 < len(DeviceResponse((large,)).encode()) <= 8192
    event = await Wallet(ALICE, large).tap(place)
    assert event is not None
    assert event.reason is Reason.GRANTED


@pytest.fixture
def outside(office: Office) -> Outside:
    """What goes on while the reader starts anew."""
    broker = Broker()
    return {"broker": broker, "controller": Controller(broker, office)}


def lose_journal(folder: Path) -> None:
    for file in folder.glob("journal.db*"):
        file.unlink()


class TestRestarts:
    async def test_what_it_knows_outlives_them(
        self, tmp_path: Path, office: Office, outside: Outside
    ) -> None:
        wallet, other = Wallet(ALICE, document()), Wallet(MALLORY, document(MALLORY))
        async with started(tmp_path, office, **outside) as place:
            await wallet.tap(place)
            await place.rig.wait(DOOR.release)
            new = document(MALLORY, changed(GOOD, iteration=9))
            await Wallet(MALLORY, new, revoked(BOB)).tap(place)
        async with started(tmp_path, office, **outside) as place:
            # Nine iterations on, the kept one of Alice and an old one of Mallory are void.
            assert await refused(place, wallet) == (Reason.EXPIRED, "document_superseded")
            assert await refused(place, other) == (Reason.EXPIRED, "document_superseded")
            assert (await refused(place, Wallet(BOB)))[0] is Reason.REVOKED

    async def test_it_is_quick_after_one(
        self, tmp_path: Path, office: Office, outside: Outside
    ) -> None:
        wallet = Wallet(ALICE, document())
        for quick in (False, True):
            async with started(tmp_path, office, **outside) as place:
                event = await wallet.tap(place)
                assert event is not None
                assert (event.reason, wallet.was_quick) == (Reason.GRANTED, quick)

    @pytest.mark.parametrize(
        "spoiled", ["documents", "iterations", "revocations", "documents-floor"]
    )
    @pytest.mark.parametrize("spoil", [None, b"", bytes(100)])
    async def test_after_a_loss_only_new_documents_count(
        self,
        tmp_path: Path,
        office: Office,
        outside: Outside,
        spoiled: str,
        spoil: bytes | None,
    ) -> None:
        wallet = Wallet(ALICE, document())
        async with started(tmp_path, office, **outside) as place:
            await wallet.tap(place)
        memory = open_memory(tmp_path, LoopTime())
        await memory.journal.keep(spoiled, spoil)
        memory.close()
        for again in range(2):
            async with started(tmp_path, office, **outside) as place:
                assert await refused(place, wallet) == (Reason.EXPIRED, "document_too_old")
                noted = [e for e in place.rig.controller.events() if e.detail == LOST]
                assert [e.kind for e in noted] == [EventKind.DEVICE]  # once, of the first start
                assert again or not wallet.was_quick
        async with started(tmp_path, office, **outside) as place:
            signed = place.rig.memory.clock.read().now
            wallet.carry(document(validity=Validity(signed, signed, signed + DAY)))
            event = await wallet.tap(place)
            assert event is not None
            assert event.reason is Reason.GRANTED

    async def test_a_lost_journal_brings_nobody_back(
        self, tmp_path: Path, office: Office, outside: Outside
    ) -> None:
        wallet = Wallet(ALICE, document())
        async with started(tmp_path, office, **outside) as place:
            await Wallet(MALLORY, document(MALLORY), revoked(ALICE)).tap(place)
        lose_journal(tmp_path)
        outside["controller"].stored.clear()  # it counts the events of one journal
        async with started(tmp_path, office, **outside):
            pass  # nobody comes before the next start
        for _ in range(2):
            async with started(tmp_path, office, **outside) as place:
                assert await refused(place, wallet) == (Reason.EXPIRED, "document_too_old")
        async with started(tmp_path, office, **outside) as place:
            signed = place.rig.memory.clock.read().now
            wallet.carry(document(validity=Validity(signed, signed, signed + DAY)))
            event = await wallet.tap(place)
            assert event is not None
            assert event.reason is Reason.GRANTED

    async def test_nobody_is_let_in_by_what_cannot_be_written_down(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def full(*_: object) -> None:
            raise Unusable("the card is full")

        with monkeypatch.context() as patch:
            patch.setattr(place.rig.memory.journal, "keep_all", full)
            assert (await refused(place, Wallet(ALICE, document())))[0] is Reason.JOURNAL
        event = await Wallet(ALICE, document()).tap(place)
        assert event is not None
        assert event.reason is Reason.GRANTED

    async def test_nothing_of_it_is_readable(
        self, tmp_path: Path, office: Office, outside: Outside
    ) -> None:
        async with started(tmp_path, office, **outside) as place:
            await Wallet(ALICE, document()).tap(place)
        memory = open_memory(tmp_path, LoopTime())
        sealed = memory.journal.note("documents", bytes)
        assert memory.journal.note(NOTE, bytes) is not None
        assert not Remembered(SealedNotes(KEYS, memory.journal)).is_lost
        memory.close()
        assert sealed is not None
        assert ALICE.public.x not in sealed


async def test_without_trusted_time_no_document_opens(
    tmp_path: Path, office: Office, outside: Outside
) -> None:
    wallet = Wallet(ALICE, document())
    async with started(tmp_path, office, **outside) as place:
        await wallet.tap(place)
    office.edit([replace(CALENDAR, until=NOW - 1)])
    async with started(tmp_path, office, **outside) as place:
        assert (await refused(place, wallet))[0] is Reason.CLOCK
