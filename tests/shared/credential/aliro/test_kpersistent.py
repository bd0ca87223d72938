"""The reader's memory: bounded, the regulars stay, and it survives being stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.p256 import PublicKey
from tests.shared.credential.keys import QUICK, key

PEOPLE = [key(f"person {number}").public for number in range(6)]
PERSON = st.sampled_from(PEOPLE)
SECRET = st.binary(min_size=32, max_size=32)
CAPACITY = 4


class Memory(RuleBasedStateMachine):
    """Against a plain list, the most recently used first."""

    def __init__(self) -> None:
        super().__init__()
        self.store = KpersistentStore(CAPACITY)
        self.model: list[tuple[PublicKey, bytes]] = []

    @rule(person=PERSON, secret=SECRET)
    def remember(self, person: PublicKey, secret: bytes) -> None:
        self.store.remember(person, secret)
        rest = [entry for entry in self.model if entry[0] != person]
        self.model = [(person, secret), *rest][:CAPACITY]

    @rule(person=PERSON)
    def touch(self, person: PublicKey) -> None:
        self.store.touch(person)
        self.model.sort(key=lambda entry: entry[0] != person)

    @rule(person=PERSON)
    def forget(self, person: PublicKey) -> None:
        self.store.forget(person)
        self.model = [entry for entry in self.model if entry[0] != person]

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model = []

    @rule()
    def store_and_load(self) -> None:
        self.store = KpersistentStore.decode(self.store.encode(), CAPACITY)

    @invariant()
    def as_the_model(self) -> None:
        assert list(self.store) == self.model
        assert len(self.store) == len(self.model)


TestMemory = Memory.TestCase
TestMemory.settings = settings(QUICK, max_examples=30, stateful_step_count=30)


def full() -> KpersistentStore:
    store = KpersistentStore()
    for number, person in enumerate(PEOPLE):
        store.remember(person, bytes([number]) * 32)
    return store


def test_what_has_no_room_any_more_goes_from_the_end() -> None:
    small = KpersistentStore.decode(full().encode(), capacity=2)
    assert [person for person, _ in small] == [PEOPLE[5], PEOPLE[4]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\2",
        full().encode()[:-1],
        full().encode() + b"\0",
        b"\1" + bytes(97),
        b"\1" + b"\4" + bytes(96),
    ],
)
def test_what_was_not_stored_by_us(data: bytes) -> None:
    with pytest.raises(ValueError):
        KpersistentStore.decode(data)


@QUICK
@given(st.integers(0, 4), st.binary(min_size=97, max_size=97), st.binary(max_size=97))
def test_any_stored_bytes(entries: int, entry: bytes, rest: bytes) -> None:
    try:
        store = KpersistentStore.decode(b"\1" + entry * entries + rest)
    except ValueError:
        return
    assert len(store) <= entries + 1


def test_misuse() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KpersistentStore().remember(PEOPLE[0], bytes(31))
    with pytest.raises(ValueError, match="one at least"):
        KpersistentStore(0)


def test_nothing_secret_shows() -> None:
    assert repr(full()) == "KpersistentStore(6 of 64)"


def test_it_can_change_while_it_is_read() -> None:
    store = full()
    for person, _ in store:
        store.forget(person)
    assert len(store) == 0
