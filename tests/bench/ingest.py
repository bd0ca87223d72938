"""Events from many readers, live and draining, until the controller has stored them for good.

A broker and a controller run as processes of their own; the readers are light ones, and their
batches are sealed before the clock starts. For comparison the same rows are written by bare SQLite
in commits of a thousand, with nothing around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.access.rows import Method
from shared.wire.events import Event, EventKind, encode_event
from shared.wire.messages import MAX_BATCH
from tests.bench.crowd import LightReader, crowd
from tests.bench.report import Figure, Progress, quantile
from tests.bench.servers import serve

GROUP = 1_000
# How often somebody else's live event is timed during the drain.
PROBE_EVERY = 0.1


def run(progress: Progress, readers: int, live: int, drained: int) -> list[Figure]:
    """Measure with `readers` readers, each with `live` single events and `drained` old ones."""
    with TemporaryDirectory(prefix="doorward-bench-") as folder:
        return asyncio.run(_run(Path(folder), progress, readers, live, drained))


async def _run(
    folder: Path, progress: Progress, count: int, live: int, drained: int
) -> list[Figure]:
    bodies = [_entry(number) for number in range(max(live, drained))]
    async with serve(folder) as servers, crowd(servers, count + 1, progress) as (probe, *readers):
        one_by_one = await _upload(readers, [[body] for body in bodies[:live]], live=True)
        waits: list[float] = []
        probing = asyncio.create_task(_probe(probe, bodies[0], waits))
        parts = list(_parts(bodies[:drained]))
        draining = await _upload(readers, parts, live=False)
        probing.cancel()
        await asyncio.wait([probing])
    table, rows = _stored(folder / "controller" / "doorward.db")
    written = count * (live + drained)
    if not written + len(waits) <= len(rows) <= written + len(waits) + 1:
        raise RuntimeError(f"{len(rows)} events are stored, {written} were sent and some probes")
    bare = _bare(folder / "bare.db", table, rows)
    return [
        Figure(f"live events of {count} readers, one a message", one_by_one, "us each", 500),
        Figure(f"draining {count} readers x {drained}", draining, "us each", 50),
        Figure("another's live event meanwhile, p50", quantile(waits, 0.5), "ms"),
        Figure("another's live event meanwhile, longest", max(waits), "ms", 2_000),
        Figure("bare SQLite, the same rows by the thousand", bare, "us each"),
        Figure("draining, over bare", draining / bare, "x"),
    ]


async def _upload(
    readers: Sequence[LightReader], parts: Sequence[Sequence[bytes]], *, live: bool
) -> float:
    """Have all `readers` send `parts`; return microseconds for each entry, until the last receipt.

    Sealing them is the readers' work and not counted.
    """
    sealed = [[reader.write(part, live=live) for part in parts] for reader in readers]
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for reader, batches in zip(readers, sealed, strict=True):
            tasks.create_task(reader.upload(batches))
    entries = len(readers) * sum(len(part) for part in parts)
    return (time.perf_counter() - start) / entries * 1e6


async def _probe(reader: LightReader, body: bytes, waits: list[float]) -> None:
    """Send a live event now and then, and note the milliseconds until its receipt."""
    while True:
        start = time.perf_counter()
        await reader.upload([reader.write([body], live=True)])
        waits.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(PROBE_EVERY)


def _entry(number: int) -> bytes:
    event = Event(
        seq=number,
        at=1_748_858_400_000 + number,
        trust=Trust.TRUSTED,
        kind=EventKind.ACCESS,
        reason=Reason.GRANTED,
        method=Method.PKOC_BLE_ECDHE,
        credential=1_000 + number,
        person=1_000 + number,
        plan=1,
    )
    return encode_event(event)


def _parts(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(bodies), MAX_BATCH):
        yield bodies[start : start + MAX_BATCH]


def _stored(database: Path) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return how the table of events and its indices are made, and all that is in it."""
    with contextlib.closing(sqlite3.connect(database)) as stored:
        query = "SELECT sql FROM sqlite_master WHERE tbl_name = 'event' AND sql IS NOT NULL"
        made = [sql for (sql,) in stored.execute(query)]
        return made, stored.execute("SELECT * FROM event ORDER BY id").fetchall()


def _bare(path: Path, table: Sequence[str], rows: Sequence[tuple[object, ...]]) -> float:
    """Return the microseconds that SQLite alone takes for each of `rows`, just as durable."""
    marks = ", ".join("?" * len(rows[0]))
    with contextlib.closing(sqlite3.connect(path)) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        for sql in table:
            bare.execute(sql)
        start = time.perf_counter()
        for first in range(0, len(rows), GROUP):
            with bare:
                bare.executemany(
                    f"INSERT INTO event VALUES ({marks})",  # noqa: S608 - only question marks
                    rows[first : first + GROUP],
                )
        return (time.perf_counter() - start) / len(rows) * 1e6
