"""Live events go first, nobody's chain is cut, and memory is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.ingest.waiting import (
    GROUP_ENTRIES,
    MAX_LIVE,
    MAX_PER_READER,
    MAX_REPLAYED,
    Waiting,
)
from shared.wire.events import GENESIS
from shared.wire.messages import MAX_BATCH, EventBatch

READERS = [f"reader{number:04}" for number in range(100)]


def batch(reader: int, first: int, count: int = 1, live_from: int = 1) -> EventBatch:
    return EventBatch(
        reader=READERS[reader],
        journal=b"journal1",
        kept_from=1,
        first=first,
        previous=GENESIS,
        live_from=live_from,
        entries=(b"\xa0",) * count,
    )


def replayed(reader: int, first: int, count: int = 1) -> EventBatch:
    return batch(reader, first, count, live_from=10**6)


def test_nothing_waits_at_first() -> None:
    assert not Waiting()
    assert Waiting().take() == []


def test_live_events_overtake_other_readers_journals() -> None:
    waiting = Waiting()
    old, new = replayed(0, 1, 500), batch(1, 9)
    waiting.offer(old)
    waiting.offer(new)
    assert waiting.take() == [new, old]
    assert not waiting


def test_but_not_their_own() -> None:
    waiting = Waiting()
    journal = [replayed(0, 1, 500), replayed(0, 501, 500), batch(0, 1001)]
    for one in journal:
        waiting.offer(one)
    waiting.offer(batch(1, 1))
    assert waiting.take() == [batch(1, 1), *journal[:2]]
    assert waiting.take() == [journal[2]]
    waiting.offer(batch(0, 1002))
    assert waiting.take() == [batch(0, 1002)]


def test_a_group_is_as_large_as_a_commit_is_worth() -> None:
    waiting = Waiting()
    for first in range(1, 3_001):
        waiting.offer(batch(0, first))
    assert len(waiting.take()) == GROUP_ENTRIES


def test_each_kind_has_room_of_its_own() -> None:
    waiting = Waiting()
    for number in range(MAX_REPLAYED // MAX_BATCH):
        assert waiting.offer(replayed(number % 60, number, MAX_BATCH))
    assert not waiting.offer(replayed(0, 1))
    assert not waiting.offer(replayed(60, 1))
    for number in range(MAX_LIVE // MAX_BATCH):
        assert waiting.offer(batch(70 + number % 20, number + 1, MAX_BATCH))
    assert not waiting.offer(batch(90, 1))
    while waiting:
        waiting.take()
    assert waiting.offer(replayed(0, 1, MAX_BATCH))
    assert waiting.offer(batch(70, 1, MAX_BATCH))


def test_nobody_takes_the_room_of_others() -> None:
    waiting = Waiting()
    for number in range(MAX_PER_READER):
        assert waiting.offer(batch(0, number + 1))
    assert not waiting.offer(batch(0, MAX_PER_READER + 1))
    assert not waiting.offer(replayed(0, MAX_PER_READER + 1))
    assert waiting.offer(batch(1, 1))
    waiting.take()
    assert waiting.offer(batch(0, MAX_PER_READER + 1))


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 400), st.booleans(), st.booleans()), max_size=60
    )
)
def test_every_reader_is_served_in_order(steps: list[tuple[int, int, bool, bool]]) -> None:
    waiting, taken = Waiting(), list[EventBatch]()
    offered: list[list[EventBatch]] = [[], [], []]
    for number, (reader, count, live, take) in enumerate(steps):
        one = batch(reader, number, count) if live else replayed(reader, number, count)
        if waiting.offer(one):
            offered[reader].append(one)
        if take:
            taken.extend(waiting.take())
    while waiting:
        taken.extend(waiting.take())
    for reader, name in enumerate(READERS[:3]):
        assert [one for one in taken if one.reader == name] == offered[reader]
