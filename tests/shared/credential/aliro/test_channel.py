"""The secure channel: in order, each message once, in its own direction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.channel import SecureChannel, open_cryptogram, seal_cryptogram
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from tests.shared.credential.keys import QUICK

KEYS = b"r" * 32, b"d" * 32


def ends() -> tuple[SecureChannel, SecureChannel]:
    return SecureChannel.of_reader(*KEYS), SecureChannel.of_device(*KEYS)


def refused(channel: SecureChannel, sealed: bytes) -> Reason:
    with pytest.raises(RuleBroken) as caught:
        channel.open(sealed)
    return caught.value.reason


@QUICK
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=12))
def test_messages_in_order(messages: list[tuple[bool, bytes]]) -> None:
    reader, device = ends()
    for from_reader, plain in messages:
        sender, receiver = (reader, device) if from_reader else (device, reader)
        assert receiver.open(sender.seal(plain)) == plain


def test_a_message_opens_once() -> None:
    reader, device = ends()
    sealed = reader.seal(b"one")
    assert device.open(sealed) == b"one"
    assert refused(device, sealed) is Reason.DECRYPTION_FAILED


def test_a_message_that_does_not_open_counts() -> None:
    reader, device = ends()
    reader.seal(b"lost")
    assert refused(device, b"x" * 16) is Reason.DECRYPTION_FAILED
    assert device.open(reader.seal(b"second")) == b"second"


def test_out_of_order_and_reflected() -> None:
    reader, device = ends()
    first, second = reader.seal(b"1"), reader.seal(b"2")
    assert refused(device, second) is Reason.DECRYPTION_FAILED
    assert refused(device, first) is Reason.DECRYPTION_FAILED
    assert refused(reader, first) is Reason.DECRYPTION_FAILED


def test_equal_keys_would_still_not_reflect() -> None:
    reader = SecureChannel.of_reader(KEYS[0], KEYS[0])
    assert refused(reader, reader.seal(b"mine")) is Reason.DECRYPTION_FAILED


@QUICK
@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    assert refused(ends()[0], data) is Reason.DECRYPTION_FAILED


def test_it_ends_before_the_counter_does() -> None:
    reader, device = ends()
    for _ in range(0xFFFE):
        reader.seal(b"")
    with pytest.raises(RuleBroken) as caught:
        reader.seal(b"")
    assert caught.value.reason is Reason.OUT_OF_ORDER
    assert reader.open(device.seal(b"the other direction has its own")) != b""


def test_cryptograms() -> None:
    sealed = seal_cryptogram(KEYS[0], b"p" * 48)
    assert len(sealed) == 64
    assert open_cryptogram(KEYS[0], sealed) == b"p" * 48
    for key, data in ((KEYS[1], sealed), (KEYS[0], sealed[:-1]), (KEYS[0], b"")):
        with pytest.raises(RuleBroken):
            open_cryptogram(key, data)
