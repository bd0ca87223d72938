"""Documents kept for the next fast tap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import cbor
from shared.credential.aliro.documents.cache import DocumentCache, Kept
from tests.shared.credential.aliro.documents.ends import VALIDITY
from tests.shared.credential.aliro.ends import ALICE, BOB
from tests.shared.credential.keys import QUICK, key

CAROL = key("carol")
ELEMENTS = (("floor", b"\xa1\x00\x01"), ("roof", b"\x05"))
KEPT = Kept(bytes(32), b"\1" * 32, replace(VALIDITY, iteration=5), ELEMENTS)


def full() -> DocumentCache:
    found = DocumentCache(2)
    found.keep(ALICE.public, KEPT)
    found.keep(BOB.public, KEPT)
    return found


def test_the_oldest_goes_first() -> None:
    found = full()
    found.keep(ALICE.public, KEPT)
    found.keep(CAROL.public, KEPT)
    assert [credential for credential, _ in found] == [ALICE.public, CAROL.public]
    assert found.find(BOB.public) is None
    found.forget(ALICE.public)
    found.forget(ALICE.public)
    assert len(found) == 1


def test_looking_changes_nothing() -> None:
    found = full()
    assert found.find(ALICE.public) == KEPT
    assert found.encode() == full().encode()


def test_stored() -> None:
    found = DocumentCache.decode(full().encode())
    assert list(found) == list(full())
    assert repr(found) == "DocumentCache(2 of 64)"
    assert [each for each, _ in DocumentCache.decode(full().encode(), 1)] == [BOB.public]


def test_no_room_at_all() -> None:
    with pytest.raises(ValueError, match="room"):
        DocumentCache(0)


ROW = [ALICE.public.point, *KEPT.row]


def stored(*changes: tuple[int, object]) -> bytes:
    row = list(ROW)
    for place, value in changes:
        row[place] = value
    return cbor.encode([1, [row]])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: cbor.encode([2, []]),
        lambda data: cbor.encode([1]),
        lambda data: cbor.encode([1, [[]]]),
        lambda data: cbor.encode([1, [ROW[:-1]]]),
        lambda data: cbor.encode([1, 5]),
        lambda data: stored((0, bytes(65))),
        lambda data: stored((0, ALICE.public.compressed)),
        lambda data: stored((1, bytes(31))),
        lambda data: stored((2, bytes(31))),
        lambda data: stored((3, -1)),
        lambda data: stored((5, "late")),
        lambda data: stored((7, 0)),
        lambda data: stored((8, [])),
        lambda data: stored((8, [b"\xff"])),
        lambda data: stored((8, [5])),
    ],
)
def test_spoilt(spoil: Callable[[bytes], bytes]) -> None:
    assert len(DocumentCache.decode(stored())) == 1
    with pytest.raises(ValueError, match="no stored documents"):
        DocumentCache.decode(spoil(full().encode()))


@QUICK
@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(ValueError, match="no stored documents"):
        DocumentCache.decode(data)
