"""BLE messages: each written and read back, and what is read out of anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.pkoc.ble_messages import (
    Credential,
    DeviceEphemeral,
    DeviceMessage,
    Encrypted,
    ProtocolId,
    ReaderMessage,
    ReaderProof,
    Response,
    Status,
    decode_device,
    decode_reader,
    parse_row,
)
from shared.credential.pkoc.hello import SIZE, Hello, HelloAssembly
from shared.credential.tlv import Lengths, Malformed, Tlv, encode_compact
from tests.shared.credential.keys import LOCATION, QUICK, SITE, key
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

POINTS = st.binary(min_size=65, max_size=65)
SIGNATURES = st.binary(min_size=64, max_size=64)
PROTOCOLS = st.none() | st.binary(max_size=8)
CREDENTIALS = st.builds(
    Credential, POINTS, SIGNATURES, st.none() | st.binary(min_size=4, max_size=4), PROTOCOLS
)
OPENINGS = st.builds(DeviceEphemeral, POINTS, PROTOCOLS)
SEALED = st.integers(128, 200).flatmap(lambda n: st.binary(min_size=n, max_size=n))
ENCRYPTED = st.builds(Encrypted, SEALED, st.sampled_from(Lengths))


def credential() -> Credential:
    alice = key("alice")
    return Credential(
        alice.public.point, alice.sign(b"message"), b"\x65\x53\xf1\0", bytes.fromhex("0300000001")
    )


def read_reader(data: bytes) -> ReaderMessage | None:
    return decode_reader(parse_row(data)[1])


class TestDevice:
    @QUICK
    @given(CREDENTIALS | OPENINGS)
    def test_round_trip(self, message: DeviceMessage) -> None:
        assert decode_device(message.encode()) == message

    @QUICK
    @given(ENCRYPTED)
    def test_encrypted_is_read_however_its_length_is_written(self, message: Encrypted) -> None:
        decoded = attempt(decode_device, message.encode())
        if message.lengths is Lengths.BER:
            assert decoded == message
        else:
            # 81 and 82 as a one-byte length also begin a BER length; then the sizes cannot fit.
            assert decoded == message or message.sealed[:1] < b"\x80"

    def test_sizes_on_the_air(self) -> None:
        """146 bytes in clear, 139 from an iPhone; sealed 164 or, with a BER length, 165."""
        message = credential()
        assert len(message.encode()) == 146
        assert len(Credential(message.point, message.signature, b"\0" * 4).encode()) == 139
        assert len(Encrypted(bytes(162)).encode()) == 164
        assert len(Encrypted(bytes(162), Lengths.BER).encode()) == 165
        assert len(DeviceEphemeral(message.point, message.protocol).encode()) == 74

    def test_any_order_and_unknown_tags(self) -> None:
        message = credential()
        row = parse_row(message.encode())[1]
        shuffled = b"".join(encode_compact(tag, value) for tag, value in reversed(row))
        assert decode_device(b"\x80\x03abc" + shuffled + b"\x7f\x00") == message

    @pytest.mark.parametrize(
        "message",
        [credential(), DeviceEphemeral(key("d").public.point), Encrypted(bytes(162), Lengths.BER)],
    )
    def test_three_ways(self, message: DeviceMessage) -> None:
        feed_prefixes(decode_device, message.encode())
        feed_trailing(decode_device, message.encode())

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x0c\x05\x03\0\0\0\x01",
            b"\x03\x40" + bytes(64),
            b"\x01\x41" + bytes(65),  # a key without its signature
            b"\x01\x41" + bytes(65) + b"\x07\x41" + bytes(65),
            b"\x07\x41" + bytes(65) + b"\x40\x20" + bytes(32),
            credential().encode() + b"\x01\x41" + bytes(65),
        ],
    )
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(Malformed):
            decode_device(data)

    @pytest.mark.parametrize(
        "data",
        [
            b"\x07\x21" + bytes(33),
            b"\x07\x40" + bytes(64),
            b"\x01\x20" + bytes(32) + b"\x03\x40" + bytes(64),
            b"\x01\x41" + bytes(65) + b"\x03\x47" + bytes(71),  # DER
        ],
    )
    def test_wrong_lengths(self, data: bytes) -> None:
        with pytest.raises(RuleBroken) as caught:
            decode_device(data)
        assert caught.value.reason is Reason.WRONG_LENGTH

    def test_the_plaintext_is_a_credential(self) -> None:
        with pytest.raises(Malformed, match="no credential"):
            Credential.decode(DeviceEphemeral(bytes(65)).encode())

    @QUICK
    @given(st.binary(max_size=520))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(decode_device, data)

    def test_longer_than_an_attribute(self) -> None:
        with pytest.raises(Malformed, match="the cap is 512"):
            decode_device(bytes(513))

    def test_identifiers_stay_out_of_the_log(self) -> None:
        assert repr(credential()) == ("Credential(protocol=b'\\x03\\x00\\x00\\x00\\x01')")


class TestReader:
    @QUICK
    @given(st.builds(ReaderProof, SIGNATURES) | st.builds(Response, st.sampled_from(Status)))
    def test_round_trip(self, message: ReaderMessage) -> None:
        assert read_reader(message.encode()) == message

    @pytest.mark.parametrize("value", [9, 0x7F, 0xFF])
    def test_unknown_statuses_mean_nothing(self, value: int) -> None:
        assert read_reader(bytes((4, 1, value))) == Response(Status.UNKNOWN)

    @pytest.mark.parametrize("data", [b"\4\0", b"\4\2\3\3", b"\3\x3f" + bytes(63)])
    def test_wrong_lengths(self, data: bytes) -> None:
        with pytest.raises(RuleBroken) as caught:
            read_reader(data)
        assert caught.value.reason is Reason.WRONG_LENGTH

    def test_anything_else_is_neither(self) -> None:
        assert read_reader(b"") is None
        assert read_reader(b"\x0c\x05\x03\0\0\0\x01") is None

    @QUICK
    @given(st.binary(max_size=200))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(read_reader, data)


class TestProtocolId:
    @QUICK
    @given(
        st.builds(ProtocolId, st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
    )
    def test_round_trip(self, protocol: ProtocolId) -> None:
        assert ProtocolId.decode(protocol.encode()) == protocol
        assert protocol.echo() == ProtocolId(protocol.spec, protocol.vendor, protocol.features & 3)

    def test_the_old_form_of_two_bytes(self) -> None:
        echo = ProtocolId.decode(b"\x12\x34").echo()
        assert echo.encode() == bytes.fromhex("0012340001")

    @pytest.mark.parametrize("size", [0, 1, 3, 4, 6])
    def test_other_lengths(self, size: int) -> None:
        with pytest.raises(Malformed, match=f"not {size}"):
            ProtocolId.decode(bytes(size))


HELLO = Hello(ProtocolId(3, 0, 1), key("r").public, LOCATION, SITE)
CERTIFICATE = Tlv(0x10, bytes(138))


def collect(*notifications: bytes) -> Hello | None:
    assembly = HelloAssembly()
    hello = None
    for data in notifications:
        hello = assembly.add(*parse_row(data))
    return hello


class TestHello:
    def test_size(self) -> None:
        assert len(HELLO.encode()) == SIZE

    @pytest.mark.parametrize(
        ("room", "sizes"),
        [
            (514, [78]),
            (78, [78]),
            (77, [60, 18]),
            (60, [60, 18]),
            (59, [42, 36]),
            (42, [42, 36]),
            (41, [7, 35, 36]),
            (36, [7, 35, 36]),
            (35, [7, 35, 18, 18]),
        ],
    )
    def test_cut_between_tlvs(self, room: int, sizes: list[int]) -> None:
        pieces = HELLO.split(room)
        assert [len(piece) for piece in pieces] == sizes
        assert b"".join(pieces) == HELLO.encode()
        assert collect(*pieces) == HELLO

    def test_three_ways(self) -> None:
        feed_prefixes(collect, HELLO.encode())
        feed_trailing(collect, HELLO.encode())

    @QUICK
    @given(st.lists(st.binary(max_size=100), max_size=12))
    def test_random_bytes(self, notifications: list[bytes]) -> None:
        attempt(lambda data: collect(*notifications, data), b"")

    def test_any_order_unknown_tags_and_repetitions(self) -> None:
        pieces = HELLO.split(35)
        assert collect(pieces[3], b"\x80\x01x", pieces[3], pieces[1], pieces[0], pieces[2]) == HELLO

    @pytest.mark.parametrize("lengths", list(Lengths))
    @pytest.mark.parametrize("where", ["before", "among"])
    def test_a_certificate_is_survived(self, lengths: Lengths, where: str) -> None:
        certificate = encode_compact(*CERTIFICATE, lengths)
        pieces = HELLO.split(60)
        assembly = HelloAssembly()
        row = certificate if where == "before" else pieces[0] + certificate
        assert assembly.add(*parse_row(row)) is None
        assert assembly.lengths is lengths
        assert (
            assembly.add(*parse_row(pieces[1] + (pieces[0] if where == "before" else b""))) == HELLO
        )
        assert assembly.lengths is lengths

    def test_without_a_certificate_lengths_have_one_byte(self) -> None:
        assembly = HelloAssembly()
        assembly.add(*parse_row(HELLO.encode()))
        assert assembly.lengths is Lengths.ONE_BYTE

    def test_a_value_must_not_change(self) -> None:
        with pytest.raises(Malformed, match="tag 0E has changed"):
            collect(b"\x0e\x10" + bytes(16), HELLO.encode())

    def test_it_must_end(self) -> None:
        with pytest.raises(Malformed, match="no end"):
            collect(*[b"\x0e\x10" + SITE] * 11)

    @pytest.mark.parametrize(
        ("tag", "value", "reason"),
        [
            (0x02, key("r").public.point, Reason.WRONG_LENGTH),
            (0x02, key("r").public.x, Reason.WRONG_LENGTH),
            (0x02, b"\x02" + bytes(31) + b"\x01", Reason.OFF_CURVE),
            (0x0D, bytes(32), Reason.WRONG_LENGTH),
            (0x0E, bytes(15), Reason.WRONG_LENGTH),
            (0x0C, bytes(3), Reason.MALFORMED),
        ],
    )
    def test_each_field_has_its_length(self, tag: int, value: bytes, reason: Reason) -> None:
        row = dict(parse_row(HELLO.encode())[1])
        row[tag] = value
        with pytest.raises(RuleBroken) as caught:
            collect(b"".join(encode_compact(*each) for each in row.items()))
        assert caught.value.reason is reason
