"""Whose documents count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.documents.issuers import Issuers, issuer_id, key_id
from shared.credential.aliro.documents.messages import IssuerAuth
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from tests.shared.credential.aliro.documents.certificates import (
    certificate,
    usage,
    with_empty_key,
    with_raw_signature,
)
from tests.shared.credential.aliro.documents.ends import (
    AUTHORITY,
    CERTIFIED_ISSUER,
    ISSUER,
    ISSUERS,
    NOW,
    VALIDITY,
    flips,
)
from tests.shared.credential.keys import QUICK, key


def said(named: bytes | None = None, der: bytes | None = None) -> IssuerAuth:
    return IssuerAuth(named, der, b"", bytes(64))


def refusal(auth: IssuerAuth, issuers: Issuers = ISSUERS) -> Reason:
    with pytest.raises(RuleBroken) as broken:
        issuers.signer(auth)
    return broken.value.reason


class TestByKeyId:
    def test_known(self) -> None:
        signer = ISSUERS.signer(said(key_id(ISSUER.public)))
        assert (signer.key, signer.anchor) == (ISSUER.public, issuer_id(ISSUER.public))
        assert signer.check_dates(VALIDITY, NOW) is VALIDITY

    def test_nobody_or_unknown(self) -> None:
        assert refusal(said()) is Reason.UNKNOWN_ISSUER
        assert refusal(said(bytes(8))) is Reason.UNKNOWN_ISSUER
        assert refusal(said(key_id(AUTHORITY.public))) is Reason.UNKNOWN_ISSUER

    def test_each_issuer_once(self) -> None:
        with pytest.raises(ValueError, match="key id"):
            Issuers([ISSUER.public, ISSUER.public])

    def test_trusted(self) -> None:
        assert ISSUERS.trusts(issuer_id(ISSUER.public))
        assert ISSUERS.trusts(issuer_id(AUTHORITY.public))
        assert not ISSUERS.trusts(issuer_id(CERTIFIED_ISSUER.public))


class TestByCertificate:
    @pytest.mark.parametrize("named", [None, key_id(CERTIFIED_ISSUER.public)])
    def test_certified(self, named: bytes | None) -> None:
        signer = ISSUERS.signer(said(named, certificate()))
        assert signer.key == CERTIFIED_ISSUER.public
        assert signer.anchor == issuer_id(AUTHORITY.public)

    def test_the_key_id_has_to_be_of_the_same_key(self) -> None:
        for named in (bytes(8), key_id(ISSUER.public), key_id(AUTHORITY.public)):
            assert refusal(said(named, certificate())) is Reason.UNKNOWN_ISSUER

    def test_a_certificate_of_a_stranger_is_not_saved_by_a_key_id(self) -> None:
        strange = certificate(ISSUER.public.native, key("another authority"))
        assert refusal(said(key_id(ISSUER.public), strange)) is Reason.UNKNOWN_ISSUER

    def test_no_authority(self) -> None:
        assert refusal(said(None, certificate()), Issuers()) is Reason.UNKNOWN_ISSUER

    def test_an_issuer_certifies_nobody(self) -> None:
        by_issuer = certificate(authority=ISSUER)
        assert refusal(said(None, by_issuer)) is Reason.UNKNOWN_ISSUER

    def test_raw_signature(self) -> None:
        signer = ISSUERS.signer(said(None, with_raw_signature(certificate())))
        assert signer.key == CERTIFIED_ISSUER.public
        strange = with_raw_signature(certificate(authority=key("another authority")))
        assert refusal(said(None, strange)) is Reason.UNKNOWN_ISSUER

    def test_another_hash(self) -> None:
        weak = certificate(digest=hashes.SHA384())
        assert refusal(said(None, weak)) is Reason.UNKNOWN_ISSUER

    @pytest.mark.parametrize(
        "spoilt",
        [
            b"\0",
            certificate()[:-1],
            certificate() + b"\0",
            with_empty_key(certificate()),
            certificate(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()),
            certificate(ec.derive_private_key(5, ec.SECP384R1()).public_key()),
            certificate(extensions=[(usage(signs=False), True)]),
            certificate(extensions=[(x509.InhibitAnyPolicy(0), True)]),
        ],
    )
    def test_bad(self, spoilt: bytes) -> None:
        assert refusal(said(None, spoilt)) is Reason.BAD_CERTIFICATE

    def test_extensions_that_are_understood(self) -> None:
        extensions = [
            (usage(signs=True), True),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.InhibitAnyPolicy(0), False),
        ]
        assert ISSUERS.signer(said(None, certificate(extensions=extensions))).certificate

    @pytest.mark.parametrize(
        ("signed", "now", "good"),
        [
            (NOW - 100, NOW, True),
            (NOW - 100, None, True),  # no clock: its dates bind the signature alone
            (NOW - 101, NOW, False),
            (NOW - 101, None, False),
            (NOW + 101, NOW, False),
            (NOW, NOW + 100, True),
            (NOW, NOW + 101, False),
        ],
    )
    def test_dates(self, signed: int, now: int | None, good: bool) -> None:
        """Of the certificate; those of the document are not looked at here."""
        signer = ISSUERS.signer(said(None, certificate(since=NOW - 100, until=NOW + 100)))
        validity = replace(VALIDITY, signed=signed)
        if good:
            assert signer.check_dates(validity, now).valid_until == NOW + 100
            short = replace(validity, valid_until=NOW + 50)
            assert signer.check_dates(short, now).valid_until == NOW + 50
        else:
            with pytest.raises(RuleBroken) as broken:
                signer.check_dates(validity, now)
            assert broken.value.reason is Reason.CERTIFICATE_EXPIRED

    @pytest.mark.filterwarnings("ignore")  # of the library, about what flips make of certificates
    def test_flips(self) -> None:
        for spoilt in flips(certificate(extensions=[(usage(signs=True), True)]), 1):
            with pytest.raises(RuleBroken):
                ISSUERS.signer(said(None, spoilt))

    @QUICK
    @given(st.binary(min_size=1, max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        assert refusal(said(None, data)) is Reason.BAD_CERTIFICATE
