"""Batches in any order, repeated, overlapping: what is stored is the journal, once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.ingest.chain import EMPTY, Continues, Contradicts, Head, Missing, judge
from shared.wire.events import GENESIS, chain
from shared.wire.messages import EventBatch

JOURNAL = b"journal1"
BODIES = [f"entry {number}".encode() for number in range(1, 31)]


def hash_after(count: int) -> bytes:
    value = GENESIS
    for body in BODIES[:count]:
        value = chain(value, body)
    return value


def batch(first: int, last: int, *, live_from: int = 1, kept_from: int = 0) -> EventBatch:
    return EventBatch(
        reader="abcd",
        journal=JOURNAL,
        first=first,
        previous=hash_after(first - 1),
        live_from=live_from,
        kept_from=kept_from,
        entries=tuple(BODIES[first - 1 : last]),
    )


def head(upto: int) -> Head:
    return Head(upto, hash_after(upto))


def stored(upto: int) -> dict[int, bytes]:
    return dict(enumerate(BODIES[:upto], 1))


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 12)).map(
            lambda pair: batch(pair[0], min(30, pair[0] + pair[1] - 1))
        ),
        max_size=30,
    )
)
def test_whatever_arrives_is_stored_once_and_in_order(batches: list[EventBatch]) -> None:
    at, kept = EMPTY, list[bytes]()
    for each in [*batches, *batches, batch(1, 15), batch(10, 30)]:
        verdict = judge(each, at, dict(enumerate(kept, 1)))
        assert not isinstance(verdict, Contradicts)
        if isinstance(verdict, Continues):
            assert [entry.seq for entry in verdict.entries] == list(
                range(len(kept) + 1, len(kept) + 1 + len(verdict.entries))
            )
            assert verdict.lost == 0
            kept.extend(entry.body for entry in verdict.entries)
            at = verdict.head
    assert kept == BODIES
    assert at == head(30)


def test_a_batch_beyond_what_is_stored_waits_for_what_is_missing() -> None:
    assert judge(batch(5, 6), head(3), stored(3)) == Missing()


def test_a_batch_behind_what_the_reader_no_longer_has_is_taken_and_the_loss_counted() -> None:
    verdict = judge(batch(10, 12, kept_from=10), head(3), stored(3))
    assert isinstance(verdict, Continues)
    assert (verdict.lost, verdict.head) == (6, head(12))


def test_a_batch_that_is_known_needs_only_its_receipt() -> None:
    assert judge(batch(2, 4), head(9), stored(9)) == Continues((), head(9))


def test_only_entries_from_before_the_session_are_replayed() -> None:
    verdict = judge(batch(1, 4, live_from=3), EMPTY, {})
    assert isinstance(verdict, Continues)
    assert [entry.replayed for entry in verdict.entries] == [True, True, False, False]


def test_another_content_at_a_known_number_contradicts() -> None:
    forged = EventBatch(
        reader="abcd",
        journal=JOURNAL,
        first=3,
        previous=hash_after(2),
        live_from=1,
        kept_from=1,
        entries=(b"something else", *BODIES[3:6]),
    )
    assert judge(forged, head(5), stored(5)) == Contradicts(3)


def test_another_history_before_the_first_new_entry_contradicts() -> None:
    forged = EventBatch(
        reader="abcd",
        journal=JOURNAL,
        first=6,
        previous=bytes(32),
        live_from=1,
        kept_from=1,
        entries=tuple(BODIES[5:8]),
    )
    assert judge(forged, head(5), {}) == Contradicts(5)


def test_another_history_is_found_even_where_old_entries_have_been_deleted() -> None:
    forged = EventBatch(
        reader="abcd",
        journal=JOURNAL,
        first=4,
        previous=bytes(32),
        live_from=1,
        kept_from=1,
        entries=tuple(BODIES[3:8]),
    )
    assert judge(forged, head(5), {}) == Contradicts(5)
