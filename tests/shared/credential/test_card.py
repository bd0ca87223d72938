"""The card's edge: commands put together, responses handed out, applications found by name."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import EXTENDED_DATA, SW, CommandAPDU, ResponseAPDU
from shared.credential.card import BUFFER, Card
from shared.credential.exchange import SHORT, Form, exchange
from shared.credential.tlv import Malformed
from tests.shared.credential.keys import QUICK

AID = bytes.fromhex("A000000999 01")
OTHER = bytes.fromhex("A000000999 02")


@dataclass
class Echo:
    """Says back what it was told, so many times."""

    aid: bytes = AID
    times: int = 1
    selected: int = 0
    heard: list[CommandAPDU] = field(default_factory=list)

    def select(self) -> ResponseAPDU:
        self.selected += 1
        return ResponseAPDU(self.aid, SW.OK)

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        self.heard.append(command)
        if command.data == b"bad":
            raise Malformed("no")
        return ResponseAPDU(command.data * self.times, SW.OK)


def select(name: bytes, p2: int = 0) -> bytes:
    return CommandAPDU(0x00, 0xA4, 0x04, p2, name, 256).encode()


def status(raw: bytes) -> str:
    return ResponseAPDU.decode(raw).encode()[-2:].hex()


def ask(card: Card, command: CommandAPDU, form: Form = SHORT) -> ResponseAPDU:
    """What a reader gets that does everything right."""
    conversation = exchange(command, form)
    raw = next(conversation)
    while True:
        try:
            raw = conversation.send(card.receive(raw))
        except StopIteration as end:
            response: ResponseAPDU = end.value
            return response


class TestSelect:
    def test_by_name_and_by_the_beginning_of_it(self) -> None:
        one, two = Echo(), Echo(OTHER)
        card = Card([one, two])
        for name, found in ((AID, one), (OTHER, two), (AID[:5], one), (AID, one)):
            before = found.selected
            assert card.receive(select(name)) == found.aid + b"\x90\x00"
            assert found.selected == before + 1

    @pytest.mark.parametrize("name", [b"", AID[:4], AID + b"\0", b"\0" * 6])
    def test_what_it_does_not_have(self, name: bytes) -> None:
        card = Card([Echo()])
        card.receive(select(AID))
        assert status(card.receive(select(name))) == "6a82"
        assert status(card.receive(bytes.fromhex("80010000"))) == "6985"  # nothing is selected

    def test_only_by_name_and_the_first(self) -> None:
        assert status(Card([Echo()]).receive(select(AID, p2=0x02))) == "6b00"


class TestChaining:
    @QUICK
    @given(st.binary(max_size=1500), st.sampled_from([SHORT, Form.announced(300)]))
    def test_whatever_its_length_it_arrives_whole_and_comes_back(
        self, data: bytes, form: Form
    ) -> None:
        echo = Echo(times=2)
        card = Card([echo])
        ask(card, CommandAPDU.decode(select(AID)))
        response = ask(card, CommandAPDU(0x80, 0x01, 0x02, 0x03, data, 256), form)
        assert response == ResponseAPDU(data * 2, SW.OK)
        assert [(one.cla, one.data) for one in echo.heard] == [(0x80, data)]

    def test_another_command_in_the_middle_of_a_chain(self) -> None:
        echo = Echo()
        card = Card([echo])
        card.receive(select(AID))
        assert status(card.receive(bytes.fromhex("90010000 01 AA"))) == "9000"
        assert status(card.receive(bytes.fromhex("80020000 01 BB"))) == "6883"
        assert card.receive(bytes.fromhex("80010000 01 CC")) == b"\xcc\x90\x00"  # chain forgotten

    def test_a_chain_without_end_is_cut(self) -> None:
        card = Card([Echo()])
        card.receive(select(AID))
        block = CommandAPDU(0x90, 0x01, 0, 0, bytes(255)).encode()
        said = [status(card.receive(block)) for _ in range(BUFFER // 255 + 1)]
        assert said == ["9000"] * (BUFFER // 255) + ["6700"]

    def test_a_chain_ends_with_no_more_than_it_may_hold(self) -> None:
        card = Card([Echo()])
        card.receive(select(AID))
        block = CommandAPDU(0x90, 0x01, 0, 0, bytes(BUFFER))
        longest = CommandAPDU(0x80, 0x01, 0, 0, bytes(EXTENDED_DATA))
        assert status(card.receive(block.encode())) == "9000"
        assert status(card.receive(longest.encode())) == "6700"
        assert card.receive(bytes.fromhex("80010000 01 CC")) == b"\xcc\x90\x00"  # chain forgotten

    def test_more_can_be_fetched_once_and_not_after_something_else(self) -> None:
        card = Card([Echo(times=300)])
        card.receive(select(AID))
        first = ResponseAPDU.decode(card.receive(bytes.fromhex("80010000 01 AA 00")))
        assert (len(first.data), first.sw) == (256, 0x612C)
        rest = ResponseAPDU.decode(card.receive(bytes.fromhex("00C0000000")))
        assert (len(rest.data), rest.sw) == (44, SW.OK)
        assert status(card.receive(bytes.fromhex("00C0000000"))) == "6985"
        card.receive(bytes.fromhex("80010000 01 AA 00"))
        card.receive(bytes.fromhex("80010000 00"))
        assert status(card.receive(bytes.fromhex("00C0000000"))) == "6985"


def test_what_an_application_cannot_read_is_a_wrong_length() -> None:
    card = Card([Echo()])
    card.receive(select(AID))
    assert card.receive(CommandAPDU(0x80, 1, 0, 0, b"bad").encode()) == bytes.fromhex("6700")


@QUICK
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_nothing_that_a_reader_sends_raises(commands: list[bytes]) -> None:
    card = Card([Echo()])
    for raw in (select(AID), *commands):
        assert 2 <= len(card.receive(raw)) <= 258
