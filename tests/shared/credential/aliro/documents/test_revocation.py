"""Revocation Data, and the list that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.documents import revocation
from shared.credential.aliro.documents.encoding import decode, encode
from shared.credential.aliro.documents.issuers import issuer_id
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    RevocationList,
    credential_hash,
)
from shared.credential.aliro.documents.security import Validity
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from tests.shared.credential.aliro.documents.ends import ISSUER, VALIDITY
from tests.shared.credential.aliro.documents.test_encoding import VALUES
from tests.shared.credential.aliro.ends import ALICE, BOB
from tests.shared.credential.keys import LONG, QUICK, key

A, B = issuer_id(ISSUER.public), issuer_id(key("another issuer").public)
ALICE_HASH, BOB_HASH = credential_hash(ALICE.public), credential_hash(BOB.public)
ALICES, BOBS = Entry(ALICE_HASH), Entry(BOB_HASH)


def dated(iteration: int, signed: int = VALIDITY.signed) -> Validity:
    return replace(VALIDITY, iteration=iteration, signed=signed)


def overwrite(*entries: Entry) -> RevocationData:
    return RevocationData(Mode.OVERWRITE, entries)


def change(*entries: Entry, removed: tuple[Entry, ...] = ()) -> RevocationData:
    return RevocationData(Mode.CHANGE, entries, removed)


class List(RevocationList):
    """One that takes a document after the other."""

    def take(self, *documents: RevocationData, issuer: bytes = A) -> List:
        for number, data in enumerate(documents, 1):
            self.apply(issuer, dated(number), data)
        return self

    @property
    def alice(self) -> bool:
        return self.revokes(ALICE.public)

    @property
    def bob(self) -> bool:
        return self.revokes(BOB.public)


class TestList:
    def test_nobody_to_begin_with(self) -> None:
        assert not List().alice
        assert len(List()) == 0

    def test_overwrite(self) -> None:
        found = List().take(overwrite(ALICES), overwrite(BOBS))
        assert (found.alice, found.bob) == (False, True)
        assert len(found.take(overwrite(), overwrite(), overwrite())) == 0

    def test_change_adds_then_removes(self) -> None:
        found = List().take(overwrite(ALICES), change(BOBS))
        assert (found.alice, found.bob) == (True, True)
        found = List().take(change(ALICES, BOBS, removed=(ALICES,)))
        assert (found.alice, found.bob) == (False, True)

    def test_every_issuer_has_its_own(self) -> None:
        found = (
            List().take(overwrite(ALICES)).take(overwrite(), change(removed=(ALICES,)), issuer=B)
        )
        assert found.alice

    def test_older_documents_change_nothing(self) -> None:
        """A revoked holder shows what the list was before, to be on it no more."""
        found = List()
        found.apply(A, dated(5), overwrite(ALICES))
        found.apply(A, dated(4, VALIDITY.signed + 99), overwrite())
        found.apply(A, dated(5, VALIDITY.signed - 1), overwrite())
        assert found.alice
        found.apply(A, dated(5, VALIDITY.signed + 1), overwrite())
        assert not found.alice

    def test_documents_of_the_same_second_all_count(self) -> None:
        """Of an issuer that does not count them, and makes two at once."""
        found = List()
        found.apply(A, dated(0), overwrite(ALICES))
        found.apply(A, dated(0), change(BOBS))
        assert (found.alice, found.bob) == (True, True)

    def test_expiry(self) -> None:
        found = List().take(overwrite(Entry(ALICE_HASH, expiry=1000), BOBS))
        assert found.revokes(ALICE.public, now=999)
        assert not found.revokes(ALICE.public, now=1000)
        assert found.alice  # by a clock that nobody trusts
        found.purge(999)
        assert len(found) == 2
        found.purge(1000)
        assert len(found) == 1
        assert found.bob

    def test_by_id(self) -> None:
        found = List().take(overwrite(Entry(id=b"badge-01")))
        assert found.revokes(ALICE.public, issuer=A, id=b"badge-01")
        assert not found.revokes(ALICE.public, issuer=A, id=b"badge-02")
        assert not found.revokes(ALICE.public, issuer=B, id=b"badge-01")
        assert not found.revokes(ALICE.public, issuer=A)

    def test_the_hash_decides_where_there_is_one(self) -> None:
        """A badge that has been given out again."""
        found = List().take(overwrite(Entry(ALICE_HASH, b"badge-01")))
        assert found.revokes(ALICE.public, issuer=A, id=b"badge-02")
        assert not found.revokes(BOB.public, issuer=A, id=b"badge-01")

    @pytest.mark.parametrize(
        ("entry", "removal", "gone"),
        [
            (Entry(ALICE_HASH), Entry(ALICE_HASH, b"1"), True),
            (Entry(ALICE_HASH, b"1"), Entry(ALICE_HASH), True),
            (Entry(ALICE_HASH, b"1"), Entry(id=b"1"), True),
            (Entry(id=b"1"), Entry(id=b"1"), True),
            (Entry(id=b"1"), Entry(ALICE_HASH, b"1"), False),
            (Entry(ALICE_HASH), Entry(BOB_HASH), False),
            (Entry(ALICE_HASH), Entry(id=b"1"), False),
        ],
    )
    def test_removal(self, entry: Entry, removal: Entry, gone: bool) -> None:
        assert (len(List().take(overwrite(entry), change(removed=(removal,)))) == 0) is gone

    def test_a_hash_is_no_id(self) -> None:
        found = List().take(overwrite(ALICES))
        assert not found.revokes(BOB.public, issuer=A, id=ALICE_HASH[:16])

    def test_more_than_there_is_room_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(revocation, "MAX_ENTRIES", 1)
        found = List().take(overwrite(ALICES))
        with pytest.raises(RuleBroken) as broken:
            found.take(overwrite(ALICES), change(BOBS))
        assert broken.value.reason is Reason.BAD_DATA_ELEMENT
        assert (found.alice, found.bob) == (True, False)
        monkeypatch.setattr(revocation, "MAX_ISSUERS", 1)
        found.take(overwrite(ALICES))
        with pytest.raises(RuleBroken):
            found.take(overwrite(BOBS), issuer=B)


ENTRIES = st.builds(
    Entry,
    hash=st.sampled_from([ALICE_HASH, BOB_HASH]),
    id=st.none() | st.sampled_from([b"1", b"2"]),
    expiry=st.none() | st.integers(0, 10),
)
DOCUMENTS = st.one_of(
    st.builds(lambda entries: overwrite(*entries), st.lists(ENTRIES, max_size=3)),
    st.builds(
        lambda entries, removed: change(*entries, removed=tuple(removed)),
        st.lists(ENTRIES, max_size=3),
        st.lists(ENTRIES, max_size=3),
    ),
)


@LONG
@given(st.lists(DOCUMENTS, max_size=8))
def test_against_a_set(documents: list[RevocationData]) -> None:
    """Hashes alone: a list of revocations is a set."""
    expected: set[bytes | None] = set()
    for data in documents:
        if data.mode is Mode.OVERWRITE:
            expected.clear()
        expected |= {each.hash for each in data.entries}
        expected -= {each.hash for each in data.removed}
    found = List().take(*documents)
    assert (found.alice, found.bob) == (ALICE_HASH in expected, BOB_HASH in expected)
    again = RevocationList.decode(found.encode())
    assert again.encode() == found.encode()
    assert again.revokes(ALICE.public) is found.alice


class TestStored:
    FULL = List().take(overwrite(Entry(ALICE_HASH, b"1", 9), Entry(id=b"2")), change(BOBS))

    def test_round_trip(self) -> None:
        again = RevocationList.decode(self.FULL.encode())
        assert again.encode() == self.FULL.encode()
        assert repr(again) == "RevocationList(3 of 1 issuers)"
        with pytest.raises(RuleBroken):
            again.apply(
                A,
                dated(9),
                overwrite(*[Entry(bytes(30) + n.to_bytes(2, "big")) for n in range(4097)]),
            )

    def test_a_long_list(self) -> None:
        """Longer than any message; it is ours, and so is its cap."""
        found = List()
        entries = [Entry(n.to_bytes(32, "big")) for n in range(revocation.MAX_ENTRIES)]
        found.apply(A, dated(1), overwrite(*entries))
        assert len(RevocationList.decode(found.encode())) == revocation.MAX_ENTRIES

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: b"",
            lambda data: data[:-1],
            lambda data: data + b"\0",
            lambda data: cbor2.dumps([2, []]),
            lambda data: cbor2.dumps([1]),
            lambda data: cbor2.dumps([1, [[A, 0, 0]]]),
            lambda data: cbor2.dumps([1, [[A[:31], 0, 0, []]]]),
            lambda data: cbor2.dumps([1, [[A, -1, 0, []]]]),
            lambda data: cbor2.dumps([1, [[A, 0, 0, [[None, None, None]]]]]),
            lambda data: cbor2.dumps([1, [[A, 0, 0, [[A, None, "soon"]]]]]),
            lambda data: cbor2.dumps({1: 2}),
            lambda data: cbor2.dumps(5),
        ],
    )
    def test_spoilt(self, spoil: Callable[[bytes], bytes]) -> None:
        with pytest.raises(ValueError, match="no stored revocations"):
            RevocationList.decode(spoil(self.FULL.encode()))

    @QUICK
    @given(st.binary(max_size=100))
    def test_any_bytes(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="no stored revocations"):
            RevocationList.decode(data)


def unreadable(said: Any) -> Reason | None:
    try:
        RevocationData.read(said)
    except RuleBroken as broken:
        return broken.reason
    return None


class TestReading:
    FULL = change(Entry(ALICE_HASH, b"badge", 5), Entry(id=b"2"), removed=(BOBS,))

    @pytest.mark.parametrize("data", [FULL, overwrite(), overwrite(ALICES), change()])
    def test_round_trip(self, data: RevocationData) -> None:
        assert RevocationData.read(decode(encode(data.plain))) == data

    def test_layout(self) -> None:
        entry = {0: ALICE_HASH, 1: b"badge", 2: CBORTag(1, 5)}
        assert self.FULL.plain == {0: 1, 1: 1, 2: [entry, {1: b"2"}], 3: [{0: BOB_HASH}]}

    def test_extensions_are_ignored(self) -> None:
        assert RevocationData.read({0: 1, 1: 0, 4: {5: "anything"}}) == overwrite()

    @pytest.mark.parametrize(
        "wrong",
        [
            None,
            {},
            {0: 42, 1: 0},
            {0: 1},
            {0: 1, 1: 2},
            {0: 1, 1: False},
            {0: 1, 1: 0, 3: []},
            {0: 1, 1: 0, 5: 0},
            {0: 1, 1: 0, 2: {}},
            {0: 1, 1: 0, 2: [{}]},
            {0: 1, 1: 0, 2: [5]},
            {0: 1, 1: 0, 2: [{2: CBORTag(1, 5)}]},
            {0: 1, 1: 0, 2: [{0: bytes(31)}]},
            {0: 1, 1: 0, 2: [{1: b""}]},
            {0: 1, 1: 0, 2: [{1: bytes(17)}]},
            {0: 1, 1: 0, 2: [{1: b"1", 2: 5}]},
            {0: 1, 1: 0, 2: [{1: b"1", 3: 5}]},
            {0: 1, 1: 1, 3: [{}]},
        ],
    )
    def test_wrong(self, wrong: Any) -> None:
        with pytest.raises(RuleBroken) as broken:
            RevocationData.read(wrong)
        assert broken.value.reason is Reason.BAD_DATA_ELEMENT

    @LONG
    @given(st.integers(0, 5), VALUES)
    def test_any_member(self, key: int, value: Any) -> None:
        assert unreadable({0: 1, 1: 1, key: value}) in (None, Reason.BAD_DATA_ELEMENT)

    def test_nobody_shows(self) -> None:
        assert "badge" not in repr(self.FULL)
