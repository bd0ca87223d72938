"""A dialogue against the clock: it ends, in an outcome, whatever the card does."""

from __future__ import annotations

import math

import pytest

from shared.credential.errors import Misuse, RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import (
    Outcome,
    Proven,
    Reason,
    Refused,
    Standard,
    Strength,
    Transport,
)
from shared.credential.session import Finished, Send
from shared.credential.tag import MAX_BYTES, MAX_COMMANDS, TOTAL_SECONDS, TagSession

WHO = Proven(bytes(65), Standard.PKOC, Transport.NFC, Strength.ONE_WAY)


def asking(times: int) -> Dialogue[Outcome]:
    """Asks so often, and then believes anything."""
    for number in range(times):
        yield bytes((number & 0xFF,))
    return WHO


def silent() -> Dialogue[Outcome]:
    yield from ()
    return WHO


def offended() -> Dialogue[Outcome]:
    yield b"hello"
    raise RuleBroken(Reason.OFF_CURVE, "that is no point")


def test_it_asks_and_ends() -> None:
    session = TagSession(asking(2), now=5.0)
    assert session.deadline == 5.0 + TOTAL_SECONDS
    assert session.start() == b"\x00"
    assert session.receive(b"", 5.0) == Send(b"\x01")
    assert session.receive(b"", 5.0) == Finished(WHO)
    assert session.receive(b"", 5.0) is None
    assert (session.deadline, session.expire(99.0), session.lost()) == (math.inf, None, None)


def test_a_broken_rule_is_a_refusal() -> None:
    session = TagSession(offended(), now=0.0)
    session.start()
    ending = session.receive(b"", 0.0)
    assert ending == Finished(Refused(Reason.OFF_CURVE))
    assert isinstance(ending, Finished)
    assert isinstance(ending.outcome, Refused)
    assert ending.outcome.detail == "that is no point"


def test_its_time_is_over_at_the_deadline_whatever_comes() -> None:
    for late in (TOTAL_SECONDS, TOTAL_SECONDS + 60):
        session = TagSession(asking(1), now=0.0)
        session.start()
        assert session.expire(TOTAL_SECONDS - 0.1) is None
        assert session.receive(b"in time?", late) == Finished(Refused(Reason.TIMEOUT))


def test_a_card_that_leaves() -> None:
    session = TagSession(asking(1), now=0.0)
    session.start()
    assert session.lost() == Finished(Refused(Reason.LINK_LOST))
    assert session.receive(b"back", 0.0) is None


def test_no_standard_asks_for_ever() -> None:
    session = TagSession(asking(10**6), now=0.0)
    session.start()
    sent = 1
    while isinstance(step := session.receive(b"", 0.0), Send):
        sent += 1
    assert step == Finished(Refused(Reason.MALFORMED))
    assert sent == MAX_COMMANDS


def test_no_card_talks_for_ever() -> None:
    session = TagSession(asking(10**6), now=0.0)
    session.start()
    heard = 0
    while isinstance(step := session.receive(bytes(4096), 0.0), Send):
        heard += 4096
    assert step == Finished(Refused(Reason.MALFORMED))
    assert heard <= MAX_BYTES


def test_what_was_going_on_is_let_go_of() -> None:
    def careful() -> Dialogue[Outcome]:
        try:
            yield b"hello"
        finally:
            ended.append("here")
        return WHO

    ended: list[str] = []
    session = TagSession(careful(), now=0.0)
    session.start()
    session.expire(99.0)
    assert ended == ["here"]


def test_a_dialogue_without_a_word_is_our_own_fault() -> None:
    with pytest.raises(Misuse, match="nothing to say"):
        TagSession(silent(), now=0.0).start()


def test_after_the_end_there_is_no_beginning() -> None:
    session = TagSession(asking(1), now=0.0)
    session.lost()
    with pytest.raises(Misuse, match="over"):
        session.start()
