"""A reader with a very large plan: filling it, changing it, starting on it, deciding by it.

The plan goes in as a snapshot of pages and as a delta, through the very code that a reader runs;
start-up and decisions are measured in a fresh process (`tests.bench.plan_process`).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from reader.cache import PlanCache
from reader.clock import SystemTime
from reader.memory import open_memory
from shared.access.calendar import OffsetFrom
from shared.access.digest import SetDigest
from shared.access.rows import Calendar, Door, Grant, Method, Row, encode_row
from shared.access.schedule import Interval, Schedule, Span
from shared.wire.messages import PlanPage, PlanState
from tests.bench.report import Figure, Progress

READER = "benchreader"
ROWS_A_PAGE = 2_500  # some 220 KiB
DELTA = 10_000
FIRST_DAY, LAST_DAY = 0, 2**33


def key_of(number: int) -> bytes:
    """Return a public key as a plan holds it; that it is on the curve nobody asks here."""
    return b"\x04" + number.to_bytes(8, "big") * 8


def run(progress: Progress, grants: int = 1_000_000) -> list[Figure]:
    """Measure with a plan of `grants` grants."""
    with TemporaryDirectory(prefix="doorward-bench-") as folder:
        path = Path(folder)
        figures = asyncio.run(_fill(path, grants, progress))
        cold = _ask_fresh_process(path, grants)
    return [
        *figures,
        Figure("start to first correct decision", cold["start_s"], "s", 1.0),
        Figure("decision, p50", cold["p50_us"], "us"),
        Figure("decision, p99", cold["p99_us"], "us", 100.0),
        Figure("decision, p99, by the wall clock", cold["wall_p99_us"], "us"),
        Figure("resident memory", cold["rss_mb"], "MB", 150.0),
        Figure("resident memory beyond an empty plan", cold["grown_mb"], "MB"),
    ]


async def _fill(folder: Path, grants: int, progress: Progress) -> list[Figure]:
    memory = open_memory(folder, SystemTime())
    try:
        pages = -(-grants // ROWS_A_PAGE)
        after = _state(1, _digest(grants))
        start = time.perf_counter()
        for number, rows in enumerate(_pages(grants)):
            await memory.cache.take_page(_page(None, after, rows, number, pages))
            progress(number + 1, pages)
        filled = time.perf_counter() - start
        changed = await _change(memory.cache, grants)
        await memory.renew(int(time.time() * 1000), memory.time.uptime())
        await memory.raise_floor()
    finally:
        memory.close()
    return [
        Figure(f"snapshot of {grants:,} grants", filled, "s", 60.0 * grants / 1_000_000),
        Figure(f"delta of {DELTA:,} grants, durable", changed, "s", 1.0),
    ]


async def _change(cache: PlanCache, grants: int) -> float:
    """Apply a delta of new grants, in as many pages as it takes; return the seconds."""
    rows = [encode_row(_grant(number)) for number in range(grants, grants + DELTA)]
    digest = _digest(grants)
    for row in rows:
        digest = digest.with_row(row)
    chunks = [tuple(rows[at : at + ROWS_A_PAGE]) for at in range(0, len(rows), ROWS_A_PAGE)]
    after = _state(2, digest)
    start = time.perf_counter()
    for number, chunk in enumerate(chunks):
        await cache.take_page(_page(1, after, chunk, number, len(chunks)))
    return time.perf_counter() - start


def _ask_fresh_process(folder: Path, grants: int) -> dict[str, float]:
    started = time.time()
    command = [sys.executable, "-m", "tests.bench.plan_process", str(folder), str(grants)]
    answer = subprocess.run(
        [*command, str(started)], check=True, capture_output=True, text=True, timeout=300
    )
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def _pages(grants: int) -> Iterator[tuple[bytes, ...]]:
    """Yield the rows of a snapshot; door, calendar and schedule go into the first page."""
    first = tuple(encode_row(row) for row in _frame())
    for start in range(0, grants, ROWS_A_PAGE):
        end = min(start + ROWS_A_PAGE, grants)
        rows = tuple(encode_row(_grant(number)) for number in range(start, end))
        yield first + rows
        first = ()


def _frame() -> tuple[Row, ...]:
    week = tuple(Interval(day, Span(0, 1440)) for day in range(7))
    return (
        Door(1, tuple(Method)),
        Calendar(LAST_DAY, (OffsetFrom(FIRST_DAY, 3600),)),
        Schedule(1, week),
    )


def _grant(number: int) -> Grant:
    return Grant(key_of(number), 1, number + 1, number + 1, schedule=1)


def _digest(grants: int) -> SetDigest:
    digest = SetDigest.of(encode_row(row) for row in _frame())
    own = SetDigest.of(encode_row(_grant(number)) for number in range(grants))
    return SetDigest((digest.total + own.total) % 2**256, digest.count + own.count)


def _state(version: int, digest: SetDigest) -> PlanState:
    return PlanState(1, version, digest.value, digest.count)


def _page(
    base: int | None, after: PlanState, rows: tuple[bytes, ...], number: int, pages: int
) -> PlanPage:
    return PlanPage(
        reader=READER,
        base=base,
        after=after,
        issued_at=0,
        page=number,
        pages=pages,
        put=rows,
    )
