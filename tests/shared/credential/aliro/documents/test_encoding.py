"""Strict CBOR: what is taken, what is not, and how much of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.documents import encoding
from shared.credential.aliro.documents.encoding import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_SIZE,
    decode,
    encode,
    read_date,
    write_date,
)
from shared.credential.tlv import Malformed
from tests.shared.credential.keys import LONG, QUICK
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

Reader = Callable[[Any], object]
INTEGERS = st.integers(-(2**64), 2**64 - 1)
LEAVES = st.one_of(
    INTEGERS,
    st.binary(max_size=40),
    st.text(max_size=40),
    st.booleans(),
    st.none(),
    st.builds(lambda at: CBORTag(1, at), st.integers(0, 2**64 - 1)),
    st.builds(lambda inside: CBORTag(24, inside), st.binary(max_size=40)),
    st.builds(lambda text: CBORTag(0, text), st.text(max_size=20)),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(INTEGERS | st.text(max_size=5), inner)
    ),
    max_leaves=20,
)


@LONG
@given(VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    assert attempt(decode, encode(value)) in (value, None)  # None: nested too deep
    if len(encode(value)) < 10:
        assert decode(encode(value)) == value


@LONG
@given(VALUES)
def test_strings_encode_to_the_bytes_that_came_in(value: Any) -> None:
    written = encode(value)
    if attempt(decode, written) is not None:
        assert encode(decode(written)) == written


@LONG
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    attempt(decode, data)


@QUICK
@given(VALUES, st.data())
def test_one_flipped_byte(value: Any, data: st.DataObject) -> None:
    written = bytearray(encode(value))
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    attempt(decode, bytes(written))


def test_prefixes_and_trailing_bytes() -> None:
    whole = encode({1: [CBORTag(24, b"inside"), "text"], "2": {-1: True}, 3: 2.5})
    feed_prefixes(decode, whole)
    feed_trailing(decode, whole)


@pytest.mark.parametrize(
    "taken",
    ["00", "1903e8", "3903e7", "f4", "f5", "f6", "f93e00", "fb3ff8000000000000", "a0", "80"],
)
def test_taken(taken: str) -> None:
    data = bytes.fromhex(taken)
    assert decode(data) == cbor2.loads(data)


@pytest.mark.parametrize(
    "refused",
    [
        "",
        "1817",  # 23 in two bytes
        "190017",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "5803616263",  # a length in two bytes that fits one
        "5f4161ff",  # indefinite strings, arrays, maps
        "7f6161ff",
        "9f01ff",
        "bf0102ff",
        "ff",
        "f7",  # undefined
        "e0",  # simple values
        "f818",
        "f8ff",
        "1c",  # reserved heads
        "5d",
        "fc",
        "a14161f5",  # keys that are bytes, arrays, truth values, null, floats, tagged
        "a180f5",
        "a1f5f5",
        "a1f6f5",
        "a1f93e00f5",
        "a1c100f5",
        "a201020103",  # a key that comes twice
        "a2616101616102",
        "c24101",  # a big number
        "c16131",  # tags on something else than they are for
        "c101ff",
        "c001",
        "d81801",
        "d818c24101",
        "c0c06131",
        "c1c101",
        "d9d9f700",  # self-described CBOR
        "d81c01",  # shared references
        "c1",  # a tag on nothing
        "d818",
        "61ff",  # not UTF-8
        "8201",  # cut short
        "9bffffffffffffffff",  # lengths beyond everything
        "5bffffffffffffffff",
        "bbffffffffffffffff",
        "1a000000",
    ],
)
def test_refused(refused: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(refused))


class TestCaps:
    def test_size(self) -> None:
        most = encode(bytes(MAX_SIZE - 3))
        assert len(most) == MAX_SIZE
        assert decode(most) == bytes(MAX_SIZE - 3)
        with pytest.raises(Malformed, match="at most"):
            decode(encode(bytes(MAX_SIZE - 2)))

    @pytest.mark.parametrize("shell", [b"\x81", b"\xa1\x01", b"\xc1", b"\xd8\x18"])
    def test_nesting(self, shell: bytes) -> None:
        with pytest.raises(Malformed):
            decode(shell * (MAX_SIZE // len(shell) - 1) + b"\0")

    def test_depth(self) -> None:
        assert decode(b"\x81" * MAX_DEPTH + b"\0") is not None
        with pytest.raises(Malformed, match="deep"):
            decode(b"\x81" * (MAX_DEPTH + 1) + b"\0")

    def test_items(self) -> None:
        most = MAX_ITEMS - 1
        assert len(decode(encode([0] * most))) == most
        with pytest.raises(Malformed, match="too many"):
            decode(encode([0] * (most + 1)))

    def test_keys(self) -> None:
        assert len(decode(encode(dict.fromkeys(range(MAX_KEYS), 0)))) == MAX_KEYS
        with pytest.raises(Malformed, match="keys"):
            decode(encode(dict.fromkeys(range(MAX_KEYS + 1), 0)))


class TestMembers:
    def test_truth_values_and_floats_are_no_numbers(self) -> None:
        for value in (True, False, 1.0, "1", b"1", None, -1, 2**64):
            with pytest.raises(Malformed):
                encoding.uint(value)
        assert encoding.uint(2**64 - 1) == 2**64 - 1

    def test_each_refuses_other_kinds(self) -> None:
        plain: list[Reader] = [encoding.flag, encoding.text, encoding.array, encoding.mapping]
        for read in plain:
            with pytest.raises(Malformed):
                read(5)
        tagged: list[Reader] = [encoding.embedded, encoding.seconds, encoding.date]
        for read in tagged:
            for wrong in (5, CBORTag(2, b"a"), CBORTag(99, 1)):
                with pytest.raises(Malformed):
                    read(wrong)
        with pytest.raises(Malformed):
            encoding.octets(b"123", (4,))
        with pytest.raises(Malformed):
            encoding.octets("1234", (4,))
        with pytest.raises(Malformed, match="5 is missing"):
            encoding.member({}, 5)


class TestDates:
    def test_one(self) -> None:
        assert read_date("2026-11-17T10:30:00Z") == 1_794_911_400
        assert write_date(1_794_911_400) == "2026-11-17T10:30:00Z"
        assert encoding.date(encoding.tagged_date(0)) == 0

    @QUICK
    @given(st.integers(0, 253_402_300_799))
    def test_round_trip(self, moment: int) -> None:
        assert read_date(write_date(moment)) == moment

    @pytest.mark.parametrize(
        "wrong",
        [
            "2026-11-17 10:30:00Z",
            "2026-11-17T10:30:00",
            "2026-11-17T10:30:00+00:00",
            "2026-11-17T10:30:00.5Z",
            "2026-02-30T10:30:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-17T24:00:00Z",
            "0000-11-17T10:00:00Z",
            "1969-12-31T23:59:59Z",  # nothing that is kept has a place for it
            "\uff12\uff10\uff12\uff16-11-17T10:30:00Z",
            "2026-11-17T10:30:00Z\n",
            "",
        ],
    )
    def test_wrong(self, wrong: str) -> None:
        with pytest.raises(Malformed):
            read_date(wrong)


def test_chosen_keys_do_not_take_long() -> None:
    """Integers whose hashes all fall together, in every map of a message of full size."""
    keys = [(2**61 - 1) * (n % 8) + 64 * 2**20 * n for n in range(MAX_KEYS)]
    row = encode({key: 0 for key in keys if key < 2**64})
    message = b"\x98" + struct.pack("B", 31) + row * 31
    assert len(message) <= MAX_SIZE
    assert len(decode(message)) == 31
