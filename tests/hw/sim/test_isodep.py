"""The card side of ISO 14443-4, alone and against the reader side over a lossy field."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nfc.isodep import DESELECT, RATS, AnswerToSelect, CardFault, Initiator, Response, Send
from hw.sim.isodep import Abilities, Ask, IsoDepCard, Picc, State

OK = b"\x90\x00"


def active(abilities: Abilities | None = None) -> Picc:
    picc = Picc(abilities)
    assert picc.receive(RATS) is not None
    return picc


def test_before_its_selection_a_card_answers_to_nothing_else() -> None:
    picc = Picc()
    for frame in ("", "02009000", "c2", "b2", "e0", "e08000", "d011"):
        assert picc.receive(bytes.fromhex(frame)) is None
    assert picc.receive(RATS) == bytes.fromhex("0578008000")
    assert picc.state is State.ACTIVE


def test_abilities_are_what_a_reader_reads() -> None:
    abilities = Abilities(frame_size_index=5, waiting_index=10, historical=b"doorward")
    ats = AnswerToSelect.parse(abilities.to_ats())
    assert ats.frame_size == 64
    assert ats.frame_wait == pytest.approx(abilities.frame_wait)


def test_a_command_is_asked_and_answered_in_one_block() -> None:
    picc = active()
    assert picc.receive(bytes.fromhex("0200a4")) == Ask(bytes.fromhex("00a4"))
    assert picc.state is State.THINKING
    assert picc.answer(OK) == b"\x02" + OK
    assert picc.receive(bytes.fromhex("0300b0")) == Ask(bytes.fromhex("00b0"))
    assert picc.answer(OK) == b"\x03" + OK


def test_a_lost_answer_is_repeated() -> None:
    picc = active()
    picc.receive(bytes.fromhex("0200a4"))
    answer = picc.answer(OK)
    assert picc.receive(b"\xb2") == answer
    assert picc.receive(b"\xb2") == answer


def test_a_card_that_missed_a_block_says_so() -> None:
    assert active().receive(b"\xb2") == b"\xa3"


def test_while_it_thinks_a_card_asks_for_time_and_repeats_that() -> None:
    picc = active()
    picc.receive(bytes.fromhex("0200a4"))
    assert picc.receive(b"\xb2") is None  # it has nothing to repeat yet
    assert picc.extend(3) == bytes.fromhex("f203")
    assert picc.receive(b"\xb2") == bytes.fromhex("f203")
    assert picc.receive(bytes.fromhex("f203")) == Ask(bytes.fromhex("00a4"))
    assert picc.answer(OK) == b"\x02" + OK


def test_a_deselected_card_is_silent_until_the_field_returns() -> None:
    picc = active()
    assert picc.receive(DESELECT) == DESELECT
    assert picc.receive(RATS) is None
    picc.reset()
    assert picc.receive(RATS) is not None


def test_a_speed_change_is_acknowledged_and_changes_nothing() -> None:
    picc = active()
    assert picc.receive(bytes.fromhex("d01100")) == b"\xd0"
    assert picc.receive(bytes.fromhex("0200a4")) == Ask(bytes.fromhex("00a4"))


def test_an_endless_command_halts_the_card() -> None:
    picc = active()
    piece = bytes(253)
    for number in range(300):
        picc.receive(bytes((0x12 | number & 1,)) + piece)
    assert picc.state is State.HALTED


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_any_frames_leave_the_card_standing(frames: list[bytes]) -> None:
    card = IsoDepCard(lambda apdu: apdu + OK)
    card.receive(RATS)
    for frame in frames:
        card.receive(frame)
    card.reset()
    assert card.receive(RATS) is not None


def converse(
    card: IsoDepCard, initiator: Initiator, apdu: bytes, field: Callable[[], bool]
) -> bytes:
    """One command; `field` says of each frame, either way, whether it gets through."""
    step: Send | Response = initiator.command(apdu)
    while isinstance(step, Send):
        reply = card.receive(step.block) if field() else None
        step = initiator.answered(reply if field() else None)
    return step.apdu


@given(
    st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=4),
    st.integers(0, 8),
    st.integers(0, 2**32),
)
def test_reader_and_card_agree_or_give_up_over_a_lossy_field(
    commands: list[bytes], size: int, seed: int
) -> None:
    """Never a wrong answer: each command has the answer to itself, or a fault ends it all."""
    heard: list[bytes] = []

    def respond(apdu: bytes) -> bytes:
        heard.append(apdu)
        return apdu[::-1] + OK

    card = IsoDepCard(respond, Abilities(frame_size_index=size))
    ats = card.receive(RATS)
    assert ats is not None
    initiator = Initiator(AnswerToSelect.parse(ats))
    dice = random.Random(seed)
    for count, apdu in enumerate(commands, start=1):
        try:
            assert converse(card, initiator, apdu, lambda: dice.random() > 0.125) == apdu[::-1] + OK
        except CardFault:
            return
        assert heard == commands[:count]  # no command was carried out twice


@given(st.binary(min_size=1, max_size=600), st.integers(0, 8))
def test_any_length_in_any_frame_size(apdu: bytes, size: int) -> None:
    card = IsoDepCard(lambda command: command * 2 + OK, Abilities(frame_size_index=size))
    ats = card.receive(RATS)
    assert ats is not None
    initiator = Initiator(AnswerToSelect.parse(ats))
    assert converse(card, initiator, apdu, lambda: True) == apdu * 2 + OK
