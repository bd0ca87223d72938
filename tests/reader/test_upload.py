"""Which entries go up next: in order, within the window, again when no receipt comes."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from reader.upload import Window

PATIENCE, ROOM = 5.0, 10


def window(confirmed: int = 0) -> Window:
    return Window(confirmed, room=ROOM, patience=PATIENCE)


def test_it_begins_after_what_is_stored() -> None:
    assert window(0).next(0.0) == 1
    assert window(41).next(0.0) == 42


def test_one_batch_is_sent_before_the_first_receipt() -> None:
    sending = window()
    sending.sent(4, 0.0)
    assert sending.next(0.0) is None
    sending.confirm(4, 0.5)
    assert sending.next(0.5) == 5


def test_every_receipt_makes_room_for_as_much_again() -> None:
    sending = window()
    sending.sent(3, 0.0)
    sending.confirm(3, 0.0)
    sending.sent(6, 0.0)
    assert sending.next(0.0) == 7
    sending.sent(9, 0.0)
    assert sending.next(0.0) is None
    sending.confirm(6, 0.0)
    assert sending.next(0.0) == 10


def test_no_more_is_sent_than_there_is_room_for() -> None:
    sending = window()
    sending.sent(100, 0.0)
    sending.confirm(100, 0.0)
    sending.sent(109, 0.0)
    assert sending.next(0.0) == 110
    sending.sent(114, 0.0)
    assert sending.next(0.0) is None
    sending.confirm(105, 1.0)
    assert sending.next(1.0) == 115


def test_what_is_not_confirmed_in_time_is_sent_again() -> None:
    sending = window()
    sending.sent(4, 0.0)
    assert sending.deadline == PATIENCE / 5
    assert sending.next(0.9) is None
    assert sending.next(1.0) == 1
    sending.sent(4, 1.0)
    assert sending.next(1.0) is None


def test_after_a_silence_a_single_batch_is_sent_again() -> None:
    sending = window()
    sending.sent(9, 0.0)
    sending.confirm(9, 0.0)
    sending.sent(12, 0.0)
    sending.sent(15, 0.0)
    assert sending.next(1.0) == 10
    sending.sent(12, 1.0)
    assert sending.next(1.0) is None


def test_the_waits_for_a_receipt_grow_until_one_comes() -> None:
    sending, now, waits = window(), 0.0, []
    for _ in range(5):
        sending.sent(4, now)
        assert sending.deadline is not None
        waits.append(sending.deadline - now)
        now = sending.deadline
        assert sending.next(now) == 1
    assert waits == [1.0, 2.0, 4.0, PATIENCE, PATIENCE]
    sending.sent(4, now)
    sending.confirm(2, now)
    assert sending.deadline == now + PATIENCE / 5


def test_more_entries_do_not_put_off_what_is_overdue() -> None:
    sending = window()
    for number in range(1, 6):
        sending.sent(number, float(number))
    assert sending.next(6.0) == 1


def test_a_receipt_gives_the_rest_new_time() -> None:
    sending = window()
    sending.sent(4, 0.0)
    sending.confirm(2, 4.0)
    assert sending.deadline == 5.0
    assert sending.next(4.9) == 5
    assert sending.next(5.0) == 3


def test_when_all_is_stored_nothing_is_due() -> None:
    sending = window()
    sending.sent(4, 0.0)
    sending.confirm(4, 1.0)
    assert sending.deadline is None
    assert sending.next(1e9) == 5


def test_old_receipts_change_nothing() -> None:
    sending = window(7)
    sending.confirm(3, 0.0)
    assert sending.next(0.0) == 8


@dataclass
class Store:
    """A controller that stores only what follows on what it has."""

    upto: int = 0
    arriving: list[tuple[int, int]] = field(default_factory=list)

    def take(self, first: int, last: int) -> None:
        if first <= self.upto + 1:
            self.upto = max(self.upto, last)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=60),
    st.integers(1, 4),
)
def test_all_is_stored_in_the_end_whatever_is_lost(
    steps: list[tuple[int, bool, bool]], batch: int
) -> None:
    sending, store, written, now = window(), Store(), 0, 0.0
    quiet = [(0, False, False)] * 40
    for more, batch_lost, receipt_lost in [*steps, *quiet]:
        written += more
        now += 1.0
        while (first := sending.next(now)) is not None and first <= written:
            last = min(first + batch - 1, written)
            sending.sent(last, now)
            if not batch_lost:
                store.take(first, last)
        if not receipt_lost:
            sending.confirm(store.upto, now)
    assert store.upto == written
