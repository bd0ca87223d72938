"""APDUs in both forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU, describe
from shared.credential.tlv import Malformed
from tests.shared.credential.keys import QUICK
from tests.shared.credential.parsing import attempt, feed_trailing

BYTES = st.integers(0, 0xFF)
COMMANDS = st.builds(
    CommandAPDU,
    BYTES,
    BYTES,
    BYTES,
    BYTES,
    st.binary(max_size=300),
    st.none() | st.integers(1, 256) | st.integers(1, 0x10000),
)


class TestCommand:
    @QUICK
    @given(COMMANDS)
    def test_round_trip(self, command: CommandAPDU) -> None:
        assert CommandAPDU.decode(command.encode()) == command

    @QUICK
    @given(COMMANDS)
    def test_round_trip_in_extended_form(self, command: CommandAPDU) -> None:
        assert CommandAPDU.decode(command.encode_extended()) == command

    @QUICK
    @given(st.binary(max_size=270))
    def test_what_decodes_encodes_to_the_same_bytes(self, raw: bytes) -> None:
        command = attempt(CommandAPDU.decode, raw)
        if command is not None:
            assert raw in (command.encode(), command.encode_extended())

    def test_what_the_short_form_cannot_hold_is_extended(self) -> None:
        for command in (CommandAPDU(0, 1, 2, 3, bytes(256)), CommandAPDU(0, 1, 2, 3, le=257)):
            assert not command.is_short
            assert command.encode() == command.encode_extended()
            assert CommandAPDU.decode(command.encode()) == command

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("00A40400", CommandAPDU(0, 0xA4, 4, 0)),
            ("00C0000000", CommandAPDU(0, 0xC0, 0, 0, le=256)),
            ("00C0000094", CommandAPDU(0, 0xC0, 0, 0, le=0x94)),
            ("80800001 02 AABB", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb")),
            ("80800001 02 AABB 00", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb", 256)),
            ("80800001 00 0000", CommandAPDU(0x80, 0x80, 0, 1, le=0x10000)),
            ("80800001 00 0123", CommandAPDU(0x80, 0x80, 0, 1, le=0x123)),
            ("80800001 00 0002 AABB", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb")),
            ("80800001 00 0002 AABB 0100", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb", 256)),
            ("80800001 00 0002 AABB 0000", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb", 0x10000)),
        ],
    )
    def test_the_cases(self, text: str, expected: CommandAPDU) -> None:
        assert CommandAPDU.decode(bytes.fromhex(text)) == expected

    @pytest.mark.parametrize(
        ("text", "offset"),
        [
            ("", 0),
            ("00A404", 3),
            ("00A40400 02 AA", 4),  # Lc says two
            ("00A40400 01 AABBCC", 4),  # and one behind Le
            ("00A40400 00 0001 AABB", 5),  # half an extended Le
            ("00A40400 00 0002 AA", 5),  # extended Lc says two
            ("00A40400 00 0000 AA", 5),  # and none
        ],
    )
    def test_malformed(self, text: str, offset: int) -> None:
        with pytest.raises(Malformed) as caught:
            CommandAPDU.decode(bytes.fromhex(text))
        assert caught.value.offset == offset

    def test_trailing_bytes(self) -> None:
        feed_trailing(CommandAPDU.decode, CommandAPDU(0, 0xA4, 4, 0, b"AID", 256).encode())

    @pytest.mark.parametrize(("size", "le"), [(0x10000, None), (0, 0), (0, 0x10001)])
    def test_what_does_not_fit_is_our_own_fault(self, size: int, le: int | None) -> None:
        with pytest.raises(ValueError, match="not fit an APDU"):
            CommandAPDU(0, 0, 0, 0, bytes(size), le)

    def test_data_stays_out_of_the_log(self) -> None:
        assert "xab" not in repr(CommandAPDU(0, 0, 0, 0, b"\xab\xab"))


class TestResponse:
    @QUICK
    @given(st.binary(max_size=300), st.integers(0, 0xFFFF))
    def test_round_trip(self, data: bytes, sw: int) -> None:
        assert ResponseAPDU.decode(ResponseAPDU(data, sw).encode()) == ResponseAPDU(data, sw)

    @pytest.mark.parametrize("size", [0, 1, 0x10003])
    def test_malformed(self, size: int) -> None:
        with pytest.raises(Malformed, match=f"{size} bytes"):
            ResponseAPDU.decode(bytes(size))

    def test_representation(self) -> None:
        assert (
            repr(ResponseAPDU(b"\xab", SW.NOT_FOUND)) == "ResponseAPDU(1 bytes, 6A82 (not found))"
        )

    def test_unknown_status_words_are_shown_as_numbers(self) -> None:
        assert describe(0x6984) == "6984"
