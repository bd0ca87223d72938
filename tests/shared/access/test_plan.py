"""The laws of plans and deltas."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.access.digest import SetDigest
from shared.access.plan import Delta, apply, diff, plan_of
from shared.access.rows import Door, Grant, Row, row_key
from shared.access.schedule import Schedule
from shared.cbor import Malformed
from tests.shared.access import strategies

cheap = st.builds(
    Grant, st.sampled_from([b"aaaa", b"bbbb"]), st.integers(1, 2), st.just(1), strategies.ids
)
plans = st.lists(cheap | cheap | cheap | strategies.rows, max_size=6).map(plan_of)
deltas = st.builds(diff, plans, plans)
few = settings(max_examples=25)


@few
@given(plans, plans)
def test_the_difference_leads_from_one_to_the_other(
    old: dict[bytes, bytes], new: dict[bytes, bytes]
) -> None:
    before = dict(old)
    assert apply(diff(old, new), old) == new
    assert old == before


@few
@given(plans, plans)
def test_the_difference_is_the_smallest(old: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
    delta = diff(old, new)
    assert set(delta.put) == {body for key, body in new.items() if old.get(key) != body}
    assert set(delta.delete) == old.keys() - new.keys()
    assert len(set(delta.put)) == len(delta.put)
    assert len(set(delta.delete)) == len(delta.delete)
    # Leave out anything, and it leads elsewhere.
    for gone in range(len(delta.put)):
        shorter = Delta(delta.put[:gone] + delta.put[gone + 1 :], delta.delete)
        assert apply(shorter, old) != new
    for gone in range(len(delta.delete)):
        shorter = Delta(delta.put, delta.delete[:gone] + delta.delete[gone + 1 :])
        assert apply(shorter, old) != new


@few
@given(plans)
def test_nothing_differs_from_itself(plan: dict[bytes, bytes]) -> None:
    assert diff(plan, plan) == Delta()
    assert not diff(plan, plan)
    assert apply(Delta(), plan) == plan


@few
@given(deltas, plans)
def test_twice_is_once(delta: Delta, plan: dict[bytes, bytes]) -> None:
    once = apply(delta, plan)
    assert apply(delta, once) == once


@few
@given(deltas, plans, st.integers())
def test_the_order_of_rows_in_a_delta_does_not_matter(
    delta: Delta, plan: dict[bytes, bytes], seed: int
) -> None:
    rng = random.Random(seed)
    shuffled = Delta(
        tuple(rng.sample(delta.put, len(delta.put))),
        tuple(rng.sample(delta.delete, len(delta.delete))),
    )
    assert apply(shuffled, plan) == apply(delta, plan)


@few
@given(plans, st.integers())
def test_the_order_of_a_plan_does_not_show_in_its_difference(
    plan: dict[bytes, bytes], seed: int
) -> None:
    shuffled = dict(random.Random(seed).sample(list(plan.items()), len(plan)))
    assert diff({}, shuffled) == diff({}, plan)
    assert diff(shuffled, {}) == diff(plan, {})


@few
@given(plans, plans, plans)
def test_steps_lead_where_one_stride_leads(
    first: dict[bytes, bytes], second: dict[bytes, bytes], third: dict[bytes, bytes]
) -> None:
    by_steps = apply(diff(second, third), apply(diff(first, second), first))
    assert by_steps == apply(diff(first, third), first) == third


@few
@given(plans, plans)
def test_the_digest_follows_the_difference(
    old: dict[bytes, bytes], new: dict[bytes, bytes]
) -> None:
    digest, delta = SetDigest.of(old.values()), diff(old, new)
    for key in delta.delete:
        digest = digest.without_row(old[key])
    for body in delta.put:
        key = next(key for key, value in new.items() if value == body)
        digest = digest.without_row(old[key]) if key in old else digest
        digest = digest.with_row(body)
    assert digest == SetDigest.of(new.values())


@few
@given(st.lists(strategies.rows, max_size=6))
def test_of_two_rows_in_one_place_the_later_stays(rows: list[Row]) -> None:
    plan = plan_of(rows)
    assert plan.keys() == {row_key(row) for row in rows}
    assert plan == plan_of(reversed(list({row_key(row): row for row in rows}.values())))


def test_a_changed_row_is_put_and_not_deleted() -> None:
    old = plan_of([Door(1, ()), Schedule(4, ()), Grant(b"aaaa", 1, 1, 1)])
    new = plan_of([Door(1, (), release=9), Schedule(4, ()), Grant(b"aaaa", 2, 1, 1)])
    delta = diff(old, new)
    assert list(delta.put) == [new[b"\x01"], new[b"\x04\x04aaaa" + bytes(7) + b"\x02"]]
    assert list(delta.delete) == [b"\x04\x04aaaa" + bytes(7) + b"\x01"]


def test_a_row_that_is_none_stops_a_delta() -> None:
    plan = plan_of([Door(1, ())])
    with pytest.raises(Malformed):
        apply(Delta(put=(b"\x80",), delete=(b"\x01",)), plan)
    assert plan == plan_of([Door(1, ())])


def test_deleting_what_is_not_there_is_nothing() -> None:
    assert apply(Delta(delete=(b"\x09",)), {}) == {}
