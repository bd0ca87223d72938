"""The digest of a set: any order, any path, the same 32 bytes."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.access.digest import MODULUS, SetDigest

bodies = st.lists(st.binary(max_size=12), max_size=8)
sets = st.sets(st.binary(max_size=2), max_size=8)


@given(bodies, st.integers())
def test_order_does_not_matter(rows: list[bytes], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert SetDigest.of(shuffled) == SetDigest.of(rows)


@given(sets, sets)
def test_step_by_step_equals_the_whole(old: set[bytes], new: set[bytes]) -> None:
    digest = SetDigest.of(old)
    for gone in old - new:
        digest = digest.without_row(gone)
    for come in new - old:
        digest = digest.with_row(come)
    assert digest == SetDigest.of(new)


@given(sets, sets)
def test_different_sets_have_different_digests(one: set[bytes], other: set[bytes]) -> None:
    assert (SetDigest.of(one) == SetDigest.of(other)) == (one == other)


@given(bodies)
def test_it_is_the_sum_of_sha256_as_published(rows: list[bytes]) -> None:
    total = sum(int(hashlib.sha256(body).hexdigest(), 16) for body in rows) % 2**256
    digest = SetDigest.of(rows)
    assert digest.value == total.to_bytes(32, "big")
    assert digest.count == len(rows)


@given(bodies)
def test_what_travels_comes_back(rows: list[bytes]) -> None:
    digest = SetDigest.of(rows)
    assert len(digest.value) == 32
    assert SetDigest.from_value(digest.value, digest.count) == digest


def test_the_sum_wraps_both_ways() -> None:
    top = SetDigest(MODULUS - 1, 1)
    assert top.with_row(b"x").without_row(b"x") == top
    assert SetDigest().without_row(b"x").with_row(b"x") == SetDigest()
    assert 0 <= SetDigest().without_row(b"x").total < MODULUS


def test_the_empty_set_has_the_zero_digest() -> None:
    assert SetDigest.of([]) == SetDigest()
    assert SetDigest().value == bytes(32)


def test_a_row_twice_is_not_a_row_once() -> None:
    assert SetDigest.of([b"x", b"x"]) != SetDigest.of([b"x"])


def test_a_known_digest() -> None:
    # SHA-256("abc"), FIPS 180-2.
    assert SetDigest.of([b"abc"]).value.hex() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_digest_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SetDigest().total = 1  # type: ignore[misc]
