"""A reader shows phones the certificates of its plan, if they are its own and genuine."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from reader.certificates import Certificates
from reader.wallets import aliro_key
from shared.access.decide import Reason
from shared.access.rows import (
    AliroCertificate,
    Method,
    PkocCertificate,
    ReaderCertificates,
)
from shared.credential.card import Card
from shared.credential.outcome import Reason as ProofReason
from shared.credential.pkoc.ble_holder import Hint
from shared.credential.pkoc.ble_messages import Status
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.pkoc.reader_certificate import Issuers
from tests.reader.keys import (
    ENROLMENT,
    GROUP,
    KEYS,
    LOCATION,
    PHONE_ISSUER,
    SITE,
    WALLET_ISSUER,
)
from tests.reader.office import DOOR, FRAME, Office, for_phones, for_wallets, grant_of
from tests.reader.people import Cards, CardTag, PhoneLink, Phones
from tests.reader.place import ALICE, BOB, Place
from tests.reader.rig import running
from tests.shared.credential.keys import key

OTHER = key("another")
WALLETS, PHONES = for_wallets(), for_phones()


def broken(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


BAD_ALIRO = {
    "another reader's": for_wallets(reader=OTHER),
    "of an issuer other than beside it": replace(WALLETS, issuer=OTHER.public.point),
    "beside no issuer": replace(WALLETS, issuer=bytes(65)),
    "damaged": replace(WALLETS, certificate=broken(WALLETS.certificate)),
    "cut short": replace(WALLETS, certificate=WALLETS.certificate[:-1]),
    "nonsense": replace(WALLETS, certificate=b"nonsense"),
}
BAD_PKOC = {
    "another reader's key": for_phones(key=OTHER),
    "another reader's place": for_phones(location=bytes(16)),
    "of an issuer other than beside it": replace(PHONES, issuer=OTHER.public.point),
    "beside no issuer": replace(PHONES, issuer=bytes(65)),
    "damaged": replace(PHONES, certificate=broken(PHONES.certificate)),
    "nonsense": replace(PHONES, certificate=bytes(138)),
}


@pytest.fixture
def certificates() -> Certificates:
    return Certificates(ENROLMENT, KEYS)


def test_it_is_part_of_the_group_and_its_location_is_the_sub_group(
    certificates: Certificates,
) -> None:
    shown = certificates.shown(ReaderCertificates(WALLETS))
    assert shown.aliro is not None
    assert (shown.aliro.group, shown.aliro.sub_group) == (GROUP, LOCATION)
    assert shown.aliro.group_key == WALLET_ISSUER.public
    assert shown.aliro.key.public == aliro_key(KEYS.pkoc).public
    assert shown.certificate is None


def test_it_is_itself_to_phones_with_and_without_a_certificate(certificates: Certificates) -> None:
    plain, certified = (
        certificates.shown(row) for row in (ReaderCertificates(), ReaderCertificates(pkoc=PHONES))
    )
    assert (plain.aliro, plain.certificate, certified.aliro) == (None, None, None)
    assert plain.pkoc == certified.pkoc
    assert certified.certificate is not None
    assert certified.certificate.encode() == PHONES.certificate


def test_what_comes_to_nothing_else_is_left_out_of_own_keys(certificates: Certificates) -> None:
    own = certificates.shown(ReaderCertificates(WALLETS, PHONES)).own_keys
    ours = [
        WALLET_ISSUER,
        PHONE_ISSUER,
        KEYS.pkoc,
        KEYS.identity,
        aliro_key(KEYS.pkoc),
    ]
    assert all(each.public in own for each in ours)
    assert ENROLMENT.plan_key in own
    assert ENROLMENT.controller_key in own
    assert ALICE.public not in own
    assert WALLET_ISSUER.public not in certificates.shown(ReaderCertificates()).own_keys


@pytest.mark.parametrize("bad", BAD_ALIRO.values(), ids=BAD_ALIRO)
def test_a_bad_one_for_wallets_is_not_shown(
    certificates: Certificates, bad: AliroCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        shown = certificates.shown(ReaderCertificates(bad, PHONES))
    assert shown.aliro is None
    assert shown.certificate is not None
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "the plan's aliro certificate" in record.getMessage()
    assert "enrol this reader anew" in record.getMessage()


@pytest.mark.parametrize("bad", BAD_PKOC.values(), ids=BAD_PKOC)
def test_a_bad_one_for_phones_is_not_shown(
    certificates: Certificates, bad: PkocCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    shown = certificates.shown(ReaderCertificates(WALLETS, bad))
    assert shown.certificate is None
    assert shown.aliro is not None
    assert "the plan's pkoc certificate" in caplog.text


def test_a_good_one_after_a_bad_one_is_shown(certificates: Certificates) -> None:
    assert certificates.shown(ReaderCertificates(BAD_ALIRO["damaged"])).aliro is None
    assert certificates.shown(ReaderCertificates(WALLETS)).aliro is not None
    assert certificates.shown(ReaderCertificates()).aliro is None


# At a door

BOTH = replace(DOOR, methods=(Method.ALIRO_NFC, Method.PKOC_NFC, Method.PKOC_BLE_ECDHE))


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    phones, cards = Phones(), Cards()
    office = Office([*FRAME, BOTH, grant_of(ALICE.public, 1), grant_of(BOB.public, 2)])
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        await rig.wait()
        yield Place(rig, office, phones, cards)


async def selected(place: Place) -> list[bytes]:
    """Which applications a PKOC card is asked for, until it opens."""
    card, asked = Card([PkocApplication(ALICE)]), list[bytes]()

    def receive(raw: bytes) -> bytes:
        asked.extend([raw[5:-1]] if raw[1] == 0xA4 else [])
        return card.receive(raw)

    tag = CardTag(ALICE, answers=receive)
    place.cards.bring(tag)
    await tag.released.wait()
    assert place.rig.is_released()
    return asked


@pytest.mark.parametrize("bad", [None, BAD_ALIRO["another reader's"], BAD_ALIRO["damaged"]])
async def test_without_a_good_one_no_wallet_is_asked_and_the_rest_works(
    place: Place, bad: AliroCertificate | None, caplog: pytest.LogCaptureFixture
) -> None:
    if bad is not None:
        await place.edit(ReaderCertificates(bad, BAD_PKOC["damaged"]))
    assert len(await selected(place)) == 1
    assert "wallets are not asked until the controller sends one" in caplog.text
    assert await place.phone(BOB) is Status.GRANTED
    await place.edit(ReaderCertificates(WALLETS))
    assert len(await selected(place)) == 2


async def test_an_issuer_is_nobody_at_the_door(place: Place) -> None:
    await place.edit(ReaderCertificates(WALLETS, PHONES), grant_of(PHONE_ISSUER.public, 3))
    assert not await place.card(PHONE_ISSUER)
    assert (await place.only()).reason is Reason.BAD_PROOF


async def test_phones_see_the_certificate_where_the_door_shows_one(place: Place) -> None:
    """To a phone that trusts another issuer a certificate is one of nobody it knows."""
    for issuer, seen in ((PHONE_ISSUER, Status.GRANTED), (OTHER, ProofReason.BAD_CERTIFICATE)):
        link = PhoneLink()
        place.phones.bring(link)
        await place.edit(ReaderCertificates(pkoc=PHONES))
        ending = await link.tap(ALICE, issuers=Issuers({SITE: issuer.public}))
        assert (ending.status if isinstance(ending, Hint) else ending.reason) is seen
    await place.edit(ReaderCertificates())
    link = PhoneLink()
    place.phones.bring(link)
    ending = await link.tap(ALICE, issuers=Issuers({SITE: OTHER.public}))
    assert ending == Hint(Status.GRANTED)
