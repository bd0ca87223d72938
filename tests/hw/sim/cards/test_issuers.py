"""Suppliers and authorities in their files, and what their cards are worth at a door."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hw.sim.cards import issuers
from hw.sim.cards.held import Pkoc, new_p256, new_rsa
from hw.sim.cards.issuers import Authority, Supplier
from hw.sim.private_file import PrivateFileError
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.pkoc.provisioning import SupplierCode
from shared.credential.pkoc.suppliers import Suppliers

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = NOW.date()


def trust(authority: Authority, *lists: str) -> Authorities:
    return Authorities(
        [authority.certificate],
        revocations=[x509.load_pem_x509_crl(each.encode()) for each in lists],
    )


def test_a_supplier_vouches_for_its_cards_until_the_last_day() -> None:
    supplier = issuers.new_supplier()
    code = SupplierCode.decode(supplier.code)
    trusted = Suppliers({code.reference: code.key})
    card = supplier.issue(TODAY, days=30)
    assert card.certified is not None
    certificate = card.certified.certificate
    assert certificate.claims.point == card.certified.key.public.point != card.key.public.point
    for today in (TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=30)):
        assert certificate.validate(trusted, today=today, dates=True) == supplier.reference
    with pytest.raises(RuleBroken) as late:
        certificate.validate(trusted, today=TODAY + timedelta(days=31), dates=True)
    assert late.value.reason is Reason.CERTIFICATE_EXPIRED
    with pytest.raises(RuleBroken) as foreign:
        certificate.validate(Suppliers({}), today=TODAY, dates=True)
    assert foreign.value.reason is Reason.UNKNOWN_ISSUER


def test_a_year_of_two_digits_ends_the_century() -> None:
    card = issuers.new_supplier().issue(TODAY, days=36_500)
    assert card.certified is not None
    assert card.certified.certificate.claims.expires == date(2099, 12, 31)


@pytest.mark.parametrize("reference", ["", "short", "01000testissuer1", "01000TESTISSUER12"])
def test_a_reference_that_is_none(reference: str) -> None:
    with pytest.raises(ValueError, match="16 capital letters and digits"):
        issuers.new_supplier(reference)


def test_an_authority_vouches_until_it_takes_back() -> None:
    authority = issuers.new_authority("Example staff", NOW)
    ada, ben = (authority.issue(who, new_p256(), NOW, 30) for who in ("Ada", "Ben"))
    revoked = authority.without(ben)
    lists = revoked.revocation_list(NOW, 30)
    trusted = trust(authority, lists)
    kept, gone = (x509.load_der_x509_certificate(each.certificate) for each in (ada, ben))
    assert trusted.check(kept, Clock(NOW)) == "CN=Example staff"
    with pytest.raises(RuleBroken) as refused:
        trusted.check(gone, Clock(NOW))
    assert refused.value.reason is Reason.CERTIFICATE_REVOKED
    assert trust(authority).check(gone, Clock(NOW)) == "CN=Example staff"


def test_nobody_takes_back_what_another_has_issued() -> None:
    one, other = (issuers.new_authority(name, NOW) for name in ("One", "Other"))
    with pytest.raises(ValueError, match="Other has not issued"):
        other.without(one.issue("Ada", new_rsa(), NOW, 30))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "issuer.json"
    supplier = issuers.new_supplier("01000TESTISSUER1")
    issuers.save(path, supplier)
    found = issuers.load(path)
    assert isinstance(found, Supplier)
    assert found.code == supplier.code
    authority = issuers.new_authority("Example", NOW)
    authority = authority.without(authority.issue("Ada", new_p256(), NOW, 1))
    issuers.save(path, authority)
    again = issuers.load(path)
    assert isinstance(again, Authority)
    assert (again.name, again.pem, again.revoked) == ("Example", authority.pem, authority.revoked)
    assert again.key.secret_bytes() == authority.key.secret_bytes()


def test_a_file_is_nobody_elses_and_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "issuer.json"
    issuers.create(path, issuers.new_supplier())
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(PrivateFileError, match="not replaced"):
        issuers.create(path, issuers.new_supplier())
    assert path.read_bytes() == before
    path.chmod(0o644)
    with pytest.raises(PrivateFileError, match="chmod 600"):
        issuers.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 1, "supplier": {}}'],
)
def test_a_file_that_is_no_issuer(tmp_path: Path, text: str) -> None:
    path = tmp_path / "issuer.json"
    with pytest.raises(PrivateFileError, match="doorward-card supplier"):
        issuers.load(path)
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(PrivateFileError, match="no issuer of cards"):
        issuers.load(path)


def test_a_secret_stands_in_no_error_and_no_representation(tmp_path: Path) -> None:
    path = tmp_path / "issuer.json"
    supplier = issuers.new_supplier()
    issuers.save(path, supplier)
    secret = supplier.key.secret_bytes().hex()
    value = json.loads(path.read_text())
    value["supplier"]["secret"] += "zz"
    path.write_text(json.dumps(value))
    with pytest.raises(PrivateFileError) as damaged:
        issuers.load(path)
    assert secret not in str(damaged.value)
    assert secret not in repr(supplier)
    assert isinstance(supplier.issue(TODAY, 1), Pkoc)
