"""EXCHANGE and CONTROL FLOW: written, read back, and what is read out of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.endings import (
    Cause,
    ControlFlow,
    Descriptor,
    Exchange,
    ExchangeAnswer,
    ReaderStatus,
)
from shared.credential.aliro.mailbox import MailboxRequest, Read
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Malformed
from tests.shared.credential.keys import QUICK
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

DESCRIPTOR = Descriptor(b"\xd0\x0e\x01", b"Doorward", b"0.1.0")
EVERYTHING = Exchange(ReaderStatus.UNSECURED, MailboxRequest((Read(0, 4),)), DESCRIPTOR)


class TestExchange:
    def test_the_last_word(self) -> None:
        assert Exchange(ReaderStatus.UNSECURED).encode().hex() == "97020101"
        assert Exchange().encode() == b""

    def test_the_order_is_mailbox_notice_status(self) -> None:
        assert [EVERYTHING.encode().index(tag) for tag in b"\xba\xae"] == [0, 11]
        assert EVERYTHING.encode().endswith(bytes.fromhex("97020101"))

    @pytest.mark.parametrize("message", [EVERYTHING, Exchange(), Exchange(0x0142)])
    def test_round_trip(self, message: Exchange) -> None:
        assert Exchange.decode(message.encode()) == message

    @pytest.mark.parametrize(
        "text", ["970101", "97030100 00", "97020101 97020101", "97020101 AE00", "BA00", "AE0185"]
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(RuleBroken):
            Exchange.decode(bytes.fromhex(text))

    def test_other_notices_are_skipped(self) -> None:
        data = bytes.fromhex("AE 04 8202 0001 97 02 0000")
        assert Exchange.decode(data) == Exchange(0)

    def test_three_ways(self) -> None:
        feed_prefixes(Exchange.decode, EVERYTHING.encode())
        feed_trailing(Exchange.decode, EVERYTHING.encode())

    @QUICK
    @given(st.binary(max_size=100))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Exchange.decode, data)


class TestExchangeAnswer:
    def test_success_without_reads(self) -> None:
        assert ExchangeAnswer().encode().hex() == "00020000"
        assert ExchangeAnswer.decode(b"\0\2\0\0") == ExchangeAnswer()

    @QUICK
    @given(st.lists(st.binary(max_size=300), max_size=5).map(tuple))
    def test_round_trip(self, reads: tuple[bytes, ...]) -> None:
        answer = ExchangeAnswer(reads)
        assert ExchangeAnswer.decode(answer.encode(), [len(each) for each in reads]) == answer

    @pytest.mark.parametrize(
        ("text", "lengths"),
        [
            ("", []),
            ("0002", []),
            ("00", []),
            ("0000", []),
            ("0001 00", []),
            ("0002 0000 0002 0000", []),
            ("0002 0000", [4]),
            ("0001 61 0002 0000", [2]),
            ("0001 61", [1]),
            ("0002 0000 00", []),
        ],
    )
    def test_malformed(self, text: str, lengths: list[int]) -> None:
        with pytest.raises(Malformed):
            ExchangeAnswer.decode(bytes.fromhex(text), lengths)

    @pytest.mark.parametrize("result", [1, 2, 0x0100, 0x0106, 0xFFFF])
    def test_any_other_result_is_failure(self, result: int) -> None:
        with pytest.raises(RuleBroken) as caught:
            ExchangeAnswer.decode(ExchangeAnswer(result=result).encode(), [4])
        assert caught.value.reason is Reason.CARD_ERROR

    @QUICK
    @given(st.binary(max_size=40), st.lists(st.integers(0, 20), max_size=3))
    def test_random_bytes(self, data: bytes, lengths: list[int]) -> None:
        attempt(lambda raw: ExchangeAnswer.decode(raw, lengths), data)


class TestControlFlow:
    def test_layout(self) -> None:
        assert ControlFlow().encode().hex() == "410100420100"
        assert ControlFlow(Cause.NO_COMMON_VERSION).encode().hex() == "410100420127"

    @pytest.mark.parametrize(
        "message", [ControlFlow(), ControlFlow(0x27, DESCRIPTOR), ControlFlow(0x99)]
    )
    def test_round_trip(self, message: ControlFlow) -> None:
        assert ControlFlow.decode(message.encode()) == message

    @pytest.mark.parametrize(
        "text", ["", "410100", "420100", "410101 420100", "420100 410100", "410100 42020000"]
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(RuleBroken):
            ControlFlow.decode(bytes.fromhex(text))

    def test_three_ways(self) -> None:
        data = ControlFlow(0, DESCRIPTOR).encode()
        feed_prefixes(ControlFlow.decode, data)
        feed_trailing(ControlFlow.decode, data)

    @QUICK
    @given(st.binary(max_size=60))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(ControlFlow.decode, data)


class TestDescriptor:
    def test_layout(self) -> None:
        text = "b516 0403d00e01 8008" + b"Doorward".hex() + "8105" + b"0.1.0".hex()
        assert DESCRIPTOR.encode() == bytes.fromhex(text)

    def test_what_has_no_room(self) -> None:
        with pytest.raises(ValueError, match="3 bytes"):
            Descriptor(b"\1\2", b"", b"")
        with pytest.raises(ValueError, match="250"):
            Descriptor(b"\1\2\3", bytes(240), b"")

    @pytest.mark.parametrize(
        "text", ["", "0403010203", "0403010203 8000", "0402010280008100", "800081000403010203AA"]
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(RuleBroken):
            Descriptor.decode(bytes.fromhex(text))

    def test_one_that_is_too_long(self) -> None:
        value = bytes.fromhex("0403010203 8081F0") + bytes(240) + bytes.fromhex("8100")
        with pytest.raises(Malformed):
            Descriptor.decode(value)

    @QUICK
    @given(st.binary(max_size=60))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(Descriptor.decode, data)


def test_the_first_byte_says_success() -> None:
    good = {status for status in ReaderStatus if status.is_success}
    assert good == {
        ReaderStatus.SECURED,
        ReaderStatus.UNSECURED,
        ReaderStatus.JAMMED,
        ReaderStatus.SECURING,
        ReaderStatus.UNSECURING,
        ReaderStatus.UNKNOWN_STATE,
    }


def test_what_was_read_does_not_show() -> None:
    assert "secret" not in repr(ExchangeAnswer((b"secret",)))
