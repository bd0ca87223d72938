"""Cards of every standard at a door: in the door's order, one SELECT each, and none by the way."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from hw.ports import Signal
from reader.cache import NO_CERTIFICATES
from reader.certificates import Certificates
from reader.documents import Remembered
from reader.journal import open_journal
from reader.secret_notes import SealedNotes
from reader.standards import Standards, method_of
from reader.wallets import Wallets
from shared.access.decide import Knowledge, Reason
from shared.access.mode import Clock, Trust
from shared.access.rows import CardIssuers, Method, Supplier
from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.card_number import judge_uid
from shared.credential.identifier import of_uid
from shared.credential.outcome import Proven, Standard, Strength, Transport
from shared.credential.piv.keys import EccKey
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from tests.reader.clocks import NOW
from tests.reader.keys import ENROLMENT, KEYS
from tests.reader.office import DOOR, FRAME, Office, grant_of
from tests.reader.people import Cards, CardTag, Phones
from tests.reader.place import ALICE, BOB, Place
from tests.reader.rig import running
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import DAY, ECC, ROOT, Authority, card, rsa_key
from tests.shared.credential.pkoc.test_cvc import CLAIMS, IIR, SUPPLIER

PIV = card(ROOT.issue(ECC.native))
STAFF = EccKey(ECC.public).identifier
UID = bytes.fromhex("04A1B2C3D4E5F6")
BOTH = (Method.PKOC_NFC, Method.PIV_NFC)


@pytest.fixture
def office() -> Office:
    grants = [grant_of(ALICE.public, 1), grant_of(STAFF, 2), grant_of(of_uid(UID), 3)]
    return Office([*FRAME, *grants])


@pytest_asyncio.fixture
async def place(tmp_path: Path, office: Office) -> AsyncIterator[Place]:
    phones, cards = Phones(), Cards()
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        await rig.wait()
        yield Place(rig, office, phones, cards)


async def show(place: Place, tag: CardTag, *methods: Method) -> bool:
    """Hold a card to a door of these methods; return whether it opens."""
    await place.edit(replace(DOOR, methods=methods))
    place.cards.bring(tag)
    await tag.released.wait()
    return place.rig.is_released()


async def test_a_staff_card_opens_by_its_key(place: Place) -> None:
    assert await show(place, CardTag(ALICE, answers=PIV.receive), *BOTH)
    event = await place.only()
    assert (event.reason, event.method, event.person) == (Reason.GRANTED, Method.PIV_NFC, 1002)


async def test_a_staff_card_opens_as_nothing_else(place: Place) -> None:
    """It signs any hash, so whoever has it, revoked or not, can answer as a PKOC card."""
    bridge = CardTag(ALICE, answers=Card([PkocApplication(ECC)]).receive)
    assert not await show(place, bridge, *BOTH)
    event = await place.only()
    assert (event.reason, event.method) == (Reason.UNKNOWN, Method.PKOC_NFC)


async def test_a_staff_card_with_an_rsa_key_nobody_knows(place: Place) -> None:
    holder = rsa_key()
    one = card(ROOT.issue(holder), holder)
    assert not await show(place, CardTag(ALICE, answers=one.receive), *BOTH)
    event = await place.only()
    assert (event.reason, event.method) == (Reason.UNKNOWN, Method.PIV_NFC)


@pytest.mark.parametrize("methods", [BOTH, BOTH[::-1]])
async def test_the_order_is_the_doors(place: Place, methods: tuple[Method, ...]) -> None:
    asked: list[bytes] = []
    pkoc = Card([PkocApplication(ALICE)])

    def answer(raw: bytes) -> bytes:
        asked.append(CommandAPDU.decode(raw).data)
        return pkoc.receive(raw)

    assert await show(place, CardTag(ALICE, answers=answer), *methods)
    assert asked[0][:5].hex() == ("a000000898" if methods == BOTH else "a000000308")


async def test_a_card_that_is_none_of_them_is_no_attempt(place: Place) -> None:
    tag = CardTag(ALICE, answers=lambda _: bytes.fromhex("6A82"))
    assert not await show(place, tag, *BOTH)
    assert await place.accesses() == []
    assert place.shown() is Signal.IDLE


async def test_its_number_counts_only_where_the_door_says_so(place: Place) -> None:
    for iso_dep in (True, False):
        tag = CardTag(ALICE, uid=UID, iso_dep=iso_dep, answers=lambda _: bytes.fromhex("6A82"))
        assert not await show(place, tag, *BOTH)
    assert await place.accesses() == []
    tag = CardTag(ALICE, uid=UID, iso_dep=False)
    assert await show(place, tag, *BOTH, Method.CARD_NUMBER)
    event = await place.only()
    assert (event.method, event.person) == (Method.CARD_NUMBER, 1003)


async def test_a_card_that_proves_something_is_not_taken_by_its_number(place: Place) -> None:
    tag = CardTag(BOB, uid=UID)  # a good PKOC card that nobody knows, with a number that is known
    assert not await show(place, tag, Method.PKOC_NFC, Method.CARD_NUMBER)
    event = await place.only()
    assert (event.reason, event.method) == (Reason.UNKNOWN, Method.PKOC_NFC)


async def test_a_card_that_fails_is_not_taken_by_its_number(place: Place) -> None:
    tag = CardTag(ALICE, uid=UID, answers=lambda _: bytes.fromhex("6F00"))
    assert not await show(place, tag, Method.PKOC_NFC, Method.CARD_NUMBER)
    assert (await place.only()).reason is Reason.BAD_PROOF


async def test_a_number_alone(place: Place) -> None:
    assert await show(place, CardTag(ALICE, uid=UID), Method.CARD_NUMBER)


async def test_a_random_number_is_no_attempt(place: Place) -> None:
    tag = CardTag(ALICE, uid=bytes.fromhex("08112233"), iso_dep=False)
    assert not await show(place, tag, Method.CARD_NUMBER)
    assert await place.accesses() == []


async def test_a_door_without_nfc_asks_nothing(place: Place) -> None:
    tag = CardTag(ALICE)
    assert not await show(place, tag, Method.PKOC_BLE_ECDHE)
    assert tag.commands == 0
    assert await place.accesses() == []


def test_there_is_nothing_to_ask_where_no_standard_is_taken(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "journal.db")) as journal:
        documents = Remembered(SealedNotes(KEYS, journal))
        standards = Standards(Wallets(KEYS, journal), documents, lambda _: Knowledge())
    reader, clock = Certificates(ENROLMENT, KEYS).shown(NO_CERTIFICATES), Clock(0, Trust.UNKNOWN)
    for methods in ([], [Method.PKOC_BLE, Method.CARD_NUMBER], [Method.ALIRO_NFC]):
        assert standards.over_nfc(reader, methods, CardIssuers(), clock) is None


def test_every_method_is_known_by_what_was_proven() -> None:
    uid = judge_uid(UID)
    assert isinstance(uid, Proven)
    assert method_of(uid) is Method.CARD_NUMBER
    piv = Proven(b"", Standard.PIV, Transport.NFC, Strength.ONE_WAY, "CN=root")
    assert method_of(piv) is Method.PIV_NFC_VALIDATED
    strange = Proven(b"", Standard.CARD_NUMBER, Transport.BLE, Strength.MUTUAL)
    with pytest.raises(KeyError):
        method_of(strange)


# Cards whose issuer counts

CLAIMED = dataclasses.replace(CLAIMS, effective=date(2020, 1, 1))
CVC = Certified(key("card"), Certificate.issue(CLAIMED, SUPPLIER))
ISSUED = Card([PkocApplication(ALICE, certified=CVC)])
VALIDATED = (Method.PKOC_NFC_VALIDATED, Method.PIV_NFC_VALIDATED)
ISSUERS = CardIssuers(
    suppliers=(Supplier(IIR, SUPPLIER.public.point),),
    authorities=(ROOT.certificate.public_bytes(Encoding.DER),),
)


THEN = datetime.fromtimestamp(NOW, UTC)


class TestIssued:
    async def test_a_card_of_a_supplier_opens(self, place: Place) -> None:
        await place.edit(ISSUERS, grant_of(CVC.key.public, 4))
        assert await show(place, CardTag(ALICE, answers=ISSUED.receive), *VALIDATED)
        event = await place.only()
        assert (event.method, event.person) == (Method.PKOC_NFC_VALIDATED, 1004)

    async def test_a_good_certificate_alone_opens_nothing(self, place: Place) -> None:
        await place.edit(ISSUERS)
        assert not await show(place, CardTag(ALICE, answers=ISSUED.receive), *VALIDATED)
        event = await place.only()
        assert (event.reason, event.method) == (Reason.UNKNOWN, Method.PKOC_NFC_VALIDATED)

    async def test_a_supplier_that_is_not_in_the_plan(self, place: Place) -> None:
        await place.edit(grant_of(CVC.key.public, 4))
        assert not await show(place, CardTag(ALICE, answers=ISSUED.receive), *VALIDATED)
        event = await place.only()
        assert event.reason is Reason.BAD_PROOF
        assert (event.detail or "").startswith("unknown_issuer")

    async def test_a_card_without_certificate(self, place: Place) -> None:
        await place.edit(ISSUERS)
        assert not await show(place, CardTag(ALICE), *VALIDATED)
        event = await place.only()
        assert (event.detail or "").startswith("flow_not_allowed")

    async def test_unless_the_door_takes_both(self, place: Place) -> None:
        await place.edit(ISSUERS)
        assert await show(place, CardTag(ALICE), Method.PKOC_NFC, *VALIDATED)
        assert (await place.only()).method is Method.PKOC_NFC

    async def test_a_staff_card_of_an_authority_opens(self, place: Place) -> None:
        await place.edit(ISSUERS, grant_of(STAFF, 2))
        good = card(ROOT.issue(ECC.native, start=THEN - DAY, end=THEN + DAY))
        assert await show(place, CardTag(ALICE, answers=good.receive), *VALIDATED)
        assert (await place.only()).method is Method.PIV_NFC_VALIDATED

    async def test_a_staff_card_of_somebody_else(self, place: Place) -> None:
        await place.edit(ISSUERS, grant_of(STAFF, 2))
        other = card(Authority("another root").issue(ECC.native, start=THEN - DAY, end=THEN + DAY))
        assert not await show(place, CardTag(ALICE, answers=other.receive), *VALIDATED)
        assert ((await place.only()).detail or "").startswith("unknown_issuer")
        assert await show(place, CardTag(ALICE, answers=other.receive), Method.PIV_NFC)

    async def test_a_site_may_want_current_revocation_lists(self, place: Place) -> None:
        good = card(ROOT.issue(ECC.native, start=THEN - DAY, end=THEN + DAY))
        lists = [ROOT.revoke(until=until) for until in (THEN - DAY, THEN + DAY)]
        old, new = (each.public_bytes(Encoding.DER) for each in lists)
        strict = replace(ISSUERS, revocations_required=True)
        for revocations, opens in (((), False), ((old,), False), ((old, new), True)):
            await place.edit(replace(strict, revocations=revocations), grant_of(STAFF, 2))
            assert await show(place, CardTag(ALICE, answers=good.receive), *VALIDATED) is opens
        reasons = [event.detail and event.detail.split(":")[0] for event in await place.accesses()]
        assert reasons == ["revocation_unknown", "revocation_unknown", None]

    async def test_issuers_that_cannot_be_read_are_nobody(self, place: Place) -> None:
        for broken in (
            replace(ISSUERS, authorities=(b"no certificate",)),
            replace(ISSUERS, suppliers=(Supplier(IIR, bytes(65)),)),
            replace(ISSUERS, revocations=(b"no list",)),
        ):
            await place.edit(broken, grant_of(CVC.key.public, 4))
            assert not await show(place, CardTag(ALICE, answers=ISSUED.receive), *VALIDATED)
        assert {event.reason for event in await place.accesses()} == {Reason.BAD_PROOF}
