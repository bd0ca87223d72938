"""TLV: strict both ways, capped, and honest about where it breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import (
    Fields,
    Lengths,
    Limits,
    Malformed,
    Node,
    Tlv,
    encode,
    encode_compact,
    parse,
    parse_compact,
    parse_either,
    parse_tree,
    take_compact,
)
from tests.shared.credential.keys import QUICK
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

# One byte (low five bits not all set), two bytes (second 1F-7F), three (second 81-FF, third 00-7F).
BER_TAGS = st.one_of(
    st.integers(0, 0xFF).filter(lambda tag: tag & 0x1F != 0x1F),
    st.builds(
        lambda a, b: a << 8 | b, st.sampled_from([0x1F, 0x5F, 0x7F]), st.integers(0x1F, 0x7F)
    ),
    st.builds(lambda b, c: 0x5F << 16 | b << 8 | c, st.integers(0x81, 0xFF), st.integers(0, 0x7F)),
)
VALUES = st.one_of(st.binary(max_size=40), st.integers(100, 300).map(bytes))
BER_ROWS = st.lists(st.builds(Tlv, BER_TAGS, VALUES), max_size=8)
COMPACT_ROWS = st.lists(st.builds(Tlv, st.integers(0, 0xFF), VALUES), max_size=8)


class TestBer:
    @QUICK
    @given(BER_ROWS)
    def test_round_trip(self, row: list[Tlv]) -> None:
        assert parse(b"".join(encode(tag, value) for tag, value in row)) == tuple(row)

    @QUICK
    @given(st.binary(max_size=300))
    def test_what_parses_encodes_to_the_same_bytes(self, data: bytes) -> None:
        row = attempt(parse, data)
        if row is not None:
            assert b"".join(encode(tag, value) for tag, value in row) == data

    @pytest.mark.parametrize(
        ("text", "offset"),
        [
            ("5C", 1),  # no length
            ("5C02", 2),  # no value
            ("5C0201", 2),  # half a value
            ("5C00 5C", 3),
            ("5C80", 1),  # indefinite length
            ("5C81", 1),  # cut off inside the length
            ("5C8101AA", 1),  # 01 fits one byte
            ("5C820080" + "00" * 128, 1),  # 80 fits two
            ("5C8400000001AA", 1),  # four bytes of length
            ("7F", 0),  # half a tag
            ("7F0000", 0),  # second byte below 1F
            ("7F8000", 0),
            ("5F8180" + "8100", 0),  # four bytes of tag
            ("5F81", 0),
        ],
    )
    def test_malformed(self, text: str, offset: int) -> None:
        with pytest.raises(Malformed) as caught:
            parse(bytes.fromhex(text))
        assert caught.value.offset == offset
        assert caught.value.reason is Reason.MALFORMED
        assert str(caught.value).startswith(f"offset {offset}: ")

    @pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 65535, 65536])
    def test_lengths_at_their_borders(self, size: int) -> None:
        encoded = encode(0x53, bytes(size))
        assert parse(encoded, Limits(size=1 << 20)) == (Tlv(0x53, bytes(size)),)

    def test_too_long_to_encode(self) -> None:
        with pytest.raises(ValueError, match="more than a TLV object holds"):
            encode(0x53, bytes(1 << 24))

    def test_three_ways(self) -> None:
        whole = encode(0x7F63, encode(0x5C, b"\x02\x00")) + encode(0x42, bytes(200))
        feed_prefixes(parse, whole)
        feed_trailing(parse, whole)


class TestTree:
    CERTIFICATE = encode(
        0x7F21, encode(0x7F4E, encode(0x5F29, b"\0") + encode(0x42, b"X")) + encode(0x5F37, b"S")
    )

    def test_children(self) -> None:
        (certificate,) = parse_tree(self.CERTIFICATE)
        body, signature = certificate.children
        assert (certificate.tag, body.tag, signature) == (0x7F21, 0x7F4E, Node(0x5F37, b"S", ()))
        assert [child.tag for child in body.children] == [0x5F29, 0x42]
        assert encode(body.tag, body.value) in self.CERTIFICATE

    def test_tag_zero_is_primitive(self) -> None:
        assert parse_tree(b"\0\0") == (Node(0, b"", ()),)

    def test_objects_are_counted_at_all_levels_together(self) -> None:
        assert parse_tree(self.CERTIFICATE, Limits(count=5))
        with pytest.raises(Malformed, match="too many"):
            parse_tree(self.CERTIFICATE, Limits(count=4))

    def test_levels_are_capped(self) -> None:
        nested = b""
        for _ in range(9):
            nested = encode(0x30, nested)
        assert parse_tree(nested[2:])
        with pytest.raises(Malformed, match="too deep"):
            parse_tree(nested)

    @QUICK
    @given(st.binary(max_size=300))
    def test_random_bytes(self, data: bytes) -> None:
        nodes = attempt(parse_tree, data)
        if nodes is not None:
            assert [(node.tag, node.value) for node in nodes] == list(parse(data))


class TestCompact:
    @QUICK
    @given(COMPACT_ROWS)
    def test_round_trip_ber(self, row: list[Tlv]) -> None:
        data = b"".join(encode_compact(tag, value, Lengths.BER) for tag, value in row)
        assert parse_compact(data, Lengths.BER) == tuple(row)
        assert parse_either(data) == (Lengths.BER, tuple(row))

    @QUICK
    @given(COMPACT_ROWS)
    def test_round_trip_one_byte(self, row: list[Tlv]) -> None:
        row = [Tlv(tag, value[:255]) for tag, value in row]
        data = b"".join(encode_compact(tag, value) for tag, value in row)
        assert parse_compact(data, Lengths.ONE_BYTE) == tuple(row)

    @pytest.mark.parametrize("lengths", list(Lengths))
    def test_three_ways(self, lengths: Lengths) -> None:
        whole = encode_compact(0x40, bytes(162), lengths) + encode_compact(0x0C, bytes(5))
        feed_prefixes(lambda data: parse_compact(data, lengths), whole)
        feed_trailing(lambda data: parse_compact(data, lengths), whole)

    @QUICK
    @given(st.binary(max_size=300))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(parse_either, data)

    @pytest.mark.parametrize("size", [162, 155])
    def test_either_tells_how_lengths_were_written(self, size: int) -> None:
        for lengths in Lengths:
            data = encode_compact(0x40, bytes(size), lengths)
            assert parse_either(data) == (lengths, (Tlv(0x40, bytes(size)),))

    def test_take_reads_one_object_and_leaves_the_rest(self) -> None:
        data = bytes.fromhex("FF 5C020100 ABCD")
        assert take_compact(data, 1) == (Tlv(0x5C, b"\1\0"), 5)
        with pytest.raises(Malformed):
            take_compact(data, len(data))

    def test_one_byte_cannot_say_256(self) -> None:
        with pytest.raises(ValueError, match="256 bytes do not fit"):
            encode_compact(0x40, bytes(256))


@pytest.mark.parametrize("lengths", list(Lengths))
def test_caps(lengths: Lengths) -> None:
    row = encode_compact(0x01, b"") * 4
    assert len(parse_compact(row, lengths, Limits(size=8, count=4))) == 4
    with pytest.raises(Malformed, match="the cap is 7"):
        parse_compact(row, lengths, Limits(size=7))
    with pytest.raises(Malformed, match="too many"):
        parse_compact(row, lengths, Limits(count=3))


class TestFields:
    ROW = (Tlv(1, b"abc"), Tlv(9, b"x"), Tlv(9, b"y"), Tlv(2, b""))

    def test_wanted_are_found_and_others_skipped(self) -> None:
        fields = Fields(self.ROW, (1, 2, 3))
        assert (1 in fields, 9 in fields, 3 in fields) == (True, False, False)
        assert (fields.get(1), fields.get(3), fields.need(2)) == (b"abc", None, b"")

    def test_a_wanted_tag_comes_once(self) -> None:
        with pytest.raises(Malformed, match="tag 09 comes twice"):
            Fields(self.ROW, (9,))

    def test_missing(self) -> None:
        with pytest.raises(Malformed, match="tag 03 is missing"):
            Fields(self.ROW, (3,)).need(3)

    def test_exact_lengths(self) -> None:
        fields = Fields(self.ROW, (1,))
        assert fields.exactly(1, 3) == b"abc"
        with pytest.raises(RuleBroken, match="tag 01 has 3 bytes, its length is 4") as caught:
            fields.exactly(1, 4)
        assert caught.value.reason is Reason.WRONG_LENGTH


def test_representations_show_no_values() -> None:
    assert repr(Tlv(0x5A, b"\xab" * 65)) == "Tlv(5A, 65 bytes)"
    assert repr(Node(0x7F21, b"\xab", ())) == "Node(7F21, 1 bytes, 0 children)"
