"""Pages add up to what they were cut from, never grow too long, and are the same every time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sync.pages import (
    ROWS_BYTES,
    cut,
    decode_delta,
    delta_pages,
    deny_updates,
    deny_upto,
    entry,
    merge,
    snapshot_page,
)
from shared import cbor
from shared.access.decide import DenyCause
from shared.access.digest import SetDigest
from shared.access.plan import Delta, apply, diff
from shared.access.rows import Grant, encode_row, grant_key
from shared.wire.envelope import open_signed, seal_signed
from shared.wire.messages import PAGE_BYTES, DenyEntry, PlanPage, PlanState
from shared.wire.topics import Leaf, Place
from tests.controller.keys import point, private_key

READER = "reader0001"
STATE = PlanState(1, 9, bytes(32), 3)
NOW = 1_700_000_000


def grant(key: int, person: int = 1) -> bytes:
    return encode_row(Grant(key=point(key), plan=1, credential=key, person=person))


def key_of(key: int) -> bytes:
    return grant_key(point(key), 1)


plans = st.dictionaries(st.integers(1, 6), st.integers(1, 3), max_size=6).map(
    lambda people: {key_of(key): grant(key, person) for key, person in people.items()}
)


class TestMerge:
    @given(steps=st.lists(plans, min_size=2, max_size=6))
    def test_many_deltas_are_one(self, steps: list[dict[bytes, bytes]]) -> None:
        deltas = [diff(old, new) for old, new in pairwise(steps)]
        assert apply(merge(deltas), steps[0]) == steps[-1]

    def test_the_last_word_counts(self) -> None:
        deltas = [
            Delta(put=(grant(1), grant(2))),
            Delta(put=(grant(1, person=2),), delete=(key_of(2),)),
            Delta(put=(grant(2, person=3),), delete=(key_of(1),)),
        ]
        assert merge(deltas) == Delta(put=(grant(2, person=3),), delete=(key_of(1),))

    def test_a_delta_survives_the_outbox(self) -> None:
        delta = Delta(put=(grant(1),), delete=(key_of(2),))
        assert decode_delta(cbor.encode(delta)) == delta

    @pytest.mark.parametrize("data", [b"", b"\x00", b"\xa1"])
    def test_damage_is_noticed(self, data: bytes) -> None:
        with pytest.raises(cbor.Malformed):
            decode_delta(data)


class TestCut:
    @given(sizes=st.lists(st.integers(1, 16_384), max_size=120))
    def test_pages_are_full_in_order_and_complete(self, sizes: list[int]) -> None:
        cuts = list(cut(sizes))
        assert cuts[0][0] == 0
        assert cuts[-1][1] == len(sizes)
        assert all(before[1] == after[0] for before, after in pairwise(cuts))
        for start, end in cuts:
            filled = sum(sizes[start:end]) + 3 * (end - start)
            assert filled <= ROWS_BYTES
            if end < len(sizes):
                assert filled + sizes[end] + 3 > ROWS_BYTES

    def test_nothing_is_one_empty_page(self) -> None:
        assert list(cut([])) == [(0, 0)]


class TestDeltaPages:
    @given(
        put=st.lists(st.binary(min_size=1, max_size=16_384), max_size=60),
        delete=st.lists(st.binary(min_size=1, max_size=75), max_size=60),
    )
    def test_add_up(self, put: list[bytes], delete: list[bytes]) -> None:
        pages = list(delta_pages(READER, 8, STATE, Delta(tuple(put), tuple(delete)), NOW))
        assert [body for page in pages for body in page.put] == put
        assert [key for page in pages for key in page.delete] == delete
        assert [page.page for page in pages] == list(range(len(pages)))
        assert {(page.base, page.after, page.pages) for page in pages} == {(8, STATE, len(pages))}

    def test_the_longest_rows_fit_into_a_message(self) -> None:
        delta = Delta(tuple(bytes([n]) * 16_384 for n in range(40)))
        pages = list(delta_pages(READER, 8, STATE, delta, NOW))
        assert len(pages) == 3
        for page in pages:
            sealed = seal_signed(page, private_key(1), Leaf.PLAN)
            assert len(sealed) <= PAGE_BYTES
            opened = open_signed(sealed, private_key(1).public, Place(READER, Leaf.PLAN), PlanPage)
            assert opened == page

    def test_a_hundred_thousand_grants(self) -> None:
        row = grant(1)
        delta = Delta((row,) * 20_000)
        pages = list(delta_pages(READER, 8, STATE, delta, NOW))
        assert len(pages) == -(-20_000 * (len(row) + 3) // ROWS_BYTES)
        assert SetDigest.of(body for page in pages for body in page.put).count == 20_000

    def test_are_the_same_every_time(self) -> None:
        delta = Delta(tuple(bytes([n]) * 9_999 for n in range(60)), (b"x",))
        first = list(delta_pages(READER, 8, STATE, delta, NOW))
        assert first == list(delta_pages(READER, 8, STATE, delta, NOW))

    def test_a_snapshot_has_no_base(self) -> None:
        page = snapshot_page(READER, STATE, [grant(1)], NOW, page=2, pages=5)
        assert (page.base, page.page, page.pages, page.delete) == (None, 2, 5, ())


entries = st.lists(st.sampled_from([*DenyCause, None]), max_size=12).map(
    lambda causes: [
        DenyEntry(counter, point(counter), cause) for counter, cause in enumerate(causes, 3)
    ]
)


class TestDenyUpdates:
    def test_one_message_for_a_few(self) -> None:
        denied = [entry(6, point(1), "stolen"), entry(8, point(2), None)]
        (update,) = deny_updates(READER, 1, denied, NOW, base=5, upto=9)
        assert (update.base, update.counter, update.entries) == (5, 9, tuple(denied))

    def test_none_is_a_message_too(self) -> None:
        (update,) = deny_updates(READER, 1, [], NOW, base=5, upto=9)
        assert (update.base, update.counter, update.entries) == (5, 9, ())

    @pytest.mark.parametrize("count", [999, 1000, 1001, 2000, 3500])
    def test_a_thousand_at_a_time_each_where_the_last_ended(self, count: int) -> None:
        denied = [entry(10 + 2 * n, point(1), "revoked") for n in range(count)]
        updates = list(deny_updates(READER, 1, denied, NOW, base=3, upto=99_999))
        assert len(updates) == -(-count // 1000)
        assert [update.base for update in updates] == [
            3,
            *(update.counter for update in updates[:-1]),
        ]
        assert updates[-1].counter == 99_999
        assert [item for update in updates for item in update.entries] == denied
        for update in updates:
            assert all(update.base < item.counter <= update.counter for item in update.entries)


class TestDenyUpto:
    def test_refusals_go_at_once(self) -> None:
        assert deny_upto([entry(6, point(1), "lost")], released=0, wanted=6) == 6

    def test_lifting_one_waits_for_the_plan(self) -> None:
        lifted = [entry(6, point(1), None)]
        assert deny_upto(lifted, released=5, wanted=6) is None
        assert deny_upto(lifted, released=6, wanted=6) == 6

    def test_a_refusal_does_not_wait_for_one_that_is_lifted(self) -> None:
        mixed = [entry(6, point(1), None), entry(7, point(2), "lost"), entry(8, point(3), None)]
        assert deny_upto(mixed, released=0, wanted=8) == 7

    def test_with_nothing_to_say_the_counter_alone_goes(self) -> None:
        assert deny_upto([], released=0, wanted=9) == 9

    @given(denied=entries, released=st.integers(0, 20))
    def test_no_refusal_is_ever_held_back(self, denied: list[DenyEntry], released: int) -> None:
        upto = deny_upto(denied, released, wanted=50)
        held_back = [item for item in denied if item.counter > (upto or 0)]
        assert all(item.cause is None and item.counter > released for item in held_back)
        assert (upto == 50) == (not held_back)
