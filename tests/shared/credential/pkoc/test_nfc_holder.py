"""Our card: what it answers, in which words it refuses, and the little that it signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import ResponseAPDU
from shared.credential.card import Card
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.pkoc.nfc_messages import AuthenticateAnswer
from tests.shared.credential.keys import QUICK, key

ALICE = key("alice")
SELECT = bytes.fromhex("00A4040008A00000089800000100")
NUMBER = bytes(range(16))
CHALLENGE = bytes.fromhex("5C020100 4C10") + NUMBER + bytes.fromhex("4D20") + bytes(32)


def authenticate(data: bytes, le: str = "00") -> bytes:
    return bytes.fromhex("80800001") + bytes((len(data),)) + data + bytes.fromhex(le)


def selected() -> Card:
    card = Card([PkocApplication(ALICE)])
    assert card.receive(SELECT).hex() == "5c0201009000"
    return card


def signed(response: bytes) -> bool:
    """Whether the card has signed the number, which it must say with 9000."""
    answer = ResponseAPDU.decode(response)
    if not answer.data:
        return False
    assert answer.sw == 0x9000
    shown = AuthenticateAnswer.decode(answer.data)
    return shown.point == ALICE.public.point and ALICE.public.verifies(shown.signature, NUMBER)


@pytest.mark.parametrize("le", ["00", ""])
def test_it_signs_the_transaction_identifier(le: str) -> None:
    response = selected().receive(authenticate(CHALLENGE, le))
    assert len(response) == 135
    assert signed(response)


@pytest.mark.parametrize("size", [0, 16, 32])
def test_the_reader_identifier_is_ignored(size: int) -> None:
    data = CHALLENGE[:22] + (bytes((0x4D, size)) + bytes(size) if size else b"")
    assert signed(selected().receive(authenticate(data)))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_any_order_and_unknown_tags(order: tuple[int, ...]) -> None:
    parts = [CHALLENGE[:4], CHALLENGE[4:22], CHALLENGE[22:]]
    data = b"\xf9\x01\x00" + b"".join(parts[index] for index in order)
    assert signed(selected().receive(authenticate(data)))


def test_several_attempts_in_one_activation() -> None:
    card = selected()
    assert signed(card.receive(authenticate(CHALLENGE)))
    assert signed(card.receive(authenticate(CHALLENGE)))


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("", "6700"),
        ("00A404", "6700"),
        ("00A40400 0A A000000898000001 00", "6700"),  # Lc lies
        ("00A4040C 08 A000000898000001 00", "6b00"),
        ("00A40000 08 A000000898000001 00", "6b00"),
        ("00A40400 08 A000000898000002 00", "6a82"),
        ("00A40400 09 A00000089800000100 00", "6a82"),
        ("00A40400 04 A0000008 00", "6a82"),
        ("00A40400", "6a82"),
        ("00C0000000", "6985"),  # there is nothing more
        ("00800001", "6d00"),
        ("80A40400", "6d00"),
        ("80810001", "6d00"),
        ("84800001", "6e00"),
        ("80800002 02 5C00 00", "6b00"),
        ("80800101 02 5C00 00", "6b00"),
        ("80800001", "6700"),
        ("80800001 04 5C020100 00", "6700"),  # no transaction identifier
        ("80800001 12 4C10 00000000000000000000000000000000 00", "6700"),  # no version
        ("80800001 15 5C0101 4C10 00000000000000000000000000000000 00", "6700"),
        ("80800001 16 5C020101 4C10 00000000000000000000000000000000 00", "6985"),
        ("80800001 16 5C020200 4C10 00000000000000000000000000000000 00", "6985"),
        ("80800001 15 5C020100 4C0F 000000000000000000000000000000 00", "6700"),
        ("80800001 03 5C0201 00", "6700"),
    ],
)
def test_status_words(command: str, sw: str) -> None:
    assert selected().receive(bytes.fromhex(command)).hex() == sw


def test_not_selected() -> None:
    assert Card([PkocApplication(ALICE)]).receive(authenticate(CHALLENGE)).hex() == "6985"


def test_another_selection_deselects() -> None:
    card = selected()
    assert card.receive(bytes.fromhex("00A40400 05 A000000001")).hex() == "6a82"
    assert card.receive(authenticate(CHALLENGE)).hex() == "6985"


@QUICK
@given(st.lists(st.binary(max_size=80), max_size=5))
def test_it_answers_anything_and_signs_nothing(commands: list[bytes]) -> None:
    card = selected()
    for command in commands:
        assert not signed(card.receive(command))


@QUICK
@given(st.integers(0, len(authenticate(CHALLENGE)) * 8 - 1))
def test_a_flipped_bit_never_gets_a_signature_over_another_number(bit: int) -> None:
    command = bytearray(authenticate(CHALLENGE))
    command[bit // 8] ^= 1 << bit % 8
    response = ResponseAPDU.decode(selected().receive(bytes(command)))
    if response.data:
        shown = AuthenticateAnswer.decode(response.data)
        assert ALICE.public.verifies(shown.signature, bytes(command)[11:27])
