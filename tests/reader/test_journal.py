"""The journal: numbered, chained, durable, forgotten only up to what is stored elsewhere."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from reader.database import Damaged, TooNew, Unusable
from reader.inbound import Floor
from reader.journal import Batch, Journal, open_journal
from reader.lease import Lease
from shared.access.mode import Trust
from shared.wire.events import GENESIS, Event, EventKind, chain, decode_event
from tests.reader.folders import folder
from tests.reader.virtual import run


@pytest_asyncio.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = open_journal(tmp_path / "journal.db")
    yield opened
    opened.close()


def event(at: int, **more: object) -> Event:
    return Event(seq=0, at=at, trust=Trust.UNKNOWN, kind=EventKind.EXIT, **more)  # type: ignore[arg-type]  # the names are those of Event


def events(count: int, first: int = 1) -> list[Event]:
    return [event(at) for at in range(first, first + count)]


def times(batch: Batch | None) -> list[int]:
    """When the entries of a batch happened, which tells them apart."""
    return [decode_event(entry).at for entry in batch.entries] if batch else []


def chained(batch: Batch) -> bytes:
    """The hash after a batch."""
    head = batch.previous
    for entry in batch.entries:
        head = chain(head, entry)
    return head


async def test_a_new_journal_has_a_name_and_no_entries(journal: Journal, tmp_path: Path) -> None:
    assert (journal.next_seq, journal.kept_from, journal.batch(1)) == (1, 1, None)
    assert len(journal.id) == 8
    other = open_journal(tmp_path / "other.db")
    assert other.id != journal.id
    other.close()


async def test_entries_are_numbered_and_chained(journal: Journal) -> None:
    assert await journal.append(events(2)) == 1
    assert await journal.append(events(1, first=3)) == 3
    batch = journal.batch(1)
    assert batch is not None
    assert (batch.first, batch.previous, times(batch)) == (1, GENESIS, [1, 2, 3])
    assert [decode_event(entry).seq for entry in batch.entries] == [1, 2, 3]
    tail = journal.batch(3)
    assert tail is not None
    assert tail.previous == chained(Batch(1, GENESIS, batch.entries[:2]))
    assert journal.next_seq == 4


async def test_all_survives_a_restart(journal: Journal, tmp_path: Path) -> None:
    await journal.append(events(3), spend=b"grant")
    await journal.forget(1)
    before = journal.batch(1)
    journal.close()
    again = open_journal(tmp_path / "journal.db")
    assert (again.id, again.next_seq, again.kept_from) == (journal.id, 4, 2)
    assert again.batch(1) == before
    assert again.spent(b"grant") == 1
    assert await again.append(events(1)) == 4
    again.close()


async def test_a_batch_has_its_limit(journal: Journal) -> None:
    await journal.append(events(10))
    assert times(journal.batch(3, limit=4)) == [3, 4, 5, 6]
    assert times(journal.batch(9, limit=4)) == [9, 10]
    assert journal.batch(11) is None


async def test_what_is_forgotten_is_gone_and_the_chain_goes_on(journal: Journal) -> None:
    await journal.append(events(10))
    whole = journal.batch(1)
    assert whole is not None
    await journal.forget(4)
    rest = journal.batch(1)
    assert rest is not None
    assert (rest.first, times(rest)) == (5, [5, 6, 7, 8, 9, 10])
    assert rest.previous == chained(Batch(1, GENESIS, whole.entries[:4]))
    assert journal.kept_from == 5
    await journal.forget(10)
    assert (journal.batch(1), journal.kept_from, journal.next_seq) == (None, 11, 11)
    await journal.append(events(1, first=11))
    last = journal.batch(1)
    assert last is not None
    assert last.previous == chained(whole)


@pytest.mark.parametrize("upto", [0, 1, 4, 99])
async def test_forgetting_twice_or_too_much_does_nothing(journal: Journal, upto: int) -> None:
    await journal.append(events(6))
    await journal.forget(4)
    await journal.forget(upto)
    assert (journal.kept_from, times(journal.batch(1))) == (5, [5, 6])


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.just("append"), st.integers(0, 4))
        | st.tuples(st.just("forget"), st.integers(0, 20))
        | st.tuples(st.just("restart"), st.just(0)),
        max_size=15,
    )
)
def test_whatever_is_kept_is_one_chain_from_the_beginning(steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        all_entries: list[bytes] = []
        kept_from = 1
        with folder() as name:
            journal = open_journal(Path(name) / "journal.db")
            for what, amount in steps:
                match what:
                    case "append":
                        first = await journal.append(events(amount))
                        assert first == len(all_entries) + 1
                        batch = journal.batch(first)
                        all_entries.extend(batch.entries if batch else ())
                    case "forget":
                        await journal.forget(amount)
                        if kept_from <= amount <= len(all_entries):
                            kept_from = amount + 1
                    case _:
                        journal.close()
                        journal = open_journal(Path(name) / "journal.db")
            assert (journal.kept_from, journal.next_seq) == (kept_from, len(all_entries) + 1)
            assert_rest(journal, all_entries, kept_from)
            journal.close()

    run(main())


def assert_rest(journal: Journal, all_entries: Sequence[bytes], kept_from: int) -> None:
    """Every batch that can be asked for continues the chain of all that ever was."""
    for first in range(kept_from, len(all_entries) + 1):
        batch = journal.batch(first, limit=2)
        assert batch is not None
        before = Batch(1, GENESIS, tuple(all_entries[: first - 1]))
        assert batch == Batch(first, chained(before), tuple(all_entries[first - 1 : first + 1]))


async def test_uses_are_counted_with_the_entry(journal: Journal) -> None:
    for _ in range(3):
        await journal.append(events(1), spend=b"one")
    await journal.append(events(1), spend=b"two")
    assert (journal.spent(b"one"), journal.spent(b"two"), journal.spent(b"none")) == (3, 1, 0)


async def test_an_entry_that_cannot_be_written_spends_nothing(journal: Journal) -> None:
    database = journal._database
    pages = database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    database.write_now(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(Unusable, match="full"):
        await journal.append([event(1, detail="x" * 200) for _ in range(500)], spend=b"one")
    assert (journal.spent(b"one"), journal.next_seq, journal.batch(1)) == (0, 1, None)


async def test_whoever_waits_learns_of_growth(journal: Journal) -> None:
    assert not journal.grown.is_set()
    await journal.append(events(1))
    assert journal.grown.is_set()


async def test_an_entry_whose_writer_went_away_is_numbered_all_the_same(journal: Journal) -> None:
    writing = asyncio.create_task(journal.append(events(1)))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await journal.keep("after", 1)
    assert journal.next_seq == 2


async def test_notes_are_kept_as_what_they_are(journal: Journal) -> None:
    lease, floor = Lease(7, 1.5, "boot", 3.25), Floor(1, 2, 3, 4)
    assert journal.note("lease", Lease) is None
    await journal.keep("lease", lease)
    journal.keep_now("floor", floor)
    assert (journal.note("lease", Lease), journal.note("floor", Floor)) == (lease, floor)
    await journal.keep("lease", None)
    await journal.keep("nothing", None)
    assert (journal.note("lease", Lease), journal.note("nothing", Lease)) == (None, None)


def meddle(path: Path, statement: str, *values: object) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(statement, values)
    other.close()


async def test_a_note_that_is_none_is_damage(journal: Journal, tmp_path: Path) -> None:
    await journal.keep("floor", Floor())
    for wrong in (b"{", b"7", b'{"epoch": "x"}', "text", 7):
        meddle(tmp_path / "journal.db", "UPDATE note SET value = ?", wrong)
        with pytest.raises(Damaged):
            journal.note("floor", Floor)


async def test_what_cannot_be_read_says_so_and_numbers_stay(
    journal: Journal, tmp_path: Path
) -> None:
    await journal.append(events(2), spend=b"one")
    assert journal.next_seq == 3
    for table in ("entry", "head", "spent", "note"):
        meddle(tmp_path / "journal.db", f"DROP TABLE {table}")
    asked = (
        lambda: journal.batch(1),
        lambda: journal.kept_from,
        lambda: journal.spent(b"one"),
        lambda: journal.note("floor", Floor),
    )
    for ask in asked:
        with pytest.raises(Damaged):
            ask()
    with pytest.raises(Damaged):
        await journal.append(events(1))
    assert journal.next_seq == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = 'text'",
        "UPDATE entry SET hash = 7",
        "UPDATE head SET next = 'text'",
        "UPDATE head SET hash = 'text'",
    ],
)
async def test_values_of_another_kind_are_damage(
    journal: Journal, tmp_path: Path, statement: str
) -> None:
    async def use() -> None:
        journal.batch(2)
        await journal.append(events(1))

    await journal.append(events(3))
    await use()
    meddle(tmp_path / "journal.db", statement)
    with pytest.raises(Damaged):
        await use()


@pytest.mark.parametrize("content", [b"no database" * 500, b"\0" * 8192])
def test_a_damaged_journal_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(Damaged, match="move it away and start again") as error:
        open_journal(path)
    assert str(path) in str(error.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["DELETE FROM head", "UPDATE head SET journal = 'text'"])
def test_a_journal_without_its_head_is_damaged(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "journal.db"
    open_journal(path).close()
    meddle(path, "INSERT INTO entry VALUES (1, x'00', x'00')")
    meddle(path, statement)
    with pytest.raises(Damaged, match="move it away"):
        open_journal(path)


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    open_journal(path).close()
    meddle(path, "PRAGMA user_version = 9")
    with pytest.raises(TooNew):
        open_journal(path)
