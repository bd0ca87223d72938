"""APDUs in short form, and an exchange that any card may try to draw out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import SW, CommandAPDU, Exchange, ResponseAPDU, describe
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
    st.binary(max_size=255),
    st.none() | st.integers(1, 256),
)


class TestCommand:
    @QUICK
    @given(COMMANDS)
    def test_round_trip(self, command: CommandAPDU) -> None:
        assert CommandAPDU.decode(command.encode()) == command

    @QUICK
    @given(st.binary(max_size=270))
    def test_what_decodes_encodes_to_the_same_bytes(self, raw: bytes) -> None:
        command = attempt(CommandAPDU.decode, raw)
        if command is not None:
            assert command.encode() == raw

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("00A40400", CommandAPDU(0, 0xA4, 4, 0)),
            ("00C0000000", CommandAPDU(0, 0xC0, 0, 0, le=256)),
            ("00C0000094", CommandAPDU(0, 0xC0, 0, 0, le=0x94)),
            ("80800001 02 AABB", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb")),
            ("80800001 02 AABB 00", CommandAPDU(0x80, 0x80, 0, 1, b"\xaa\xbb", 256)),
        ],
    )
    def test_the_four_cases(self, text: str, expected: CommandAPDU) -> None:
        assert CommandAPDU.decode(bytes.fromhex(text)) == expected

    @pytest.mark.parametrize(
        ("text", "offset"),
        [
            ("", 0),
            ("00A404", 3),
            ("00A40400 02 AA", 4),  # Lc says two
            ("00A40400 01 AABBCC", 4),  # and one behind Le
            ("00A40400 000001 AA", 4),  # extended length
        ],
    )
    def test_malformed(self, text: str, offset: int) -> None:
        with pytest.raises(Malformed) as caught:
            CommandAPDU.decode(bytes.fromhex(text))
        assert caught.value.offset == offset

    def test_trailing_bytes(self) -> None:
        feed_trailing(CommandAPDU.decode, CommandAPDU(0, 0xA4, 4, 0, b"AID", 256).encode())

    @pytest.mark.parametrize(("size", "le"), [(256, None), (0, 0), (0, 257)])
    def test_what_does_not_fit_is_our_own_fault(self, size: int, le: int | None) -> None:
        with pytest.raises(ValueError, match="short APDU"):
            CommandAPDU(0, 0, 0, 0, bytes(size), le)

    def test_data_stays_out_of_the_log(self) -> None:
        assert "xab" not in repr(CommandAPDU(0, 0, 0, 0, b"\xab\xab"))


class TestResponse:
    @QUICK
    @given(st.binary(max_size=256), st.integers(0, 0xFFFF))
    def test_round_trip(self, data: bytes, sw: int) -> None:
        assert ResponseAPDU.decode(ResponseAPDU(data, sw).encode()) == ResponseAPDU(data, sw)

    @pytest.mark.parametrize("size", [0, 1, 259])
    def test_malformed(self, size: int) -> None:
        with pytest.raises(Malformed, match=f"{size} bytes"):
            ResponseAPDU.decode(bytes(size))

    def test_representation(self) -> None:
        assert (
            repr(ResponseAPDU(b"\xab", SW.NOT_FOUND)) == "ResponseAPDU(1 bytes, 6A82 (not found))"
        )

    def test_unknown_status_words_are_shown_as_numbers(self) -> None:
        assert describe(0x6984) == "6984"


class TestExchange:
    COMMAND = CommandAPDU(0x00, 0xCA, 0x7F, 0x21, le=256)

    @pytest.mark.parametrize("sw", [SW.OK, SW.NOT_FOUND, 0x6283, 0x63C2])
    def test_a_complete_response_passes(self, sw: int) -> None:
        exchange = Exchange(self.COMMAND)
        assert exchange.first() == self.COMMAND.encode()
        assert exchange.receive(ResponseAPDU(b"data", sw).encode()) == ResponseAPDU(b"data", sw)

    def test_more_is_fetched(self) -> None:
        exchange = Exchange(self.COMMAND)
        exchange.first()
        assert exchange.receive(b"one" + b"\x61\x03") == bytes.fromhex("00C0000003")
        assert exchange.receive(b"two" + b"\x61\x00") == bytes.fromhex("00C0000000")
        assert exchange.receive(b"end" + b"\x90\x00") == ResponseAPDU(b"onetwoend", SW.OK)

    def test_another_length_is_asked_for_once(self) -> None:
        exchange = Exchange(self.COMMAND)
        exchange.first()
        assert exchange.receive(b"\x6c\x0a") == bytes.fromhex("00CA7F210A")
        assert exchange.receive(b"\x6c\x0b") == ResponseAPDU(b"", 0x6C0B)

    def test_each_piece_may_ask_for_another_length(self) -> None:
        exchange = Exchange(self.COMMAND)
        exchange.first()
        assert exchange.receive(b"\x6c\x00") == self.COMMAND.encode()
        assert exchange.receive(b"one" + b"\x61\x05") == bytes.fromhex("00C0000005")
        assert exchange.receive(b"\x6c\x03") == bytes.fromhex("00C0000003")
        assert exchange.receive(b"two" + b"\x90\x00") == ResponseAPDU(b"onetwo", SW.OK)

    def test_endless_chaining_ends(self) -> None:
        exchange = Exchange(self.COMMAND, rounds=3)
        exchange.first()
        exchange.receive(b"\x61\x00")
        exchange.receive(b"\x61\x00")
        with pytest.raises(Malformed, match="without end"):
            exchange.receive(b"\x61\x00")

    @QUICK
    @given(st.lists(st.binary(max_size=260), max_size=20))
    def test_any_card_is_done_within_the_rounds(self, responses: list[bytes]) -> None:
        exchange = Exchange(self.COMMAND)
        exchange.first()
        asked = 1
        for raw in responses:
            answer = attempt(exchange.receive, raw)
            if not isinstance(answer, bytes):
                break
            asked += 1
        assert asked <= 16
