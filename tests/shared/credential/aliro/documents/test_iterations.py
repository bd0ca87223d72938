"""How far each issuer has come."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.documents.encoding import encode
from shared.credential.aliro.documents.iterations import MAX_ISSUERS, Iterations
from shared.credential.aliro.documents.messages import DocumentType
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from tests.shared.credential.keys import QUICK

ACCESS, REVOCATION = DocumentType
A, B = bytes(32), bytes(31) + b"\1"


def accepts(found: Iterations, kind: DocumentType, iteration: int, issuer: bytes = A) -> bool:
    try:
        found.check(issuer, kind, iteration)
    except RuleBroken as broken:
        if broken.reason is Reason.DOCUMENT_SUPERSEDED:
            return False
        raise
    return True


def test_access_documents_may_be_a_few_behind() -> None:
    found = Iterations()
    found.advance(A, ACCESS, 9)
    assert [accepts(found, ACCESS, n) for n in (0, 1, 2, 3, 9, 10)] == [False] * 2 + [True] * 4


def test_revocation_documents_may_not() -> None:
    found = Iterations()
    found.advance(A, REVOCATION, 9)
    assert [accepts(found, REVOCATION, n) for n in (0, 8, 9, 10)] == [False, False, True, True]


def test_issuers_and_types_are_apart() -> None:
    found = Iterations()
    found.advance(A, ACCESS, 100)
    assert accepts(found, ACCESS, 0, B)
    assert accepts(found, REVOCATION, 0)
    assert not accepts(found, ACCESS, 0)


def test_it_never_goes_back() -> None:
    found = Iterations()
    for iteration in (9, 3, 0):
        found.advance(A, ACCESS, iteration)
    assert found.highest(A, ACCESS) == 9


def test_more_issuers_than_are_remembered() -> None:
    found = Iterations()
    for number in range(MAX_ISSUERS):
        found.advance(number.to_bytes(32, "big"), ACCESS, 1)
    found.advance(A, REVOCATION, 5)
    found.advance(b"\1" * 32, ACCESS, 0)  # nothing to remember
    with pytest.raises(RuleBroken) as broken:
        found.advance(b"\1" * 32, ACCESS, 1)
    assert broken.value.reason is Reason.UNKNOWN_ISSUER
    assert Iterations.decode(found.encode()).encode() == found.encode()


@QUICK
@given(
    st.lists(
        st.tuples(st.sampled_from([A, B]), st.sampled_from(DocumentType), st.integers(0, 2**64 - 1))
    )
)
def test_round_trip(steps: list[tuple[bytes, DocumentType, int]]) -> None:
    found = Iterations()
    for step in steps:
        found.advance(*step)
    again = Iterations.decode(found.encode())
    for issuer in (A, B):
        for kind in DocumentType:
            reached = [n for i, k, n in steps if (i, k) == (issuer, kind)]
            assert again.highest(issuer, kind) == max(reached, default=0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: encode([2, []]),
        lambda data: encode([1]),
        lambda data: encode({1: 2}),
        lambda data: encode([1, [[A, 1]]]),
        lambda data: encode([1, [[A, 1, 1, 1]]]),
        lambda data: encode([1, [[A[1:], 1, 1]]]),
        lambda data: encode([1, [[A, -1, 1]]]),
        lambda data: encode([1, [[A, "1", 1]]]),
        lambda data: encode([1, [5]]),
        lambda data: encode([1, [[]]]),
    ],
)
def test_spoilt(spoil: Callable[[bytes], bytes]) -> None:
    found = Iterations()
    found.advance(A, ACCESS, 9)
    with pytest.raises(ValueError, match="no stored iterations"):
        Iterations.decode(spoil(found.encode()))
