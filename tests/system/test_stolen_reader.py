"""A reader was taken away, keys, plan and all: what it is worth until its certificates end.

It can go on to be itself: wallets and phones of its site that come near answer it, and it learns
whose they are, as it did before. It is nobody at another site or after the end, makes nobody else
certified, and what it hears opens no other door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.compiler.certificates import certificates_row
from controller.compiler.offsets import window_end
from controller.reader_issuer import ReaderIssuer, SiteIssuer
from controller.store.tables import Door, Reader, Site
from reader.certificates import Certificates, Shown
from reader.wallets import aliro_key
from shared.access.rows import ReaderCertificates
from shared.credential.aliro.certificate import ReaderCertificate as AliroReaderCertificate
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.holder import UserDevice
from shared.credential.aliro.identity import Certified, ReaderIdentity
from shared.credential.apdu import SW, ResponseAPDU
from shared.credential.card import Card
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import PublicKey
from shared.credential.pkoc.reader_certificate import Issuers
from shared.credential.pkoc.reader_certificate import ReaderCertificate as PkocReaderCertificate
from tests.reader.keys import ENROLMENT, KEYS, LOCATION, SITE
from tests.shared.credential.aliro import ends
from tests.shared.credential.keys import key

ISSUER = ReaderIssuer(key("the installation"))
HOME, ANNEXE = ISSUER.of(b"the main site..."), ISSUER.of(b"the other site..")


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


SUMMER, LAST_DAY, AFTER = at(2025, 6, 2), at(2026, 12, 31), at(2027, 1, 2)


def row(year: int = 2025) -> ReaderCertificates:
    """What the reader had in its plan in that year."""
    reader = Reader(
        pkoc_site=SITE,
        pkoc_location=LOCATION,
        pkoc_key=KEYS.pkoc.public.point,
        aliro_key=aliro_key(KEYS.pkoc).public.point,
    )
    until = window_end(at(year, 1, 1)) * 1000
    site = Site(wallet_group=HOME.group, offsets_until=until)
    return certificates_row(
        ISSUER, site, Door(methods=["aliro-nfc"], reader_certificate=True), reader
    )


def stolen() -> Shown:
    return Certificates(ENROLMENT, KEYS).shown(row())


def as_wallet_door() -> ReaderIdentity:
    found = stolen().aliro
    assert found is not None
    return found


def wallet(now: int | None = SUMMER, site: SiteIssuer = HOME) -> UserDevice:
    """Alice's, which knows the doors of one site."""
    return ends.device(Credential(ends.ALICE, site.group, site.aliro.public), now=now)


def meets(identity: ReaderIdentity, phone: UserDevice) -> Outcome:
    return ends.Door(identity).tap(phone).outcome


def judged(certificate: bytes, when: int, location: bytes = LOCATION) -> PublicKey:
    """Which key a phone of the site takes the reader at `location` to have."""
    return Issuers({SITE: HOME.pkoc.public}).reader_key(certificate, SITE, location, at=when)


class Parrot(Card):
    """Says what another one has said."""

    def __init__(self, answers: Sequence[ResponseAPDU]) -> None:
        super().__init__([])
        self._answers = iter(answers)

    def receive(self, raw: bytes) -> bytes:
        return next(self._answers, ResponseAPDU(b"", SW.CONDITIONS_NOT_SATISFIED)).encode()


class TestWallets:
    def test_until_the_end_those_of_the_site_answer_it(self) -> None:
        for now in (SUMMER, LAST_DAY, None):  # a wallet without a clock knows no end
            outcome = meets(as_wallet_door(), wallet(now))
            assert isinstance(outcome, Proven)
            assert outcome.key == ends.ALICE.public.point

    def test_afterwards_they_do_not(self) -> None:
        assert isinstance(meets(as_wallet_door(), wallet(AFTER)), Refused)

    def test_those_of_another_site_never_do(self) -> None:
        assert isinstance(meets(as_wallet_door(), wallet(site=ANNEXE)), Refused)
        posing = replace(as_wallet_door(), group=ANNEXE.group)
        assert isinstance(meets(posing, wallet(site=ANNEXE)), Refused)

    def test_it_certifies_nobody(self) -> None:
        accomplice, own = key("accomplice"), as_wallet_door().key
        made = AliroReaderCertificate.issue(own, accomplice.public)
        posing = replace(as_wallet_door(), key=accomplice, certified=Certified(own.public, made))
        assert isinstance(meets(posing, wallet()), Refused)

    def test_as_another_door_it_is_met_anew_for_the_secrets_of_that_door_are_not_its(self) -> None:
        """Aliro's certificate names no door: the site's wallets answer it as any of them."""
        other = ends.Door(replace(as_wallet_door(), sub_group=b"another door...."))
        phone = wallet()
        other.tap(phone)
        assert other.tap(phone).names == ends.FAST
        thief = ends.Door(other.identity)
        assert thief.tap(phone).names[:4] == ["SELECT", "AUTH0", "LOAD CERT", "AUTH1"]

    def test_what_it_hears_opens_no_other_door(self) -> None:
        """Everything a wallet said to it, said again to a door that asks for itself."""
        phone = wallet()
        heard = ends.Door(as_wallet_door()).tap(phone)
        honest = key("the key of an honest reader")
        certificate = AliroReaderCertificate.issue(HOME.aliro, honest.public)
        certified = Certified(HOME.aliro.public, certificate)
        door = ends.Door(ReaderIdentity(HOME.group, b"an honest door..", honest, certified))
        assert isinstance(door.tap(Parrot(heard.answered)).outcome, Refused)


class TestPhones:
    def test_until_the_end_it_is_itself(self) -> None:
        found = stolen().certificate
        assert found is not None
        for now in (SUMMER, LAST_DAY):
            assert judged(found.encode(), now) == KEYS.pkoc.public
        with pytest.raises(RuleBroken) as caught:
            judged(found.encode(), AFTER)
        assert caught.value.reason is Reason.CERTIFICATE_EXPIRED

    def test_and_no_other_door(self) -> None:
        found = stolen().certificate
        assert found is not None
        with pytest.raises(RuleBroken) as caught:
            judged(found.encode(), SUMMER, location=b"another door....")
        assert caught.value.reason is Reason.BAD_CERTIFICATE
        moved = replace(found, location=b"another door....")
        with pytest.raises(RuleBroken) as caught:
            judged(moved.encode(), SUMMER, location=b"another door....")
        assert caught.value.reason is Reason.BAD_CERTIFICATE

    def test_it_certifies_nobody(self) -> None:
        for own in (KEYS.pkoc, KEYS.identity, aliro_key(KEYS.pkoc)):
            made = PkocReaderCertificate.issue(
                own, site=SITE, location=LOCATION, key=key("accomplice").public
            )
            with pytest.raises(RuleBroken):
                judged(made.encode(), SUMMER)


def test_a_plan_of_the_year_after_would_have_renewed_it() -> None:
    """A thief stops hearing from the controller: what he has is all he gets."""
    renewed = row(2026).pkoc
    assert renewed is not None
    assert judged(renewed.certificate, AFTER) == KEYS.pkoc.public
