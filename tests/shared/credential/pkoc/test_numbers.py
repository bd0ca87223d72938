"""Shortened numbers: the end of X, right-aligned, and nothing that opens a door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.pkoc.numbers import CredentialNumber
from tests.shared.credential.keys import QUICK, key

POINT = key("alice").public.point


@QUICK
@given(st.integers(8, 256))
def test_it_is_the_end_of_x(bits: int) -> None:
    number = CredentialNumber.of(POINT, bits)
    whole = f"{int.from_bytes(POINT[1:33], 'big'):0256b}"
    assert number.binary == whole[-bits:]
    assert int(number.hexadecimal, 16) == int(number.decimal) == int(number.binary, 2)
    assert len(number.hexadecimal) == 2 * -(-bits // 8)


def test_leading_zeros_are_kept_where_they_count() -> None:
    number = CredentialNumber.of(b"\4" + bytes(31) + b"\x05" + bytes(32), 75)
    assert (number.hexadecimal, number.decimal) == ("00000000000000000005", "5")
    assert len(number.binary) == 75


@pytest.mark.parametrize(("size", "bits"), [(65, 7), (65, 257), (64, 64), (33, 64)])
def test_what_is_no_number(size: int, bits: int) -> None:
    with pytest.raises(ValueError, match="are no point"):
        CredentialNumber.of(bytes(size), bits)
