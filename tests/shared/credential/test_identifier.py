"""Identifiers of different kinds are different, and fit into a grant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.access.rows import MAX_KEY, Grant, decode_row, encode_row
from shared.credential.identifier import is_cloneable, of_public_key, of_uid, of_wiegand
from tests.shared.credential.keys import QUICK, key

UIDS = st.one_of([st.binary(min_size=size, max_size=size) for size in (4, 7, 10)])
NUMBERS = st.integers(24, 64).flatmap(
    lambda bits: st.tuples(st.just(bits), st.integers(0, 2**bits - 1))
)


@QUICK
@given(st.lists(UIDS.map(of_uid) | NUMBERS.map(lambda each: of_wiegand(*each)), min_size=2))
def test_any_two_are_told_apart_and_fit_into_a_grant(identifiers: list[bytes]) -> None:
    for identifier in identifiers:
        assert len(identifier) <= MAX_KEY
        row = Grant(key=identifier, plan=1, credential=1, person=1)
        assert decode_row(encode_row(row)) == row
        assert is_cloneable(identifier)


@QUICK
@given(NUMBERS, NUMBERS)
def test_a_number_counts_with_its_length(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (of_wiegand(*one) == of_wiegand(*other)) is (one == other)


def test_keys_are_not_cloneable() -> None:
    point = key("alice").public.point
    assert not is_cloneable(point)
    assert not is_cloneable(of_public_key(point))
    assert len(of_public_key(point)) == 33
    assert of_public_key(point) != of_public_key(key("bob").public.point)


@pytest.mark.parametrize("size", [0, 3, 5, 8, 11])
def test_no_card_has_such_a_uid(size: int) -> None:
    with pytest.raises(ValueError, match="4, 7 or 10"):
        of_uid(bytes(size))


@pytest.mark.parametrize(("bits", "number"), [(23, 0), (65, 0), (26, 1 << 26), (26, -1)])
def test_no_card_sends_such_a_number(bits: int, number: int) -> None:
    with pytest.raises(ValueError, match="Wiegand"):
        of_wiegand(bits, number)
