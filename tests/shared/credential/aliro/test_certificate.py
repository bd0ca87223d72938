"""The compressed certificate: written, read, expanded, checked; and everything that is none."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PublicKey
from shared.credential.tlv import Malformed, encode
from tests.shared.credential.aliro.vectors import Transcript
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

ISSUER = key("reader system issuer")
READER = key("reader")
PLAIN = ReaderCertificate.issue(ISSUER, READER.public)
START, END = 1_800_000_000, 1_900_000_000
FULL = ReaderCertificate.issue(
    ISSUER,
    READER.public,
    serial=2**159 - 1,
    issuer_name="i" * 32,
    subject_name="Türe 7",
    not_before=START,
    not_after=END,
)


def refusal(certificate: ReaderCertificate, at: int | None = None) -> Reason:
    with pytest.raises(RuleBroken) as caught:
        certificate.check(ISSUER.public, at=at)
    return caught.value.reason


@pytest.mark.parametrize("name", ["cert_1_load_cert_no_chaining", "cert_4_in_auth1_chaining"])
class TestVectors:
    def test_read_expanded_and_written_again(self, name: str) -> None:
        vector = Transcript(name)
        compressed = vector.hex("reader", "certificate_profile0000")
        certificate = ReaderCertificate.decode(compressed)
        assert certificate.encode() == compressed
        assert certificate.key == vector.public("reader", "public")
        assert certificate.x509(vector.group_key) == vector.hex("reader", "certificate_x509_der")
        certificate.check(vector.group_key, at=1_788_000_000)

    def test_issued_with_the_same_fields_it_says_the_same(self, name: str) -> None:
        vector = Transcript(name)
        given = ReaderCertificate.decode(vector.hex("reader", "certificate_profile0000"))
        issuer = vector.private("reader", "system_issuer")
        ours = ReaderCertificate.issue(
            issuer, given.key, serial=int.from_bytes(given.serial, "big")
        )
        ours = replace(ours, issuer=given.issuer, subject=given.subject)
        ours = replace(ours, not_before=given.not_before, not_after=given.not_after)
        assert ours.to_be_signed(issuer.public) == given.to_be_signed(issuer.public)


@pytest.mark.parametrize("certificate", [PLAIN, FULL])
def test_other_software_reads_and_verifies_what_we_expand(certificate: ReaderCertificate) -> None:
    expanded = x509.load_der_x509_certificate(certificate.x509(ISSUER.public))
    ISSUER.public.native.verify(
        expanded.signature, expanded.tbs_certificate_bytes, ec.ECDSA(_hash(expanded))
    )
    assert expanded.version is x509.Version.v3
    assert expanded.serial_number == int.from_bytes(certificate.serial, "big")
    constraints = expanded.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    usage = expanded.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign


def test_dates_are_those_given() -> None:
    expanded = x509.load_der_x509_certificate(FULL.x509(ISSUER.public))
    assert expanded.not_valid_before_utc == datetime.datetime.fromtimestamp(START, datetime.UTC)
    assert expanded.not_valid_after_utc == datetime.datetime.fromtimestamp(END, datetime.UTC)
    assert expanded.subject.rfc4514_string() == "CN=Türe 7"


def _hash(expanded: x509.Certificate) -> Any:
    found = expanded.signature_hash_algorithm
    assert found is not None
    return found


def test_defaults_are_left_out() -> None:
    assert len(PLAIN.encode()) == 10 + (2 + 66) + (2 + 1) + len(PLAIN.signature)
    assert b"issuer" not in PLAIN.encode()
    assert ReaderCertificate.decode(PLAIN.encode()) == PLAIN
    assert ReaderCertificate.decode(FULL.encode()) == FULL


class TestCheck:
    def test_good_for_its_issuer(self) -> None:
        PLAIN.check(ISSUER.public, at=START)
        FULL.check(ISSUER.public, at=None)

    @pytest.mark.parametrize(("at", "good"), [(START - 1, 0), (START, 1), (END, 1), (END + 1, 0)])
    def test_dates_count_where_there_is_a_clock(self, at: int, good: int) -> None:
        if good:
            FULL.check(ISSUER.public, at=at)
        else:
            assert refusal(FULL, at) is Reason.CERTIFICATE_EXPIRED

    def test_of_another_issuer(self) -> None:
        with pytest.raises(RuleBroken) as caught:
            PLAIN.check(READER.public, at=None)
        assert caught.value.reason is Reason.BAD_CERTIFICATE

    @pytest.mark.parametrize(
        "change",
        [
            {"key": key("other").public},
            {"serial": b"\2"},
            {"issuer": b"Issuer"},
            {"subject": b"Subject"},
            {"not_before": b"200101000001Z"},
            {"not_after": b"490101000001Z"},
            {"signature": FULL.signature},
            {"signature": b""},
            {"signature": bytes.fromhex("3006020101020101")},
            {"signature": b"\x30\x26\x02\x01\x01\x02\x21\x01" + bytes(32)},
        ],
    )
    def test_changed_in_anything(self, change: dict[str, Any]) -> None:
        assert refusal(replace(PLAIN, **change)) is Reason.BAD_CERTIFICATE


class TestForm:
    def test_three_ways(self) -> None:
        for certificate in (PLAIN, FULL):
            feed_prefixes(ReaderCertificate.decode, certificate.encode())
            feed_trailing(ReaderCertificate.decode, certificate.encode())

    @QUICK
    @given(st.binary(max_size=600))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(ReaderCertificate.decode, data)

    @QUICK
    @given(st.integers(0), st.integers(0, 255))
    def test_a_changed_byte_is_never_a_good_certificate(self, at: int, value: int) -> None:
        data = bytearray(FULL.encode())
        at %= len(data)
        if data[at] == value:
            return
        data[at] = value
        found = attempt(ReaderCertificate.decode, bytes(data))
        if found is not None:
            assert refusal(found) is Reason.BAD_CERTIFICATE

    @pytest.mark.parametrize(
        "fields",
        [
            {0x80: b"\x80"},
            {0x80: b"\0\1"},
            {0x80: b""},
            {0x80: b"\1" * 21},
            {0x81: b"x" * 65},
            {0x81: b""},
            {0x84: b"\xff"},
            {0x82: b"2001010000Z"},
            {0x82: b"20200101000000Z"},
            {0x83: b"201301000000Z"},
            {0x83: b"19010100000 Z"},
            {0x83: b"190101000000Z"},
            {0x85: b"\0" + bytes(65)},
            {0x85: b"\1" + READER.public.point},
            {0x85: b"\0" + READER.public.compressed},
            {0x86: b"\1" + PLAIN.signature},
            {0x86: b""},
            {0x87: b"x"},
        ],
    )
    def test_fields_that_are_none(self, fields: dict[int, bytes]) -> None:
        good = {0x85: b"\0" + READER.public.point, 0x86: b"\0" + PLAIN.signature}
        with pytest.raises(RuleBroken):
            ReaderCertificate.decode(compressed(good | fields))

    @pytest.mark.parametrize("missing", [0x85, 0x86])
    def test_key_and_signature_must_be_there(self, missing: int) -> None:
        good = {0x85: b"\0" + READER.public.point, 0x86: b"\0" + PLAIN.signature}
        del good[missing]
        with pytest.raises(Malformed):
            ReaderCertificate.decode(compressed(good))

    def test_another_profile(self) -> None:
        data = PLAIN.encode().replace(bytes.fromhex("04020000"), bytes.fromhex("04020001"))
        with pytest.raises(Malformed):
            ReaderCertificate.decode(data)

    @pytest.mark.parametrize("text", ["", "3000", "3002 0400", "3080", "3003 040100", "0402 0000"])
    def test_frames_that_are_none(self, text: str) -> None:
        with pytest.raises(Malformed):
            ReaderCertificate.decode(bytes.fromhex(text))

    def test_out_of_order(self) -> None:
        body = encode(0x86, b"\0" + PLAIN.signature) + encode(0x85, b"\0" + READER.public.point)
        with pytest.raises(Malformed):
            ReaderCertificate.decode(framed(body))


def compressed(fields: dict[int, bytes]) -> bytes:
    return framed(b"".join(encode(tag, value) for tag, value in sorted(fields.items())))


def framed(body: bytes) -> bytes:
    return encode(0x30, bytes.fromhex("04020000") + encode(0x30, body))


@pytest.mark.parametrize(
    "wish",
    [
        {"serial": -1},
        {"serial": 2**159},
        {"issuer_name": ""},
        {"subject_name": "ü" * 17},
        {"not_after": 2_600_000_000},
        {"not_before": 1_900_000_000, "not_after": 1_800_000_000},
    ],
)
def test_what_cannot_be_issued(wish: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        ReaderCertificate.issue(ISSUER, READER.public, **wish)


def test_the_key_reads_as_a_short_hash() -> None:
    assert READER.public.point[1:5].hex() not in repr(PLAIN)
    assert isinstance(PLAIN.key, PublicKey)
