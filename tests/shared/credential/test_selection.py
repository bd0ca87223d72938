"""Which standard a card speaks is found out with one SELECT each, and never twice."""

from __future__ import annotations

import pytest

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.errors import Misuse
from shared.credential.exchange import Dialogue, exchange
from shared.credential.outcome import (
    Outcome,
    Proven,
    Reason,
    Refused,
    Standard,
    Strength,
    Transport,
)
from shared.credential.selection import check_selected, try_in_order
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession

# Phones say 6F00 while their application is set to another radio, some cards 6999.
UNAVAILABLE = ["6F00", "6999", "6985", "6283", "0000"]
FOREIGN = ["6A82", "6A81", "6A86", "6D00", "6E00", "6700", "6B00"]


def standard(name: bytes) -> Dialogue[Outcome]:
    """One that selects `name`, asks one question, and believes a 9000."""
    check_selected((yield from exchange(CommandAPDU(0x00, 0xA4, 0x04, 0x00, name, 256))))
    answer = yield from exchange(CommandAPDU(0x80, 0x01, 0x00, 0x00))
    if answer.sw == SW.FAILURE:
        return Refused(Reason.UNKNOWN_READER, "nobody here")
    if answer.sw != SW.OK:
        return Refused(Reason.BAD_SIGNATURE, "it does not hold")
    return Proven(name, Standard.PKOC, Transport.NFC, Strength.ONE_WAY)


def tap(names: list[bytes], card: dict[bytes, list[str]]) -> tuple[list[bytes], Outcome]:
    """A card that answers SELECT and question of the applications it has. What it was asked."""
    session = TagSession(try_in_order([standard(name) for name in names]), now=0.0)
    command, asked = session.start(), []
    answers: list[str] = []
    while True:
        asked.append(command)
        apdu = CommandAPDU.decode(command)
        if apdu.ins == 0xA4:
            answers = list(card.get(apdu.data, ["6A82"]))
        match session.receive(ResponseAPDU(b"", int(answers.pop(0), 16)).encode(), 0.0):
            case Send(command):
                pass
            case Finished(outcome):
                return asked, outcome
            case None:
                raise AssertionError("every response moves it on")


NAMES = [b"first", b"second", b"third"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_first_that_the_card_knows(at: int) -> None:
    asked, outcome = tap(NAMES, {NAMES[at]: ["9000", "9000"]})
    assert len(asked) == at + 2
    assert isinstance(outcome, Proven)
    assert outcome.key == NAMES[at]


@pytest.mark.parametrize("sw", FOREIGN)
def test_a_card_that_is_none_of_them_costs_one_select_each(sw: str) -> None:
    asked, outcome = tap(NAMES, {name: [sw] for name in NAMES})
    assert [CommandAPDU.decode(command).data for command in asked] == NAMES
    assert outcome == Refused(Reason.NOT_THIS_STANDARD)


def test_the_order_is_the_doors() -> None:
    card = {name: ["9000", "9000"] for name in NAMES}
    for order in (NAMES, NAMES[::-1]):
        _, outcome = tap(order, card)
        assert isinstance(outcome, Proven)
        assert outcome.key == order[0]


@pytest.mark.parametrize("sw", UNAVAILABLE)
def test_an_application_that_will_not_serve_leaves_it_to_the_next(sw: str) -> None:
    asked, outcome = tap(NAMES, {NAMES[0]: [sw], NAMES[1]: ["9000", "9000"]})
    assert len(asked) == 3
    assert isinstance(outcome, Proven)
    assert outcome.key == NAMES[1]


@pytest.mark.parametrize("sw", UNAVAILABLE)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_and_is_told_if_there_is_no_other(sw: str, at: int) -> None:
    asked, outcome = tap(NAMES, {NAMES[at]: [sw]})
    assert [CommandAPDU.decode(command).data for command in asked] == NAMES
    assert outcome == Refused(Reason.UNAVAILABLE)
    assert isinstance(outcome, Refused)
    assert sw in outcome.detail


def test_what_fails_after_the_select_never_falls_back() -> None:
    asked, outcome = tap(NAMES, {NAMES[0]: ["9000", "6982"], NAMES[1]: ["9000", "9000"]})
    assert len(asked) == 2
    assert outcome == Refused(Reason.BAD_SIGNATURE)


def test_who_is_nobody_in_one_may_be_somebody_in_the_next() -> None:
    asked, outcome = tap(NAMES, {NAMES[0]: ["9000", "6400"], NAMES[1]: ["9000", "9000"]})
    assert len(asked) == 4
    assert isinstance(outcome, Proven)
    assert outcome.key == NAMES[1]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_who_is_nobody_in_any_has_tried(at: int) -> None:
    asked, outcome = tap(NAMES, {NAMES[at]: ["9000", "6400"]})
    assert len(asked) == 4
    assert outcome == Refused(Reason.UNKNOWN_READER)


def test_what_fails_next_is_what_counts() -> None:
    asked, outcome = tap(NAMES, {NAMES[0]: ["9000", "6400"], NAMES[1]: ["9000", "6982"]})
    assert len(asked) == 4
    assert outcome == Refused(Reason.BAD_SIGNATURE)


def test_a_door_that_takes_nothing_is_our_own_fault() -> None:
    with pytest.raises(Misuse, match="nothing to ask"):
        try_in_order([])
