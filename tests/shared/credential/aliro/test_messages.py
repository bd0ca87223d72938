"""Messages before and around the channel: written, read back, and what is read out of others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.messages import (
    EXPEDITED_AID,
    SELECT,
    V1_0,
    Auth0,
    Auth0Answer,
    Auth1,
    Auth1Answer,
    AuthenticationPolicy,
    Ins,
    SelectAnswer,
    key_slot,
)
from shared.credential.aliro.offer import Offer, Signaling
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Malformed, encode, parse
from tests.shared.credential.aliro.ends import ALICE, GROUP, SUB_GROUP
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

TIME = b"2026-11-01T00:00:00Z"
VENDOR = st.none() | st.binary(max_size=127)
AUTH0 = Auth0(
    fast=True,
    policy=AuthenticationPolicy.FORCE,
    version=V1_0,
    ephemeral=key("reader ephemeral").public.point,
    transaction_id=bytes(16),
    reader_identifier=GROUP + SUB_GROUP,
)
AUTH0_ANSWER = Auth0Answer(key("device ephemeral").public.point, bytes(64), b"vendor")
AUTH1 = Auth1(full_key=True, signature=bytes(64), certificate=b"certificate")
AUTH1_ANSWER = Auth1Answer(
    bytes(64), key=ALICE.public.point, offer=Offer(Signaling.MAILBOX_USED, TIME, TIME)
)


def read_auth1_answer(data: bytes) -> Auth1Answer:
    return Auth1Answer.read(parse(data))


def reason(parse: Any, data: bytes) -> Reason:
    with pytest.raises(RuleBroken) as caught:
        parse(data)
    return caught.value.reason


def test_select() -> None:
    assert SELECT.encode().hex() == "00a4040009a000000909acce550100"


def test_control_flow_has_no_le() -> None:
    assert Ins.CONTROL_FLOW.command(b"x").le is None
    assert Ins.AUTH0.command(b"x").le == 256


def test_key_slots_are_short_names() -> None:
    assert len(key_slot(ALICE.public)) == 8


class TestSelectAnswer:
    def test_the_shortest(self) -> None:
        answer = SelectAnswer.of(EXPEDITED_AID, [V1_0])
        assert answer.encode().hex() == "6f158409a000000909acce5501a508800200005c020100"
        assert SelectAnswer.decode(answer.encode()) == answer

    @QUICK
    @given(
        st.lists(st.binary(min_size=2, max_size=2), min_size=1, max_size=40),
        st.none() | st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
    )
    def test_round_trip(self, versions: list[bytes], lengths: tuple[int, int] | None) -> None:
        answer = SelectAnswer.of(EXPEDITED_AID, versions, lengths)
        assert SelectAnswer.decode(answer.encode()) == answer
        assert answer.max_command == (lengths[0] if lengths else None)

    def test_what_goes_into_the_salts_is_what_came(self) -> None:
        proprietary = encode(0xA5, bytes.fromhex("B3 02 AABB 5C 02 0100 80 02 0000"))
        data = encode(0x6F, encode(0x84, EXPEDITED_AID) + proprietary)
        assert SelectAnswer.decode(data).proprietary == proprietary

    @pytest.mark.parametrize(
        "proprietary",
        ["", "80020000", "5C00", "5C0101", "5C020100 7F6600", "5C020100 7F6608 0202010002010100",
         "5C020100 5C020100", "5C020100 7F6604 02020100"],
    )  # fmt: skip
    def test_malformed(self, proprietary: str) -> None:
        value = encode(0xA5, bytes.fromhex(proprietary))
        with pytest.raises(Malformed):
            SelectAnswer.decode(encode(0x6F, encode(0x84, EXPEDITED_AID) + value))

    @pytest.mark.parametrize("text", ["", "6F00", "6F0284 00", "6F02A500", "A500", "9000"])
    def test_frames_that_are_none(self, text: str) -> None:
        with pytest.raises(Malformed):
            SelectAnswer.decode(bytes.fromhex(text))

    def test_three_ways(self) -> None:
        data = SelectAnswer.of(EXPEDITED_AID, [V1_0], (1024, 1024)).encode()
        feed_prefixes(SelectAnswer.decode, data)
        for extra in (b"\0", b"\x6f"):
            with pytest.raises(RuleBroken):
                SelectAnswer.decode(data + extra)

    @QUICK
    @given(st.binary(max_size=120))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(SelectAnswer.decode, data)


class TestAuth0:
    @QUICK
    @given(st.booleans(), st.sampled_from(AuthenticationPolicy), VENDOR)
    def test_round_trip(
        self, fast: bool, policy: AuthenticationPolicy, vendor: bytes | None
    ) -> None:
        message = replace(AUTH0, fast=fast, policy=policy, vendor=vendor)
        assert Auth0.decode(message.encode()) == message
        assert message.parameters == bytes((fast, policy))
        assert message.encode().endswith(message.vendor_tlv)

    def test_size(self) -> None:
        assert len(Ins.AUTH0.command(AUTH0.encode()).encode()) == 135

    def test_an_empty_vendor_extension_is_not_none(self) -> None:
        assert replace(AUTH0, vendor=b"").vendor_tlv == b"\xb1\0"
        assert AUTH0.vendor_tlv == b""

    @pytest.mark.parametrize("tag", [0x41, 0x42, 0x5C, 0x87, 0x4C, 0x4D])
    def test_each_object_has_its_length_and_must_be_there(self, tag: int) -> None:
        row = parse(AUTH0.encode())
        without = b"".join(encode(*each) for each in row if each.tag != tag)
        assert reason(Auth0.decode, without) is Reason.MALFORMED
        longer = b"".join(encode(each.tag, each.value + b"\1" * (each.tag == tag)) for each in row)
        assert reason(Auth0.decode, longer) is Reason.WRONG_LENGTH

    @pytest.mark.parametrize("text", ["410102", "410180"])
    def test_parameters_without_a_meaning(self, text: str) -> None:
        data = bytes.fromhex(text) + AUTH0.encode()[3:]
        assert reason(Auth0.decode, data) is Reason.MALFORMED

    @pytest.mark.parametrize("policy", [0, 4, 255])
    def test_policies_that_there_are_not(self, policy: int) -> None:
        data = AUTH0.encode()[:3] + bytes((0x42, 1, policy)) + AUTH0.encode()[6:]
        assert reason(Auth0.decode, data) is Reason.MALFORMED

    def test_a_vendor_extension_that_is_too_long(self) -> None:
        data = replace(AUTH0, vendor=bytes(128)).encode()
        assert reason(Auth0.decode, data) is Reason.MALFORMED

    def test_out_of_order(self) -> None:
        row = parse(AUTH0.encode())
        data = b"".join(encode(*each) for each in (row[1], row[0], *row[2:]))
        assert reason(Auth0.decode, data) is Reason.MALFORMED

    def test_unknown_objects_are_skipped_anywhere(self) -> None:
        row = [encode(*each) for each in parse(AUTH0.encode())]
        for place in range(len(row) + 1):
            data = b"".join((*row[:place], bytes.fromhex("CF03010203"), *row[place:]))
            assert Auth0.decode(data) == AUTH0

    def test_three_ways(self) -> None:
        feed_prefixes(Auth0.decode, AUTH0.encode())
        feed_trailing(Auth0.decode, AUTH0.encode())

    @QUICK
    @given(st.binary(max_size=200))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Auth0.decode, data)


class TestAuth0Answer:
    @QUICK
    @given(st.none() | st.binary(min_size=64, max_size=64), VENDOR)
    def test_round_trip(self, cryptogram: bytes | None, vendor: bytes | None) -> None:
        message = Auth0Answer(AUTH0_ANSWER.ephemeral, cryptogram, vendor)
        assert Auth0Answer.decode(message.encode()) == message
        assert message.encode().endswith(message.vendor_tlv)

    def test_any_order(self) -> None:
        row = parse(AUTH0_ANSWER.encode())
        data = b"".join(encode(*each) for each in reversed(row))
        assert Auth0Answer.decode(data) == AUTH0_ANSWER

    @pytest.mark.parametrize("text", ["", "8600", "9D00", "8840" + "00" * 64])
    def test_without_an_ephemeral_key(self, text: str) -> None:
        with pytest.raises(RuleBroken):
            Auth0Answer.decode(bytes.fromhex(text))

    def test_a_cryptogram_of_another_length(self) -> None:
        data = encode(0x86, AUTH0_ANSWER.ephemeral) + encode(0x9D, bytes(63))
        assert reason(Auth0Answer.decode, data) is Reason.WRONG_LENGTH

    def test_three_ways(self) -> None:
        feed_prefixes(Auth0Answer.decode, AUTH0_ANSWER.encode())
        feed_trailing(Auth0Answer.decode, AUTH0_ANSWER.encode())

    @QUICK
    @given(st.binary(max_size=200))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Auth0Answer.decode, data)


class TestAuth1:
    @QUICK
    @given(st.booleans(), st.none() | st.binary(max_size=400))
    def test_round_trip(self, full_key: bool, certificate: bytes | None) -> None:
        message = Auth1(full_key, bytes(64), certificate)
        assert Auth1.decode(message.encode()) == message

    @pytest.mark.parametrize(
        "text", ["", "410101", "9E40" + "00" * 64, "410102 9E40" + "00" * 64, "410101 9E01 00"]
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(RuleBroken):
            Auth1.decode(bytes.fromhex(text))

    def test_three_ways(self) -> None:
        feed_prefixes(Auth1.decode, AUTH1.encode())
        feed_trailing(Auth1.decode, AUTH1.encode())

    @QUICK
    @given(st.binary(max_size=200))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Auth1.decode, data)


class TestAuth1Answer:
    @QUICK
    @given(
        st.booleans(),
        st.integers(0, 0xFFFF),
        st.none() | st.just(TIME),
        st.none() | st.just(TIME),
    )
    def test_round_trip(
        self, full: bool, bits: int, access: bytes | None, revocation: bytes | None
    ) -> None:
        message = Auth1Answer(
            bytes(64),
            key=ALICE.public.point if full else None,
            slot=None if full else key_slot(ALICE.public),
            offer=Offer(Signaling(bits), access, revocation),
        )
        assert read_auth1_answer(message.encode()) == message

    def test_sizes(self) -> None:
        plain = replace(AUTH1_ANSWER, offer=Offer())
        assert len(plain.encode()) + 16 + 2 == 155
        slot = replace(plain, key=None, slot=key_slot(ALICE.public))
        assert len(slot.encode()) + 16 + 2 == 98

    @pytest.mark.parametrize("tag", [0x5A, 0x9E, 0x5E])
    def test_each_object_has_its_length_and_must_be_there(self, tag: int) -> None:
        row = parse(AUTH1_ANSWER.encode())
        without = b"".join(encode(*each) for each in row if each.tag != tag)
        assert reason(read_auth1_answer, without) is Reason.MALFORMED
        longer = b"".join(encode(each.tag, each.value + b"\1" * (each.tag == tag)) for each in row)
        assert reason(read_auth1_answer, longer) is Reason.WRONG_LENGTH

    def test_a_key_and_a_slot(self) -> None:
        data = encode(0x4E, bytes(8)) + AUTH1_ANSWER.encode()
        assert reason(read_auth1_answer, data) is Reason.MALFORMED

    def test_three_ways(self) -> None:
        feed_prefixes(read_auth1_answer, AUTH1_ANSWER.encode())
        feed_trailing(read_auth1_answer, AUTH1_ANSWER.encode())

    @QUICK
    @given(st.binary(max_size=200))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(read_auth1_answer, data)


class TestCryptogram:
    def test_without_documents_the_times_are_zero(self) -> None:
        plain = Offer(Signaling.MAILBOX_READABLE).encode_cryptogram()
        assert plain.hex() == "5e0200109114" + "00" * 20 + "9214" + "00" * 20
        assert Offer.decode_cryptogram(plain) == Offer(Signaling.MAILBOX_READABLE)

    def test_round_trip(self) -> None:
        offer = Offer(Signaling.ACCESS_DOCUMENT, TIME)
        assert len(offer.encode_cryptogram()) == 48
        assert Offer.decode_cryptogram(offer.encode_cryptogram()) == offer

    def test_three_ways(self) -> None:
        plain = Offer(Signaling.ACCESS_DOCUMENT, TIME).encode_cryptogram()
        feed_prefixes(Offer.decode_cryptogram, plain)
        feed_trailing(Offer.decode_cryptogram, plain)

    @pytest.mark.parametrize("at", [0, 1, 4, 5, 26, 27])
    def test_another_layout(self, at: int) -> None:
        plain = bytearray(Offer().encode_cryptogram())
        plain[at] ^= 1
        assert reason(Offer.decode_cryptogram, bytes(plain)) is Reason.MALFORMED

    @QUICK
    @given(st.binary(min_size=46, max_size=50))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Offer.decode_cryptogram, data)


def test_nothing_that_names_a_credential_shows() -> None:
    for each in (AUTH1_ANSWER, AUTH1):
        assert "xab" not in repr(replace(each, signature=b"\xab" * 64))
    assert repr(ALICE.public.point[1:9])[2:-1] not in repr(AUTH1_ANSWER)
