"""Nobody is let in who has not answered this reader, in this transaction, himself.

An attacker has the air: he hears every transaction of two doors and two phones, and in each he
passes messages on, changes them, cuts them, or plays ones that he has heard before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.reader import Transaction
from shared.credential.card import Card
from shared.credential.outcome import Proven, Reason, Refused
from tests.shared.credential.aliro.ends import (
    ALICE,
    BOB,
    FAST,
    GROUP,
    READER,
    STANDARD,
    Door,
    Tap,
    credential,
    device,
)
from tests.shared.credential.keys import LONG, key

SELECT, AUTH0, AUTH1 = 0xA4, 0x80, 0x81
Meddle = Callable[[bytes], bytes]


def flip(place: int, bit: int) -> Meddle:
    def change(message: bytes) -> bytes:
        at = place % len(message)
        return message[:at] + bytes((message[at] ^ 1 << bit,)) + message[at + 1 :]

    return change


def cut(place: int) -> Meddle:
    return lambda message: message[: place % len(message)] + message[-2:]


PASS: st.SearchStrategy[Meddle] = st.just(bytes)
CHANGE = st.builds(flip, st.integers(0, 300), st.integers(0, 7)) | st.builds(
    cut, st.integers(0, 300)
)


@dataclass(frozen=True)
class Move:
    """What the attacker does to one command and its answer."""

    command: Meddle
    answer: Meddle
    replay: int | None  # play the so-many-th earlier answer to such a command instead


MOVE = st.builds(Move, PASS | CHANGE, PASS | CHANGE, st.none() | st.integers(0, 50))
LET_PASS = st.builds(Move, PASS, PASS, st.none())
TAP = st.tuples(st.integers(0, 1), st.integers(0, 1), st.booleans(),
                st.lists(LET_PASS | MOVE, min_size=4, max_size=4))  # fmt: skip


@dataclass
class Air:
    """Two doors of one group, which share the reader's key, and two phones."""

    doors: list[Door] = field(
        default_factory=lambda: [
            Door(),
            Door(ReaderIdentity(GROUP, bytes(16), READER.key), number=iter(range(1000, 2000))),
        ]
    )
    phones: list[Card] = field(
        default_factory=lambda: [Card([device(credential(who))]) for who in (ALICE, BOB)]
    )
    heard: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def tap(self, transaction: Transaction, phone: Card, moves: list[Move]) -> Proven | None:
        """Run a transaction through the attacker. Says whether all that counts went through."""
        dialogue, honest = transaction.authenticate(), True
        try:
            command = next(dialogue)
            for move in moves:
                ins = command[1]
                sent = move.command(command)
                answer = phone.receive(sent)
                self.heard[ins].append(answer)
                earlier = self.heard[ins]
                shown = earlier[move.replay % len(earlier)] if move.replay is not None else answer
                shown = move.answer(shown)
                if ins in (AUTH0, AUTH1):
                    honest &= sent == command and shown == answer
                command = dialogue.send(shown)
        except StopIteration as end:
            if isinstance(end.value, Proven):
                assert honest, "proven by what nobody said to this reader in this transaction"
                return end.value
        return None


@LONG
@given(st.lists(TAP, min_size=1, max_size=6))
def test_nobody_is_proven_by_what_he_has_not_said(
    taps: list[tuple[int, int, bool, list[Move]]],
) -> None:
    air = Air()
    for door, phone, granted, moves in taps:
        transaction = air.doors[door].transaction()
        proven = air.tap(transaction, air.phones[phone], moves)
        if proven is not None:
            event("proven")
            assert proven.key == (ALICE, BOB)[phone].public.point
        farewell = transaction.conclude(
            ReaderStatus.UNSECURED if granted else ReaderStatus.NO_ACCESS
        )
        if farewell is not None:
            Tap(air.phones[phone]).run(farewell)


def test_the_air_itself_changes_nothing() -> None:
    """Left alone, both doors know both phones, and the second time are fast."""
    air = Air()
    for names in (STANDARD, FAST):
        for door in air.doors:
            for phone in air.phones:
                assert door.tap(phone).names == names


def test_a_phone_relayed_to_the_other_door_proves_nothing_there() -> None:
    """The commands of one door go to the phone, its answers to the other door."""
    air = Air()
    here, there = (door.transaction().authenticate() for door in air.doors)
    phone, command = air.phones[0], next(here)
    next(there)
    for _ in (SELECT, AUTH0):
        answer = phone.receive(command)
        command = here.send(answer)
        there.send(answer)
    with pytest.raises(StopIteration) as end:
        there.send(phone.receive(command))
    assert end.value.value == Refused(Reason.DECRYPTION_FAILED)


def test_somebody_who_holds_a_kpersistent_of_another_door_is_nobody_here() -> None:
    """What a stolen reader gives away opens no other."""
    stolen, other, held = Door(), Door(ReaderIdentity(GROUP, bytes(16), READER.key)), credential()
    for door in (stolen, other):
        door.tap(device(held))
    (_, loot), *_ = stolen.store
    thief = credential(key("thief"))
    thief.key = ALICE  # for the public half in the salt; a thief has not the private one
    thief.remember(other.identity.reader_identifier, loot)
    transaction = other.transaction()
    dialogue, phone = transaction.authenticate(), Card([device(thief)])
    auth0 = dialogue.send(phone.receive(next(dialogue)))
    answered = dialogue.send(phone.receive(auth0))
    assert answered[1] == AUTH1  # not recognised: now it takes the private key
