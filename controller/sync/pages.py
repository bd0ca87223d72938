"""Plans and deny sets cut into messages: deltas merged, pages filled in order, nothing random.

A page is filled until the next row would make its message, envelope included, longer than
256 KiB. Pages of equal input are equal, so that one that was lost can be sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shared import cbor
from shared.access.decide import DenyCause
from shared.access.plan import Delta
from shared.access.rows import decode_row, row_key
from shared.wire.messages import (
    MAX_DENY_ENTRIES,
    PAGE_BYTES,
    DenyEntry,
    DenyUpdate,
    PlanPage,
    PlanState,
)

# Room for envelope, head and the lengths of the two lists.
_FRAME = 1_024
ROWS_BYTES = PAGE_BYTES - _FRAME
# A byte string of up to 64 KiB has at most three bytes of length before it.
_HEAD = 3


def merge(deltas: Sequence[Delta]) -> Delta:
    """Return the one delta that does what `deltas`, in order, do."""
    if len(deltas) == 1:
        return deltas[0]
    rows: dict[bytes, bytes | None] = {}
    for delta in deltas:
        rows.update(dict.fromkeys(delta.delete))
        rows.update((row_key(decode_row(body)), body) for body in delta.put)
    return Delta(
        put=tuple(body for _, body in sorted(rows.items()) if body is not None),
        delete=tuple(key for key, body in sorted(rows.items()) if body is None),
    )


def decode_delta(data: bytes) -> Delta:
    """Return a delta of the outbox. Raises `shared.cbor.Malformed`."""
    return cbor.decode_as(data, Delta, limit=len(data))


def delta_pages(
    reader: str, base: int, after: PlanState, delta: Delta, issued_at: int
) -> Iterator[PlanPage]:
    """Yield the messages that lead from version `base` to `after`; `issued_at` in seconds."""
    rows = [(body, True) for body in delta.put] + [(key, False) for key in delta.delete]
    cuts = list(cut(len(row) for row, _ in rows))
    for page, (start, end) in enumerate(cuts):
        part = rows[start:end]
        yield PlanPage(
            reader=reader,
            base=base,
            after=after,
            issued_at=issued_at,
            page=page,
            pages=len(cuts),
            put=tuple(row for row, stays in part if stays),
            delete=tuple(row for row, stays in part if not stays),
        )


def snapshot_page(
    reader: str, after: PlanState, rows: Sequence[bytes], issued_at: int, *, page: int, pages: int
) -> PlanPage:
    """Return one page of a snapshot; `issued_at` in seconds."""
    return PlanPage(
        reader=reader,
        base=None,
        after=after,
        issued_at=issued_at,
        page=page,
        pages=pages,
        put=tuple(rows),
    )


def cut(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the pages that rows of these sizes fill; one empty page for none."""
    start = filled = end = 0
    for end, size in enumerate(sizes, 1):
        if filled and filled + size + _HEAD > ROWS_BYTES:
            yield start, end - 1
            start, filled = end - 1, 0
        filled += size + _HEAD
    yield start, end


def deny_updates(
    reader: str,
    epoch: int,
    entries: Sequence[DenyEntry],
    issued_at: int,
    *,
    base: int,
    upto: int,
) -> Iterator[DenyUpdate]:
    """Yield the messages that lead the deny set from counter `base` to `upto`.

    `entries` are all with a counter in between, in order; `issued_at` in seconds.
    """
    starts = range(0, max(len(entries), 1), MAX_DENY_ENTRIES)
    for start in starts:
        part = entries[start : start + MAX_DENY_ENTRIES]
        counter = upto if start == starts[-1] else part[-1].counter
        yield DenyUpdate(
            reader=reader,
            epoch=epoch,
            base=base,
            counter=counter,
            issued_at=issued_at,
            entries=tuple(part),
        )
        base = counter


def deny_upto(entries: Sequence[DenyEntry], released: int, wanted: int) -> int | None:
    """Return up to which counter the deny set may be sent; None: nothing of it yet.

    What refuses goes at once. What no longer refuses waits until the plan that says how far the
    key may go is in force (`released` is the counter of that time), unless something that refuses
    comes after it. `wanted` is the counter when all of `entries` are sent.
    """
    free = [item.counter for item in entries if item.cause is not None or item.counter <= released]
    upto = max(free, default=None)
    return wanted if all(item.counter <= (upto or 0) for item in entries) else upto


def entry(counter: int, key: bytes, cause: str | None) -> DenyEntry:
    """Return a row of the deny set as it travels."""
    return DenyEntry(counter, key, None if cause is None else DenyCause(cause))
