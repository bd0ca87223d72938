"""The layouts are fixed, bind every member, and can never be mistaken for a tap at a door."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import cbor
from shared.wire.proofs import (
    CREDENTIAL_STANDARDS_SIGN,
    Role,
    canonical_code,
    code_hash,
    doors_proof,
    enrol_proof,
    redeem_proof,
    token_hash,
)

KEY = b"\x04" + bytes(range(64))
NONCE = bytes(range(32))
ORIGIN = "https://doors.example"

origins = st.text(min_size=0, max_size=80).map("https://".__add__)
keys = st.binary(min_size=65, max_size=65)
texts = st.text(max_size=60)


class TestLayout:
    def test_redeem_is_the_documented_array(self) -> None:
        data = redeem_proof("secret", NONCE, ORIGIN, KEY)
        hashed = hashlib.sha256(b"secret").digest()
        assert cbor.decode(data, limit=1000) == ["doorward-redeem-v1", hashed, NONCE, ORIGIN, KEY]

    def test_redeem_has_these_very_bytes(self) -> None:
        data = redeem_proof("secret", NONCE, "https://a", KEY)
        assert data.hex() == (
            "8572" + b"doorward-redeem-v1".hex() + "5820"
            "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
            "5820" + NONCE.hex() + "69" + b"https://a".hex() + "5841" + KEY.hex()
        )

    def test_doors_is_the_documented_array(self) -> None:
        data = doors_proof(ORIGIN, "Ab3", 1_700_000_000_000, KEY)
        assert cbor.decode(data, limit=1000) == [
            "doorward-doors-v1",
            ORIGIN,
            "Ab3",
            1_700_000_000_000,
            KEY,
        ]

    @pytest.mark.parametrize(("role", "name"), [(Role.IDENTITY, "identity"), (Role.PKOC, "pkoc")])
    def test_enrol_is_the_documented_array(self, role: Role, name: str) -> None:
        data = enrol_proof("token", role, KEY)
        hashed = hashlib.sha256(b"token").digest()
        assert cbor.decode(data, limit=1000) == ["doorward-enrol-v1", hashed, name, KEY]


class TestLength:
    @given(code=texts, nonce=st.binary(min_size=32, max_size=32), origin=origins, key=keys)
    def test_no_redemption_has_a_length_that_a_standard_signs(
        self, code: str, nonce: bytes, origin: str, key: bytes
    ) -> None:
        assert len(redeem_proof(code, nonce, origin, key)) > max(CREDENTIAL_STANDARDS_SIGN)

    @given(origin=origins, handle=texts, time=st.integers(0, 2**52), key=keys)
    def test_no_question_for_doors_has_either(
        self, origin: str, handle: str, time: int, key: bytes
    ) -> None:
        assert len(doors_proof(origin, handle, time, key)) > max(CREDENTIAL_STANDARDS_SIGN)

    @given(token=texts, role=st.sampled_from(Role), key=keys)
    def test_no_enrolment_has_either(self, token: str, role: Role, key: bytes) -> None:
        assert len(enrol_proof(token, role, key)) > max(CREDENTIAL_STANDARDS_SIGN)

    def test_what_could_be_short_is_refused(self) -> None:
        with pytest.raises(ValueError, match="too short"):
            doors_proof("", "a", 1, b"")

    @pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
    def test_a_nonce_has_32_bytes(self, nonce: bytes) -> None:
        with pytest.raises(ValueError, match="nonce"):
            redeem_proof("secret", nonce, ORIGIN, KEY)


class TestBinding:
    def test_every_member_counts(self) -> None:
        other = b"\x04" + bytes(64)
        proofs = [
            redeem_proof("secret", NONCE, ORIGIN, KEY),
            redeem_proof("secreT", NONCE, ORIGIN, KEY),
            redeem_proof("secret", bytes(32), ORIGIN, KEY),
            redeem_proof("secret", NONCE, ORIGIN + "/", KEY),
            redeem_proof("secret", NONCE, ORIGIN, other),
            enrol_proof("secret", Role.IDENTITY, KEY),
            enrol_proof("secret", Role.PKOC, KEY),
            enrol_proof("other", Role.PKOC, KEY),
            enrol_proof("other", Role.PKOC, other),
            doors_proof(ORIGIN, "secret", 1, KEY),
            doors_proof(ORIGIN, "secret", 2, KEY),
            doors_proof(ORIGIN, "other", 2, KEY),
            doors_proof(ORIGIN + "/", "other", 2, KEY),
            doors_proof(ORIGIN, "other", 2, other),
        ]
        assert len(set(proofs)) == len(proofs)

    def test_text_cannot_move_between_members(self) -> None:
        assert doors_proof(ORIGIN + "a", "b", 1, KEY) != doors_proof(ORIGIN, "ab", 1, KEY)


class TestCodes:
    @pytest.mark.parametrize(
        "typed",
        ["ABCD-EFGH-JKMN-PQRS", "abcd efgh jkmn pqrs", " abcdefghjkmnpqrs\n", "ABCDEFGHJKMNPQRS"],
    )
    def test_a_code_may_be_typed_in_many_ways(self, typed: str) -> None:
        assert canonical_code(typed) == "ABCDEFGHJKMNPQRS"
        assert code_hash(typed) == hashlib.sha256(b"ABCDEFGHJKMNPQRS").digest()

    def test_a_link_secret_is_taken_to_the_letter(self) -> None:
        secret = "a-B_" * 10 + "xyz"
        assert canonical_code(f" {secret} ") == secret
        assert code_hash(secret) != code_hash(secret.lower())

    @given(text=st.text(max_size=60))
    def test_what_is_canonical_stays_so(self, text: str) -> None:
        assert canonical_code(canonical_code(text)) == canonical_code(text)

    @pytest.mark.parametrize("text", ["ß" * 16, "\ud800", "a\x00b", ""])
    def test_any_text_has_a_hash(self, text: str) -> None:
        assert len(code_hash(text)) == len(token_hash(text)) == 32

    def test_a_token_is_taken_to_the_letter(self) -> None:
        assert token_hash(" Token\n") == hashlib.sha256(b"Token").digest()
        assert token_hash("token") != token_hash("Token")
