"""Certificates of PKOC cards: made, read, validated, and taken apart by anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.pkoc.cvc import UUID_EXTENSION, Certificate, Claims
from shared.credential.pkoc.suppliers import RsaKey, Suppliers
from shared.credential.tlv import encode, parse
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

SUPPLIER = key("supplier")
IIR = "01000TESTISSUER1"
TODAY = date(2026, 11, 22)
CLAIMS = Claims(
    profile=b"\0",
    issuer=IIR.encode(),
    subject=b"CARD000000000001",
    point=key("card").public.point,
    effective=date(2026, 1, 1),
    expires=date(2035, 12, 31),
    extensions=((UUID_EXTENSION, bytes(range(16))),),
)
CERTIFICATE = Certificate.issue(CLAIMS, SUPPLIER)
SUPPLIERS = Suppliers({IIR: SUPPLIER.public})


def validated(certificate: Certificate, suppliers: Suppliers = SUPPLIERS) -> str | Reason:
    try:
        return certificate.validate(suppliers, today=TODAY, dates=True)
    except RuleBroken as broken:
        return broken.reason


def decoded(data: bytes) -> Reason:
    with pytest.raises(RuleBroken) as caught:
        Certificate.decode(data)
    return caught.value.reason


def body(*objects: bytes) -> bytes:
    """A certificate with these objects in its body, signed by the supplier."""
    signed = encode(0x7F4E, b"".join(objects))
    return encode(0x7F21, signed + encode(0x5F37, SUPPLIER.sign(signed)))


OBJECTS = tuple(encode(tag, value) for tag, value in parse(parse(CLAIMS.encode())[0].value))


class TestReading:
    def test_what_is_issued_is_read(self) -> None:
        assert Certificate.decode(CERTIFICATE.encode()) == CERTIFICATE

    def test_without_extensions(self) -> None:
        plain = Certificate.issue(replace(CLAIMS, extensions=()), SUPPLIER)
        assert len(plain.encode()) == 214
        assert Certificate.decode(plain.encode()) == plain

    def test_the_wrapper_may_be_missing(self) -> None:
        inner = parse(CERTIFICATE.encode())[0].value
        assert Certificate.decode(inner) == CERTIFICATE

    def test_any_order_and_unknown_fields(self) -> None:
        mixed = Certificate.decode(body(*OBJECTS[::-1], encode(0x5F50, b"https://...")))
        assert mixed.claims == CLAIMS
        assert validated(mixed) == IIR

    def test_an_extension_of_another_kind_is_passed_over(self) -> None:
        extensions = encode(0x65, encode(0x53, b"what?") + encode(0x73, b"\x06\x01\x2a\x53\x00"))
        found = Certificate.decode(body(*OBJECTS[:-1], extensions)).claims.extensions
        assert found == ((b"\x2a", b""),)

    @pytest.mark.parametrize("at", range(len(OBJECTS) - 1))
    def test_every_field_but_the_last_must_be_there_and_once(self, at: int) -> None:
        assert decoded(body(*OBJECTS[:at], *OBJECTS[at + 1 :])) is Reason.MALFORMED
        assert decoded(body(*OBJECTS, OBJECTS[at])) is Reason.MALFORMED

    @pytest.mark.parametrize(
        ("tag", "value", "reason"),
        [
            (0x7F49, "06052B81040022 8600", Reason.BAD_CERTIFICATE),  # P-384
            (0x7F49, "06082A8648CE3D030107", Reason.MALFORMED),
            (0x7F49, "8600", Reason.MALFORMED),
            (0x7F49, "06082A8648CE3D030107 8602 0400", Reason.WRONG_LENGTH),
            (0x5F24, "0206010101", Reason.WRONG_LENGTH),
            (0x5F24, "02060101010A", Reason.MALFORMED),
            (0x5F24, "020601010302", Reason.MALFORMED),  # November the 32nd
            (0x5F25, "020600000000", Reason.MALFORMED),
            (0x65, "7300", Reason.MALFORMED),
            (0x65, "73", Reason.MALFORMED),
        ],
    )
    def test_a_field_that_is_wrong(self, tag: int, value: str, reason: Reason) -> None:
        kept = [each for each in OBJECTS if parse(each)[0].tag != tag]
        assert decoded(body(*kept, encode(tag, bytes.fromhex(value)))) is reason

    def test_byte_by_byte_and_trailing(self) -> None:
        feed_prefixes(Certificate.decode, CERTIFICATE.encode())
        feed_trailing(Certificate.decode, CERTIFICATE.encode())

    @QUICK
    @given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: encode(0x7F21, data)))
    def test_any_bytes(self, data: bytes) -> None:
        attempt(Certificate.decode, data)

    def test_nothing_in_it_is_shown(self) -> None:
        assert "CARD" in repr(CERTIFICATE)
        assert CERTIFICATE.signature.hex()[:8] not in repr(CERTIFICATE)
        assert key("card").public.x.hex()[:8] not in repr(CERTIFICATE)


class TestValidating:
    def test_by_its_supplier(self) -> None:
        assert validated(CERTIFICATE) == IIR

    def test_one_of_several_suppliers(self) -> None:
        both = Suppliers({"02000OTHERCORP01": key("other").public, IIR: SUPPLIER.public})
        assert validated(CERTIFICATE, both) == IIR

    def test_a_supplier_that_is_not_set_up(self) -> None:
        other = Suppliers({"02000OTHERCORP01": SUPPLIER.public})
        assert validated(CERTIFICATE, other) is Reason.UNKNOWN_ISSUER
        assert validated(CERTIFICATE, Suppliers({})) is Reason.UNKNOWN_ISSUER

    def test_signed_by_somebody_else(self) -> None:
        forged = Certificate.issue(CLAIMS, key("mallory"))
        assert validated(forged) is Reason.BAD_CERTIFICATE

    @QUICK
    @given(st.integers(0, 8 * len(CERTIFICATE.encode()) - 1))
    def test_no_bit_can_be_flipped(self, bit: int) -> None:
        data = bytearray(CERTIFICATE.encode())
        data[bit // 8] ^= 1 << bit % 8
        read = attempt(Certificate.decode, bytes(data))
        assert read is None or isinstance(validated(read), Reason)

    @pytest.mark.parametrize(
        "claims",
        [
            replace(CLAIMS, profile=b"\1"),
            replace(CLAIMS, profile=b""),
            replace(CLAIMS, issuer=b"01000testissuer1"),
            replace(CLAIMS, issuer=IIR.encode() + b"1"),
            replace(CLAIMS, issuer=b"\xff" * 16),
        ],
    )
    def test_another_profile(self, claims: Claims) -> None:
        certificate = Certificate.decode(Certificate.issue(claims, SUPPLIER).encode())
        assert validated(certificate) is Reason.BAD_CERTIFICATE

    @pytest.mark.parametrize(
        ("today", "good"),
        [
            (date(2025, 12, 31), False),
            (date(2026, 1, 1), True),
            (date(2035, 12, 31), True),
            (date(2036, 1, 1), False),
        ],
    )
    def test_both_days_are_included(self, today: date, *, good: bool) -> None:
        if good:
            assert CERTIFICATE.validate(SUPPLIERS, today=today, dates=True) == IIR
            return
        with pytest.raises(RuleBroken) as caught:
            CERTIFICATE.validate(SUPPLIERS, today=today, dates=True)
        assert caught.value.reason is Reason.CERTIFICATE_EXPIRED
        assert CERTIFICATE.validate(SUPPLIERS, today=today, dates=False) == IIR

    def test_without_a_clock_dates_cannot_be_checked(self) -> None:
        with pytest.raises(RuleBroken) as caught:
            CERTIFICATE.validate(SUPPLIERS, today=None, dates=True)
        assert caught.value.reason is Reason.NO_CLOCK
        assert CERTIFICATE.validate(SUPPLIERS, today=None, dates=False) == IIR


class TestSuppliers:
    @pytest.mark.parametrize("reference", ["", "01000TESTISSUER", "01000testissuer1", "ä" * 16])
    def test_a_reference_is_sixteen_capitals_and_digits(self, reference: str) -> None:
        with pytest.raises(ValueError, match="16 of A-Z and 0-9"):
            Suppliers({reference: SUPPLIER.public})

    def test_an_rsa_supplier(self) -> None:
        native = rsa.generate_private_key(65537, 2048)
        signed = CLAIMS.encode()
        signature = native.sign(signed, PKCS1v15(), SHA256())
        certificate = Certificate.decode(Certificate(CLAIMS, signed, signature).encode())
        suppliers = Suppliers({IIR: RsaKey(native.public_key())})
        assert validated(certificate, suppliers) == IIR
        assert repr(RsaKey(native.public_key())) == "RsaKey(2048 bits)"
        assert validated(replace(certificate, signature=b"\1" * 256), suppliers) is (
            Reason.BAD_CERTIFICATE
        )
        assert validated(CERTIFICATE, suppliers) is Reason.BAD_CERTIFICATE

    def test_a_short_rsa_key_is_not_taken(self) -> None:
        with pytest.raises(ValueError, match="1024 bits"):
            RsaKey(rsa.generate_private_key(65537, 1024).public_key())  # noqa: S505

    def test_no_suppliers_is_nothing(self) -> None:
        assert not Suppliers({})
        assert SUPPLIERS
