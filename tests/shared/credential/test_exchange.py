"""One command until its complete response, with cards that make it long."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.errors import RuleBroken
from shared.credential.exchange import SHORT, Form, exchange
from shared.credential.tlv import Malformed
from tests.shared.credential.keys import QUICK

COMMAND = CommandAPDU(0x00, 0xCA, 0x7F, 0x21, le=256)
OK = ResponseAPDU(b"", SW.OK).encode()


def talk(
    command: CommandAPDU,
    card: Callable[[bytes], bytes],
    form: Form = SHORT,
    **limits: int,
) -> tuple[list[bytes], ResponseAPDU]:
    """Run the exchange with `card`; return what was sent, and the response."""
    conversation = exchange(command, form, **limits)
    sent = [next(conversation)]
    while True:
        try:
            sent.append(conversation.send(card(sent[-1])))
        except StopIteration as end:
            return sent, end.value


def saying(*responses: bytes) -> Callable[[bytes], bytes]:
    """A card that says these, one after the other."""
    left = iter(responses)
    return lambda _: next(left)


@pytest.mark.parametrize("sw", [SW.OK, SW.NOT_FOUND, 0x6283, 0x63C2])
def test_a_complete_response_passes(sw: int) -> None:
    sent, response = talk(COMMAND, saying(ResponseAPDU(b"data", sw).encode()))
    assert sent == [COMMAND.encode()]
    assert response == ResponseAPDU(b"data", sw)


def test_more_is_fetched() -> None:
    card = saying(b"one\x61\x03", b"two\x61\x00", b"end\x90\x00")
    sent, response = talk(COMMAND, card)
    assert [command.hex() for command in sent[1:]] == ["00c0000003", "00c0000000"]
    assert response == ResponseAPDU(b"onetwoend", SW.OK)


def test_what_ends_badly_is_told_with_what_came_before() -> None:
    _, response = talk(COMMAND, saying(b"one\x61\x03", b"\x6f\x00"))
    assert response == ResponseAPDU(b"one", SW.GENERAL_ERROR)


def test_another_length_is_asked_for_once() -> None:
    sent, response = talk(COMMAND, saying(b"\x6c\x0a", b"\x6c\x0b"))
    assert sent[1].hex() == "00ca7f210a"
    assert response == ResponseAPDU(b"", 0x6C0B)


def test_each_piece_may_ask_for_another_length() -> None:
    card = saying(b"\x6c\x00", b"one\x61\x05", b"\x6c\x03", b"two\x90\x00")
    sent, response = talk(COMMAND, card)
    assert [command.hex() for command in sent[1:]] == ["00ca7f2100", "00c0000005", "00c0000003"]
    assert response == ResponseAPDU(b"onetwo", SW.OK)


def test_endless_chaining_ends() -> None:
    asked = 0

    def card(_: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return b"\x61\x00"

    with pytest.raises(Malformed, match="without end"):
        talk(COMMAND, card, rounds=3)
    assert asked == 3


@pytest.mark.parametrize("last", ["6100", "9000"])
def test_too_much_in_all_is_refused(last: str) -> None:
    pieces = [bytes(200) + b"\x61\x00", bytes(57) + bytes.fromhex(last)]
    with pytest.raises(Malformed):
        talk(COMMAND, saying(*pieces, b"\x90\x00"), size=256)


def test_too_much_in_one_is_refused() -> None:
    with pytest.raises(Malformed):
        talk(COMMAND, saying(bytes(257) + b"\x90\x00"), size=256)


class TestChaining:
    def test_what_fits_goes_in_one_command(self) -> None:
        command = CommandAPDU(0x80, 0xD1, 0, 0, bytes(255), 256)
        assert talk(command, saying(OK))[0] == [command.encode()]

    def test_what_does_not_fit_goes_in_blocks(self) -> None:
        data = bytes(range(256)) * 2 + b"end"
        command = CommandAPDU(0x80, 0xD1, 0, 0, data, 256)
        sent, response = talk(command, saying(OK, OK, b"done\x90\x00"))
        blocks = [CommandAPDU.decode(raw) for raw in sent]
        assert [block.cla for block in blocks] == [0x90, 0x90, 0x80]
        assert {(block.ins, block.p1, block.p2, block.le) for block in blocks} == {
            (0xD1, 0, 0, 256)
        }
        assert [len(block.data) for block in blocks] == [255, 255, 5]
        assert b"".join(block.data for block in blocks) == data
        assert response == ResponseAPDU(b"done", SW.OK)

    def test_blocks_of_case_3_ask_for_nothing(self) -> None:
        command = CommandAPDU(0x00, 0x87, 7, 0x9E, bytes(300), 256)
        sent, _ = talk(command, saying(OK, OK), Form(le_in_blocks=False))
        assert [CommandAPDU.decode(raw).le for raw in sent] == [None, 256]
        assert len(sent[0]) == 4 + 1 + 255

    @pytest.mark.parametrize("answer", ["6884", "6700", "6a80", "aabb9000", "6105"])
    def test_a_card_that_refuses_a_block_gets_no_more(self, answer: str) -> None:
        command = CommandAPDU(0x80, 0xD1, 0, 0, bytes(600), 256)
        raw = bytes.fromhex(answer)
        sent, response = talk(command, saying(raw))
        assert len(sent) == 1
        assert response.encode() == raw


class TestForm:
    def test_extended_holds_it_in_one(self) -> None:
        form = Form.announced(0x0200)
        data = bytes(0x0200 - 9)
        command = CommandAPDU(0x80, 0x81, 0, 0, data, 256)
        sent, _ = talk(command, saying(OK), form)
        assert len(sent[0]) == 0x0200
        assert sent == [command.encode_extended()]

    def test_and_is_chained_beyond(self) -> None:
        form = Form.announced(0x0200)
        sent, _ = talk(CommandAPDU(0x80, 0x81, 0, 0, bytes(0x01F8), 256), saying(OK, OK), form)
        assert [raw[0] for raw in sent] == [0x90, 0x80]

    @pytest.mark.parametrize("size", [0, 4, 255, 264])
    def test_a_card_that_announces_less_is_asked_in_the_short_form(self, size: int) -> None:
        assert Form.announced(size) == SHORT

    def test_it_never_holds_less_than_the_short_form(self) -> None:
        assert Form.announced(265).data > SHORT.data


@QUICK
@given(st.lists(st.binary(max_size=260), max_size=20), st.binary(max_size=600))
def test_any_card_is_done_within_the_rounds(answers: list[bytes], data: bytes) -> None:
    def card(responses: Iterable[bytes]) -> Callable[[bytes], bytes]:
        left = iter(responses)
        return lambda _: next(left, b"\x61\x00")

    try:
        sent, _ = talk(CommandAPDU(0x80, 0xD1, 0, 0, data, 256), card(answers))
    except RuleBroken:
        return
    assert len(sent) <= 40
