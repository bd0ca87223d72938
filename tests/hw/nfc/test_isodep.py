"""The reader side of ISO 14443-4: chaining, repairs, and cards that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nfc.isodep import AnswerToSelect, CardFault, Initiator, Response, Send

OK = b"\x90\x00"
ATS = AnswerToSelect(frame_size=32, frame_wait=0.1, guard=0.0)


def exchange(initiator: Initiator, apdu: bytes, card: Callable[[bytes], bytes | None]) -> bytes:
    """Run one command against a card that is a function from block to block."""
    step: Send | Response = initiator.command(apdu)
    while isinstance(step, Send):
        assert 0 < step.wait <= 0.65
        assert len(step.block) <= ATS.frame_size - 2
        step = initiator.answered(card(step.block))
    return step.apdu


def script(*blocks: str | None) -> Callable[[bytes], bytes | None]:
    """A card that says these blocks, whatever it hears."""
    rest = iter(blocks)

    def card(_block: bytes) -> bytes | None:
        block = next(rest)
        return None if block is None else bytes.fromhex(block)

    return card


class TestAnswerToSelect:
    def test_a_full_one(self) -> None:
        ats = AnswerToSelect.parse(bytes.fromhex("0578008002"))
        assert ats.frame_size == 256
        assert ats.frame_wait == pytest.approx(0.0773, abs=1e-4)
        assert ats.guard == 0.0

    @pytest.mark.parametrize(
        ("ats", "size", "wait"),
        [
            ("01", 32, 0.005),  # nothing at all: the defaults of the standard
            ("0205", 64, 0.005),  # T0 alone; nfcpy raises IndexError here
            ("031500", 64, 0.005),  # TA1 only
            ("0325a0", 64, 0.3093),  # TB1 only
            ("034502", 64, 0.005),  # TC1 only
            ("0378ff", 256, None),  # torn
            ("057800f002", 256, 0.005),  # FWI 15 is reserved and means 4
            ("057800e002", 256, 0.65),  # FWI 14, five seconds: we do not wait so long
            ("057f008002", 256, 0.0773),  # a reserved frame size means the largest
            ("067780700280", 128, 0.0387),  # historical bytes
        ],
    )
    def test_what_is_left_out_has_the_value_of_the_standard(
        self, ats: str, size: int, wait: float | None
    ) -> None:
        if wait is None:
            with pytest.raises(CardFault, match="torn"):
                AnswerToSelect.parse(bytes.fromhex(ats))
        else:
            parsed = AnswerToSelect.parse(bytes.fromhex(ats))
            assert (parsed.frame_size, round(parsed.frame_wait, 3)) == (size, round(wait, 3))

    @pytest.mark.parametrize("ats", ["", "00", "02", "0570"])
    def test_a_torn_one_is_the_cards_fault(self, ats: str) -> None:
        with pytest.raises(CardFault):
            AnswerToSelect.parse(bytes.fromhex(ats))

    def test_the_guard_time_is_bounded(self) -> None:
        assert AnswerToSelect.parse(bytes.fromhex("0578008e02")).guard == 0.08
        assert AnswerToSelect.parse(bytes.fromhex("0578008f02")).guard == 0.0
        assert 0 < AnswerToSelect.parse(bytes.fromhex("0578008102")).guard < 0.001

    @given(st.binary(max_size=40))
    def test_any_bytes_are_an_answer_or_a_fault(self, data: bytes) -> None:
        try:
            ats = AnswerToSelect.parse(data)
        except CardFault:
            return
        assert 16 <= ats.frame_size <= 256
        assert 0 < ats.frame_wait <= 0.65
        assert 0 <= ats.guard <= 0.08


def test_one_block_each_way() -> None:
    initiator = Initiator(ATS)
    assert exchange(initiator, b"\x00\xa4", script("029000")) == OK
    assert initiator.command(b"\x00\xb0") == Send(bytes.fromhex("0300b0"), 0.1)


def test_a_long_command_is_cut_to_the_cards_frame_size() -> None:
    heard: list[bytes] = []
    answers = iter(["a2", "a3", "029000"])

    def card(block: bytes) -> bytes:
        heard.append(block)
        return bytes.fromhex(next(answers))

    apdu = bytes(range(70))
    assert exchange(Initiator(ATS), apdu, card) == OK
    assert [block[0] for block in heard] == [0x12, 0x13, 0x02]
    assert b"".join(block[1:] for block in heard) == apdu


def test_a_long_answer_is_put_together() -> None:
    assert exchange(Initiator(ATS), b"\x00", script("1201", "1302", "02039000")) == b"\1\2\3" + OK


def test_a_plea_for_time_is_granted() -> None:
    initiator = Initiator(ATS)
    initiator.command(b"\x00")
    granted = initiator.answered(bytes.fromhex("f203"))
    assert isinstance(granted, Send)
    assert granted.block == bytes.fromhex("f203")
    assert granted.wait == pytest.approx(0.3)
    assert initiator.answered(bytes.fromhex("f23b")) == Send(bytes.fromhex("f23b"), 0.65)
    assert initiator.answered(bytes.fromhex("029000")) == Response(OK)


def test_silence_is_repaired_with_a_nak_twice() -> None:
    initiator = Initiator(ATS)
    initiator.command(b"\x00")
    assert initiator.answered(None) == Send(b"\xb2", 0.1)
    assert initiator.answered(b"") == Send(b"\xb2", 0.1)
    with pytest.raises(CardFault, match="taken away"):
        initiator.answered(None)


def test_silence_in_the_middle_of_an_answer_is_repaired_with_an_ack() -> None:
    initiator = Initiator(ATS)
    initiator.command(b"\x00")
    assert initiator.answered(bytes.fromhex("1201")) == Send(b"\xa3", 0.1)
    assert initiator.answered(None) == Send(b"\xa3", 0.1)
    assert initiator.answered(bytes.fromhex("039000")) == Response(b"\x01" + OK)


def test_a_card_that_missed_a_block_gets_it_again() -> None:
    initiator = Initiator(ATS)
    first = initiator.command(b"\x00\x01")
    assert initiator.answered(None) == Send(b"\xb2", 0.1)
    assert initiator.answered(b"\xa3") == first
    assert initiator.answered(bytes.fromhex("029000")) == Response(OK)


def test_an_empty_command_is_our_bug() -> None:
    with pytest.raises(ValueError, match="at least four bytes"):
        Initiator(ATS).command(b"")


LIES = {
    "an empty block": ["02"],
    "an empty block in a chain": ["1201", "13"],
    "no status": ["0200"],
    "an acknowledgement instead of an answer": ["a2"],
    "an acknowledgement of nothing": ["1201", "a3"],
    "time without a factor": ["f2"],
    "time with factor 0": ["f200"],
    "time with factor 63": ["f23f"],
    "a deselect": ["c2"],
    "a NAK": ["b2"],
    "a card identifier that we never gave": ["0a009000"],
    "a node address": ["06009000"],
    "a reserved block": ["e2"],
    "a long acknowledgement": ["a200"],
    "an oversized frame": ["02" + "00" * 260],
    "a wrong block number for ever": ["039000"] * 5,
}


@pytest.mark.parametrize("blocks", LIES.values(), ids=LIES.keys())
def test_a_card_that_breaks_the_rules_is_given_up(blocks: list[str]) -> None:
    with pytest.raises(CardFault):
        exchange(Initiator(ATS), b"\x00\xa4", script(*blocks))


@pytest.mark.parametrize(
    "card",
    [
        lambda block: b"\xf2\x01",
        lambda block: bytes((0x12 | block[0] & 1, 0x00)),
        lambda block: bytes((0x12 | block[0] & 1,)) + bytes(253),
        lambda block: b"\xa3",
        lambda block: None,
    ],
    ids=["time for ever", "chaining for ever", "chaining much for ever", "misses all", "silent"],
)
def test_a_card_cannot_keep_us_for_ever(card: Callable[[bytes], bytes | None]) -> None:
    blocks = 0

    def counted(block: bytes) -> bytes | None:
        nonlocal blocks
        blocks += 1
        return card(block)

    with pytest.raises(CardFault):
        exchange(Initiator(ATS), b"\x00\xa4", counted)
    assert blocks <= 601


@given(
    st.binary(min_size=1, max_size=120),
    st.lists(st.none() | st.binary(max_size=260), min_size=1, max_size=40),
)
def test_any_card_ends_in_an_answer_or_a_fault(apdu: bytes, blocks: list[bytes | None]) -> None:
    initiator = Initiator(ATS)
    step: Send | Response = initiator.command(apdu)
    try:
        for block in blocks:
            assert isinstance(step, Send)
            step = initiator.answered(block)
            if isinstance(step, Response):
                assert len(step.apdu) >= 2
                return
    except CardFault:
        return
