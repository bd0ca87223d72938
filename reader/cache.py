"""The plan cache: every row of this reader's plan and its deny set, in SQLite.

A delta or snapshot is one transaction, checked against the digest it was signed with; what does
not add up leaves the plan as it was. The pages of a long delta are kept aside until the last one
is there. Memory does not grow with the number of grants.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from reader.database import Damaged, Database
from shared import cbor
from shared.access.decide import DenyCause
from shared.access.digest import SetDigest
from shared.access.rows import (
    Calendar,
    Door,
    Grant,
    Row,
    decode_row,
    grants_prefix,
    row_key,
)
from shared.access.schedule import Schedule
from shared.wire.messages import CacheHealth, DenyUpdate, PlanPage, PlanState

logger = logging.getLogger(__name__)

VERSION = 1
SCHEMA = """
CREATE TABLE row (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE deny (key BLOB PRIMARY KEY, cause TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE staged (page INTEGER PRIMARY KEY, stream BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL, version INTEGER NOT NULL, digest BLOB NOT NULL, count INTEGER NOT NULL,
  deny_epoch INTEGER NOT NULL, deny_counter INTEGER NOT NULL);
INSERT INTO state VALUES (1, 0, 0, zeroblob(32), 0, 0, 0)
"""
# The digest is recomputed in the background in steps of this many rows.
VERIFY_STEP = 2_000

PageRows = tuple[Sequence[bytes], Sequence[bytes]]  # put, delete


class DoesNotAddUp(Exception):
    """A delta does not lead to the plan it was signed for. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The rows that every decision needs, at one version of the plan."""

    version: tuple[int, int]
    door: Door | None
    calendar: Calendar | None
    schedules: dict[int, Schedule]


NOTHING = Settings((0, 0), None, None, {})


class _State(NamedTuple):
    epoch: int
    version: int
    digest: bytes
    rows: int
    deny_epoch: int
    deny_counter: int


class PlanCache:
    """Rows and deny set of one reader. Reading what is broken raises `Damaged`: then refuse."""

    def __init__(self, database: Database, health: CacheHealth = CacheHealth.GOOD) -> None:
        """Take an open database; see `open_cache`."""
        self._database = database
        self._health = health
        self._settings = NOTHING
        self._last_state: _State | None = None  # dropped by every write; nobody else writes

    @property
    def health(self) -> CacheHealth:
        """Whether there is a plan to decide by."""
        if self._health is CacheHealth.GOOD and self.plan is None:
            return CacheHealth.EMPTY
        return self._health

    @property
    def plan(self) -> PlanState | None:
        """Which plan is in force; None if none is, or none that can be believed."""
        if self._health is CacheHealth.DAMAGED:
            return None
        state = self._state()
        if not state.version:
            return None
        return PlanState(state.epoch, state.version, state.digest, state.rows)

    @property
    def deny_counter(self) -> int:
        """Up to which change the deny set is complete."""
        return self._state().deny_counter

    @property
    def epoch(self) -> int:
        """The highest epoch that was ever accepted here, for plan or deny set."""
        state = self._state()
        return max(state.epoch, state.deny_epoch)

    def settings(self) -> Settings:
        """Return door, calendar and schedules of the plan in force; nothing if it is damaged."""
        if self._health is CacheHealth.DAMAGED:
            return NOTHING
        state = self._state()
        version = (state.epoch, state.version)
        if self._settings.version != version:
            self._settings = self._read_settings(version)
        return self._settings

    def grants(self, key: bytes) -> tuple[Grant, ...]:
        """Return every grant to the public key `key`."""
        prefix = grants_prefix(key)
        rows = self._rows("key BETWEEN ? AND ?", prefix, prefix + b"\xff" * 9)
        return tuple(row for row in rows if isinstance(row, Grant))

    def denied(self, key: bytes) -> DenyCause | None:
        """Return why `key` is refused whatever the plan says, or None."""
        rows = self._read("SELECT cause FROM deny WHERE key = ?", key)
        return DenyCause(rows[0][0]) if rows else None

    async def take_page(self, page: PlanPage) -> bool:
        """Keep `page`; apply all once the last is there. Return whether the plan changed.

        The caller has checked that the page fits the plan in force. Raises `DoesNotAddUp`,
        `shared.cbor.Malformed` (nothing was changed) or `Damaged`.
        """
        if page.pages == 1:
            rows = iter([(page.put, page.delete)])
            await self._write(lambda db: _apply(db, page, rows))
            return True
        complete = await self._database.write(lambda db: _stage(db, page))
        if not complete:
            return False
        try:
            await self._write(lambda db: _apply(db, page, _staged(db)))
        except (DoesNotAddUp, cbor.Malformed):
            await self._database.write(lambda db: db.execute("DELETE FROM staged"))
            raise
        return True

    async def take_denials(self, update: DenyUpdate) -> None:
        """Make `update`, which follows on the counter in force, part of the deny set, durably."""
        await self._write(lambda db: _deny(db, update))

    def healed(self) -> None:
        """A complete snapshot has replaced what was damaged."""
        self._health = CacheHealth.GOOD

    async def verify(self) -> bool:
        """Recompute the digest over all rows, a little at a time. Return whether it holds.

        What does not hold is no longer used: the reader refuses, says so, and asks for a snapshot.
        """
        before = self.plan
        if before is None:
            return True
        digest, last = SetDigest(), b""
        try:
            while rows := await self._database.write(partial(_rows_after, last)):
                for key, body in rows:
                    decode_row(body)
                    digest = digest.with_row(body)
                    last = key
            holds = (digest.value, digest.count) == (before.digest, before.count)
        except (Damaged, cbor.Malformed):
            holds = False
        if self.plan != before:
            return True  # A delta came in between; it was checked as it was applied.
        if not holds:
            self._health = CacheHealth.DAMAGED
        return holds

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    async def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        try:
            await self._database.write(work)
        finally:
            self._last_state = None

    def _state(self) -> _State:
        if self._last_state is None:
            rows = self._read(
                "SELECT epoch, version, digest, count, deny_epoch, deny_counter FROM state"
            )
            self._last_state = _State(*rows[0])
        return self._last_state

    def _rows(self, where: str, *values: bytes) -> list[Row]:
        found = self._read(f"SELECT body FROM row WHERE {where}", *values)  # noqa: S608 - ours
        try:
            return [decode_row(body) for (body,) in found]
        except cbor.Malformed as error:
            self._health = CacheHealth.DAMAGED
            raise Damaged(f"a row of the plan cannot be read: {error}") from error

    def _read(self, query: str, *values: bytes) -> list[Any]:
        try:
            return self._database.reader.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._health = CacheHealth.DAMAGED
            raise Damaged(f"{self._database.path}: {error}") from error

    def _read_settings(self, version: tuple[int, int]) -> Settings:
        door: Door | None = None
        calendar: Calendar | None = None
        schedules = {}
        for row in self._rows("key < ?", b"\x04"):
            match row:
                case Door() as door:
                    pass
                case Calendar() as calendar:
                    pass
                case Schedule() as schedule:
                    schedules[schedule.id] = schedule
                case Grant():
                    pass
        return Settings(version, door, calendar, schedules)


def open_cache(path: Path) -> PlanCache:
    """Open the cache at `path`. A damaged file is set aside and an empty, damaged cache returned.

    Raises `reader.database.TooNew`.
    """
    try:
        return PlanCache(Database(path, SCHEMA, VERSION))
    except Damaged as error:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        logger.warning(
            "%s; kept as %s, the door refuses until a snapshot is here", error, aside.name
        )
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return PlanCache(Database(path, SCHEMA, VERSION), CacheHealth.DAMAGED)


def _stage(db: sqlite3.Connection, page: PlanPage) -> bool:
    """Keep `page` aside, dropping pages of any other stream. Return whether all are there."""
    stream = cbor.encode([page.base, page.after, page.pages])
    db.execute("DELETE FROM staged WHERE stream != ?", (stream,))
    body = cbor.encode([list(page.put), list(page.delete)])
    db.execute("INSERT OR REPLACE INTO staged VALUES (?, ?, ?)", (page.page, stream, body))
    (count,) = db.execute("SELECT count(*) FROM staged").fetchone()
    return bool(count == page.pages)


def _staged(db: sqlite3.Connection) -> Iterator[PageRows]:
    for (number,) in db.execute("SELECT page FROM staged ORDER BY page").fetchall():
        (body,) = db.execute("SELECT body FROM staged WHERE page = ?", (number,)).fetchone()
        yield cbor.decode(body, limit=len(body))


def _apply(db: sqlite3.Connection, last: PlanPage, pages: Iterator[PageRows]) -> None:
    """Apply a whole stream of pages in the caller's transaction, or raise."""
    if last.base is None:
        db.execute("DELETE FROM row")
        digest = SetDigest()
    else:
        value, count = db.execute("SELECT digest, count FROM state").fetchone()
        digest = SetDigest.from_value(value, count)
    for put, delete in pages:
        digest = _apply_rows(db, digest, put, delete)
    after = last.after
    if (digest.value, digest.count) != (after.digest, after.count):
        raise DoesNotAddUp(
            f"the rows give {digest.count} rows and another digest than version {after.version}"
        )
    db.execute(
        "UPDATE state SET epoch = ?, version = ?, digest = ?, count = ?",
        (after.epoch, after.version, after.digest, after.count),
    )
    db.execute("DELETE FROM staged")


def _apply_rows(
    db: sqlite3.Connection, digest: SetDigest, put: Sequence[bytes], delete: Sequence[bytes]
) -> SetDigest:
    for key in delete:
        digest = _forget(db, digest, key)
        db.execute("DELETE FROM row WHERE key = ?", (key,))
    for body in put:
        row: Row = decode_row(body)
        key = row_key(row)
        digest = _forget(db, digest, key).with_row(body)
        db.execute("INSERT OR REPLACE INTO row VALUES (?, ?)", (key, body))
    return digest


def _forget(db: sqlite3.Connection, digest: SetDigest, key: bytes) -> SetDigest:
    old = db.execute("SELECT body FROM row WHERE key = ?", (key,)).fetchone()
    return digest.without_row(old[0]) if old else digest


def _deny(db: sqlite3.Connection, update: DenyUpdate) -> None:
    for entry in update.entries:
        if entry.cause is None:
            db.execute("DELETE FROM deny WHERE key = ?", (entry.key,))
        else:
            db.execute("INSERT OR REPLACE INTO deny VALUES (?, ?)", (entry.key, entry.cause.value))
    db.execute("UPDATE state SET deny_epoch = ?, deny_counter = ?", (update.epoch, update.counter))


def _rows_after(key: bytes, db: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    return db.execute(
        "SELECT key, body FROM row WHERE key > ? ORDER BY key LIMIT ?", (key, VERIFY_STEP)
    ).fetchall()
