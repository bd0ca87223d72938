"""QR codes as the official apps show and scan them, and everything that only looks like one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.pkoc.identity import KnownReader
from shared.credential.pkoc.numbers import CredentialNumber
from shared.credential.pkoc.provisioning import (
    MAX_TEXT,
    ReaderCode,
    SupplierCode,
    decode_credential,
    encode_credential,
)
from shared.credential.pkoc.reader_certificate import ReaderCertificate
from tests.shared.credential.keys import LOCATION, QUICK, SITE, key

KEY, ISSUER = key("reader").public, key("issuer")
READER = ReaderCode(KnownReader(SITE, LOCATION, KEY))
CERTIFICATE = ReaderCertificate.issue(ISSUER, site=SITE, location=LOCATION, key=KEY)
WHOLE = ReaderCode(READER.reader, ISSUER.public, CERTIFICATE)
NO_CODES = ["", "{", "[]", "null", '"x"', "\ud800", "x" * (MAX_TEXT + 1), '{"x":' + "[" * 2_000]
SUPPLIER = SupplierCode("01000TESTISSUER1", key("supplier").public)


def reason(read: Callable[[str], object], text: str) -> Reason:
    with pytest.raises(RuleBroken) as caught:
        read(text)
    return caught.value.reason


class TestReader:
    def test_the_members_have_the_names_the_apps_know(self) -> None:
        code = json.loads(READER.encode())
        assert set(code) == {"siteUuid", "readerUuid", "publicKey"}
        assert code["publicKey"] == KEY.point.hex()
        assert code["siteUuid"].replace("-", "") == SITE.hex()
        assert code["readerUuid"].replace("-", "") == LOCATION.hex()
        assert [len(part) for part in code["siteUuid"].split("-")] == [8, 4, 4, 4, 12]

    @pytest.mark.parametrize("code", [READER, WHOLE])
    def test_what_is_shown_is_scanned(self, code: ReaderCode) -> None:
        assert ReaderCode.decode(code.encode()) == code

    def test_2_0_1_adds_two_members(self) -> None:
        code = json.loads(WHOLE.encode())
        assert (len(code["siteIssuerKey"]), len(code["cert"])) == (130, 276)

    def test_it_fits_a_qr_code(self) -> None:
        assert len(WHOLE.encode()) < 800

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("siteUuid", "a1a2"),
            ("siteUuid", None),
            ("siteUuid", 7),
            ("readerUuid", "g" * 36),
            ("readerUuid", "01020304-0506-0708-090a-0b0c0d0e0f10\n"),
            ("publicKey", "04" * 64),
            ("publicKey", "02" + "11" * 64),
            ("cert", "00"),
            ("siteIssuerKey", ""),
        ],
    )
    def test_a_member_that_is_wrong(self, member: str, value: object) -> None:
        code = {**json.loads(WHOLE.encode()), member: value}
        if value is None:
            del code[member]
        with pytest.raises(RuleBroken, match=member) as caught:
            ReaderCode.decode(json.dumps(code))
        assert caught.value.reason is Reason.MALFORMED

    def test_unknown_members_are_passed_over(self) -> None:
        code = {**json.loads(READER.encode()), "color": "blue"}
        assert ReaderCode.decode(json.dumps(code)) == READER

    def test_a_key_off_the_curve(self) -> None:
        code = {**json.loads(READER.encode()), "publicKey": "04" + "11" * 64}
        assert reason(ReaderCode.decode, json.dumps(code)) is Reason.OFF_CURVE

    def test_a_demonstration_site_whose_key_everybody_knows(self) -> None:
        code = json.loads(READER.encode())
        code["siteUuid"] = "b9897ed0-5272-4341-979a-b69850112d80"
        assert reason(ReaderCode.decode, json.dumps(code)) is Reason.UNKNOWN_READER

    @pytest.mark.parametrize("text", NO_CODES)
    def test_what_is_no_code(self, text: str) -> None:
        assert reason(ReaderCode.decode, text) is Reason.MALFORMED
        assert reason(SupplierCode.decode, text) is Reason.MALFORMED

    @QUICK
    @given(st.text(max_size=200))
    def test_any_text(self, text: str) -> None:
        for read in (ReaderCode.decode, SupplierCode.decode, decode_credential):
            with pytest.raises(RuleBroken):
                read(text)


class TestSupplier:
    def test_what_is_shown_is_scanned(self) -> None:
        assert SupplierCode.decode(SUPPLIER.encode()) == SUPPLIER
        code = json.loads(SUPPLIER.encode())
        assert set(code) == {"v", "type", "iir", "issuerPublicKey"}
        assert (code["v"], code["type"]) == (1, "pkoc_supplier")

    @pytest.mark.parametrize(
        ("member", "value"),
        [("v", 2), ("type", "pkoc_reader"), ("iir", "too short"), ("issuerPublicKey", "04")],
    )
    def test_a_member_that_is_wrong(self, member: str, value: object) -> None:
        code = {**json.loads(SUPPLIER.encode()), member: value}
        assert reason(SupplierCode.decode, json.dumps(code)) is Reason.MALFORMED


class TestCredential:
    def test_what_is_shown_is_read(self) -> None:
        text = encode_credential(KEY)
        assert len(text) == 130
        for shown in (text, text.lower(), f" {text}\n"):
            assert decode_credential(shown) == KEY

    @pytest.mark.parametrize("bits", [64, 128, 200, 256])
    def test_a_shortened_number_enrols_nobody(self, bits: int) -> None:
        number = CredentialNumber.of(KEY.point, bits)
        assert reason(decode_credential, number.decimal) is Reason.WRONG_LENGTH

    @pytest.mark.parametrize("text", ["", "04", "04" + "g" * 128, "02" + "11" * 32])
    def test_what_is_no_key(self, text: str) -> None:
        with pytest.raises(RuleBroken):
            decode_credential(text)
