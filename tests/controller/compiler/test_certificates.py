"""What a plan's certificates say, of whom, for how long, and for whom they are good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.compiler.certificates import certificates_row
from controller.compiler.offsets import certificate_dates, window_end
from controller.reader_issuer import ReaderIssuer
from controller.store.tables import Door, Reader, Site
from shared.access.rows import ReaderCertificates, encode_row
from shared.credential.aliro.certificate import ReaderCertificate as AliroReaderCertificate
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PublicKey
from shared.credential.pkoc.reader_certificate import Issuers
from tests.controller.keys import point, private_key

ISSUER = ReaderIssuer(private_key(9))
GROUP, ANNEXE = b"group of doors 1", b"group of doors 2"
PKOC_SITE, LOCATION = b"pkoc site ident.", b"location of door"
PKOC_KEY, ALIRO_KEY = point(1), point(2)


def seconds(year: int, month: int = 6, day: int = 2) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def row(year: int = 2025, group: bytes = GROUP, **more: Any) -> ReaderCertificates:
    site = Site(wallet_group=group, offsets_until=window_end(seconds(year)) * 1000)
    door = Door(
        methods=more.get("methods", ["aliro-nfc"]), reader_certificate=more.get("shows", True)
    )
    reader = Reader(
        pkoc_site=PKOC_SITE,
        pkoc_location=LOCATION,
        pkoc_key=more.get("pkoc_key", PKOC_KEY),
        aliro_key=more.get("aliro_key", ALIRO_KEY),
    )
    return certificates_row(ISSUER, site, door, reader)


def aliro_key(found: ReaderCertificates, group: bytes, at: datetime) -> PublicKey:
    """What a wallet of `group` makes of it. Raises `RuleBroken`."""
    assert found.aliro is not None
    certificate = AliroReaderCertificate.decode(found.aliro.certificate)
    certificate.check(ISSUER.of(group).aliro.public, at=int(at.timestamp()))
    return certificate.key


def pkoc_key(found: ReaderCertificates, group: bytes, at: datetime, site: bytes = PKOC_SITE) -> Any:
    """What a phone of that site makes of it. Raises `RuleBroken`."""
    assert found.pkoc is not None
    issuers = Issuers({site: ISSUER.of(group).pkoc.public})
    return issuers.reader_key(found.pkoc.certificate, site, LOCATION, at=int(at.timestamp()))


SUMMER = datetime(2025, 6, 2, tzinfo=UTC)


def test_wallets_and_phones_of_the_site_believe_it() -> None:
    found = row()
    assert found.aliro is not None
    assert found.pkoc is not None
    keys = ISSUER.of(GROUP)
    assert (found.aliro.group, found.aliro.issuer) == (GROUP, keys.aliro.public.point)
    assert found.pkoc.issuer == keys.pkoc.public.point
    assert aliro_key(found, GROUP, SUMMER).point == ALIRO_KEY
    assert pkoc_key(found, GROUP, SUMMER).point == PKOC_KEY


@pytest.mark.parametrize("judge", [aliro_key, pkoc_key])
def test_those_of_another_site_do_not(judge: Any) -> None:
    with pytest.raises(RuleBroken):
        judge(row(), ANNEXE, SUMMER)


def test_one_issuer_does_not_speak_for_the_other() -> None:
    found, keys = row(), ISSUER.of(GROUP)
    assert found.aliro is not None
    with pytest.raises(RuleBroken):
        AliroReaderCertificate.decode(found.aliro.certificate).check(keys.pkoc.public, at=None)


@pytest.mark.parametrize("judge", [aliro_key, pkoc_key])
def test_it_is_good_from_last_year_to_the_end_of_the_next(judge: Any) -> None:
    for good in (datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)):
        assert judge(row(), GROUP, good)
    for bad in (datetime(2023, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)):
        with pytest.raises(RuleBroken):
            judge(row(), GROUP, bad)


def test_the_same_again_has_the_same_bytes_and_a_renewed_one_has_not() -> None:
    assert encode_row(row(2025)) == encode_row(row(2025))
    old, new = row(2025), row(2026)
    assert old.aliro != new.aliro
    assert old.pkoc != new.pkoc
    numbers = [AliroReaderCertificate.decode(each.aliro.certificate).serial for each in (old, new)]  # type: ignore[union-attr]
    assert numbers[0] != numbers[1]


def test_dates_stay_within_what_a_certificate_can_say() -> None:
    for year in (2025, 2046, 2047, 2048, 2049, 2060):
        first, last = certificate_dates(window_end(seconds(year)))
        assert first <= last <= seconds(2050, 1, 1) - 1
        assert row(year)


def test_only_what_the_door_needs_is_there() -> None:
    assert not row(methods=["pkoc-nfc"], shows=False)
    assert (row(shows=False).pkoc, row(methods=["pkoc-nfc"]).aliro) == (None, None)


@pytest.mark.parametrize("missing", ["aliro_key", "pkoc_key"])
def test_a_reader_that_has_not_said_its_keys_gets_none(missing: str) -> None:
    nothing: dict[str, Any] = {missing: None}
    assert not row(**nothing)
