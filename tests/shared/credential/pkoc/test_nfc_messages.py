"""NFC messages: each written and read back, and what is read out of anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import CommandAPDU
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.pkoc.nfc_messages import (
    SELECT,
    V1_0,
    V1_1,
    Authenticate,
    AuthenticateAnswer,
    SelectAnswer,
)
from shared.credential.tlv import Malformed, encode_compact
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

ALICE = key("alice")
ANSWER = AuthenticateAnswer(ALICE.public.point, ALICE.sign(bytes(16)))
VERSIONS = st.binary(min_size=2, max_size=2)


def test_select_as_real_cards_want_it() -> None:
    assert SELECT.encode().hex() == "00a4040008a00000089800000100"


class TestSelectAnswer:
    @QUICK
    @given(st.lists(VERSIONS, min_size=1, max_size=20).map(tuple), st.binary(max_size=9))
    def test_round_trip_whatever_follows(self, versions: tuple[bytes, ...], rest: bytes) -> None:
        answer = SelectAnswer(versions)
        assert SelectAnswer.decode(answer.encode() + rest) == answer

    def test_objects_before_the_list_are_skipped(self) -> None:
        assert SelectAnswer.decode(bytes.fromhex("8400 5C020100")) == SelectAnswer((V1_0,))

    @pytest.mark.parametrize(
        "text", ["", "5C", "5C00", "5C0101", "5C03010001", "5C0401", "8402AABB"]
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(Malformed):
            SelectAnswer.decode(bytes.fromhex(text))

    def test_byte_by_byte(self) -> None:
        feed_prefixes(SelectAnswer.decode, SelectAnswer((V1_1, V1_0)).encode())

    @QUICK
    @given(st.binary(max_size=60))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(SelectAnswer.decode, data)

    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [
            ((V1_0,), V1_0),
            ((V1_0, V1_1), V1_1),
            ((b"\x02\x00", V1_0), V1_0),
            ((b"\x03\x00", b"\x02\x00"), b"\x03\x00"),
        ],
    )
    def test_choice(self, offered: tuple[bytes, ...], chosen: bytes) -> None:
        assert SelectAnswer(offered).choose((V1_1, V1_0)) == chosen


class TestAuthenticate:
    @QUICK
    @given(VERSIONS, st.binary(min_size=16, max_size=16), st.none() | st.binary(max_size=32))
    def test_round_trip(self, version: bytes, number: bytes, reader: bytes | None) -> None:
        message = Authenticate(version, number, reader)
        command = CommandAPDU.decode(message.encode().encode())
        assert Authenticate.decode(command.data) == message

    def test_size(self) -> None:
        assert len(Authenticate(V1_0, bytes(16), bytes(32)).encode().encode()) == 62

    def test_any_order_and_unknown_tags(self) -> None:
        data = encode_compact(0xF9, b"\0") + encode_compact(0x4C, bytes(16))
        data += encode_compact(0x5C, V1_0)
        assert Authenticate.decode(data) == Authenticate(V1_0, bytes(16))

    @pytest.mark.parametrize("size", [0, 15, 17, 32, 33, 65, 96])
    def test_the_transaction_identifier_has_16_bytes(self, size: int) -> None:
        data = encode_compact(0x5C, V1_0) + encode_compact(0x4C, bytes(size))
        with pytest.raises(RuleBroken) as caught:
            Authenticate.decode(data)
        assert caught.value.reason is Reason.WRONG_LENGTH

    def test_three_ways(self) -> None:
        data = Authenticate(V1_0, bytes(16), bytes(32)).encode().data
        feed_prefixes(Authenticate.decode, data)
        feed_trailing(Authenticate.decode, data)

    @QUICK
    @given(st.binary(max_size=255))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Authenticate.decode, data)


class TestAuthenticateAnswer:
    def test_round_trip(self) -> None:
        assert AuthenticateAnswer.decode(ANSWER.encode()) == ANSWER
        assert len(ANSWER.encode()) == 133

    def test_either_order_and_unknown_tags(self) -> None:
        encoded = ANSWER.encode()
        swapped = encoded[67:] + encoded[:67]
        # An attestation certificate as one proposal has it: its length is written as in BER.
        certificate = b"\xf8\x81\x90" + bytes(0x90)
        for data in (swapped, certificate + encoded, encoded + b"\x71\x01x"):
            assert AuthenticateAnswer.decode(data) == ANSWER

    @pytest.mark.parametrize("data", [b"", ANSWER.encode()[:67], ANSWER.encode()[67:]])
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(Malformed):
            AuthenticateAnswer.decode(data)

    def test_three_ways(self) -> None:
        feed_prefixes(AuthenticateAnswer.decode, ANSWER.encode())
        feed_trailing(AuthenticateAnswer.decode, ANSWER.encode())

    @QUICK
    @given(st.binary(max_size=300))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(AuthenticateAnswer.decode, data)

    def test_the_key_stays_out_of_the_log(self) -> None:
        assert repr(ANSWER) == "AuthenticateAnswer()"
